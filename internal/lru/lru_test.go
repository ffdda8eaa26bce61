package lru

import (
	"strconv"
	"strings"
	"testing"
)

func bytesOf(s string) int64 { return int64(len(s)) }

func TestBounded(t *testing.T) {
	const max = 64 << 10
	c := New(max, bytesOf)
	value := strings.Repeat("x", 1000)
	for i := range 1000 {
		c.Put(strconv.Itoa(i), value)
		if c.Size() > max {
			t.Fatalf("after %d values: %d bytes, want at most %d", i+1, c.Size(), max)
		}
	}
	if _, ok := c.Get("999"); !ok {
		t.Error("the last value is gone")
	}
	if _, ok := c.Get("0"); ok {
		t.Error("the first value is still there")
	}
	c.Put("large", strings.Repeat("x", max))
	if _, ok := c.Get("large"); ok {
		t.Error("a value larger than its share was kept")
	}
}

func TestLeastRecentlyUsedLeaves(t *testing.T) {
	c := New(shardCount*2000, bytesOf)
	value := strings.Repeat("x", 500)
	c.Put("kept", value)
	for i := range 1000 {
		c.Put(strconv.Itoa(i), value)
		if _, ok := c.Get("kept"); !ok {
			t.Fatalf("a value used all the time left after %d others", i)
		}
	}
}

func TestReplaceAndRemove(t *testing.T) {
	c := New(1<<20, bytesOf)
	c.Put("a", "one")
	c.Put("a", "two")
	if got, _ := c.Get("a"); got != "two" {
		t.Errorf("got %q, want two", got)
	}
	c.Remove("a")
	if _, ok := c.Get("a"); ok || c.Size() != 0 {
		t.Errorf("removed, and still %d bytes", c.Size())
	}
}

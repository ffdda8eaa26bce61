package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// counting returns a Mem and how often each operation was asked of it.
func counting() (*Mem, map[string]int) {
	asked := map[string]int{}
	return &Mem{Fail: func(op, _ string) error { asked[op]++; return nil }}, asked
}

func mustPut(t *testing.T, s Store, name string, b []byte, o PutOptions) {
	t.Helper()
	if err := s.Put(background, name, section(b), o); err != nil {
		t.Fatal(err)
	}
}

func readAllOf(t *testing.T, s Store, name string) []byte {
	t.Helper()
	c, err := s.Open(background, name)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCacheAsksOnce: what is in memory is asked of nobody, neither are its readers in each other's way.
func TestCacheAsksOnce(t *testing.T) {
	next, asked := counting()
	c := NewCache(next, 1<<20)
	mustPut(t, c, "x", tiny, PutOptions{})
	for range 3 {
		if got := readAllOf(t, c, "x"); !bytes.Equal(got, tiny) {
			t.Errorf("got %q", got)
		}
		if _, err := c.Stat(background, "x"); err != nil {
			t.Error(err)
		}
	}
	if asked["open"] != 1 || asked["stat"] != 0 {
		t.Errorf("the store was asked %v, want one open", asked)
	}
	for range 3 {
		if _, err := c.Open(background, "absent"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("absent: %v", err)
		}
	}
	if asked["open"] != 4 {
		t.Errorf("absence is not remembered; the store was asked %v", asked)
	}
}

// TestCacheIsBounded reads ten times what may be kept.
func TestCacheIsBounded(t *testing.T) {
	next, _ := counting()
	c := NewCache(next, 1<<20)
	b := bytes.Repeat([]byte("x"), 10<<10)
	for i := range 1000 {
		name := string(rune('a'+i%26)) + "/" + string(rune('a'+i/26))
		mustPut(t, c, name, b, PutOptions{})
		readAllOf(t, c, name)
		if size := c.small.Size(); size > 1<<20 {
			t.Fatalf("%d bytes are kept, at most %d may be", size, 1<<20)
		}
	}
	if c.small.Size() < 1<<19 {
		t.Errorf("only %d bytes are kept", c.small.Size())
	}
}

// late is a store whose Open has read the object and then waits.
type late struct {
	*Mem
	read, proceed chan struct{}
}

func (l *late) Open(ctx context.Context, name string) (*goproxy.Content, error) {
	c, err := l.Mem.Open(ctx, name)
	l.read <- struct{}{}
	<-l.proceed
	return c, err
}

// TestCacheForgetsWhatChangedMeanwhile: what was read before a change must not be kept after it.
func TestCacheForgetsWhatChangedMeanwhile(t *testing.T) {
	changes := map[string]func(c *Cache) error{
		"replaced": func(c *Cache) error { return c.Put(background, "x", section([]byte("new")), PutOptions{If: "*"}) },
		"removed":  func(c *Cache) error { return c.Remove(background, "x") },
	}
	for what, change := range changes {
		next := &late{Mem: &Mem{}, read: make(chan struct{}), proceed: make(chan struct{})}
		c := NewCache(next, 1<<20)
		mustPut(t, next.Mem, "x", []byte("old"), PutOptions{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			if content, err := c.Open(background, "x"); err != nil || content.Size != 3 {
				t.Errorf("%s while it was opened: %v", what, err)
			}
		}()
		<-next.read
		if err := change(c); err != nil {
			t.Fatal(err)
		}
		next.proceed <- struct{}{}
		<-done
		if o, ok := c.small.Get("x"); ok {
			t.Errorf("%s while it was opened: %q is kept", what, o.b)
		}
	}
}

// TestMemFails: the injected failure is the operation's, and nothing happens.
func TestMemFails(t *testing.T) {
	broken := errors.New("broken")
	m := &Mem{}
	mustPut(t, m, "x", tiny, PutOptions{})
	m.Fail = func(op, name string) error { return broken }
	if _, err := m.Open(background, "x"); !errors.Is(err, broken) {
		t.Errorf("Open: %v", err)
	}
	if _, err := m.Stat(background, "x"); !errors.Is(err, broken) {
		t.Errorf("Stat: %v", err)
	}
	if err := m.Put(background, "x", section(huge), PutOptions{If: "*"}); !errors.Is(err, broken) {
		t.Errorf("Put: %v", err)
	}
	if err := m.Remove(background, "x"); !errors.Is(err, broken) {
		t.Errorf("Remove: %v", err)
	}
	for _, err := range m.List(background, "") {
		if !errors.Is(err, broken) {
			t.Errorf("List: %v", err)
		}
	}
	m.Fail = nil
	if got := readAllOf(t, m, "x"); !bytes.Equal(got, tiny) {
		t.Errorf("after failures it holds %q", got)
	}
}

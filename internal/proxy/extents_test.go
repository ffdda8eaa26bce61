package proxy

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// bitmap is what extents must agree with: one bool a byte.
type bitmap []bool

func (m bitmap) add(off, end int64) {
	for i := off; i < end; i++ {
		m[i] = true
	}
}

func (m bitmap) check(t *testing.T, e *extents) {
	t.Helper()
	prefix, last := int64(slices.Index(append(slices.Clone(m), false), false)), int64(0)
	var list []extent
	for i := int64(0); i < int64(len(m)); i++ {
		if !m[i] {
			continue
		}
		last = i + 1
		if n := len(list); n > 0 && list[n-1].end == i {
			list[n-1].end++
		} else {
			list = append(list, extent{i, i + 1})
		}
	}
	if e.prefix() != prefix || e.end() != last || !slices.Equal(e.list, list) {
		t.Fatalf("extents %v, prefix %d, end %d; want %v, %d, %d", e.list, e.prefix(), e.end(), list, prefix, last)
	}
}

// TestExtents adds ranges at random, overlapping and not.
func TestExtents(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		const size = 100
		var e extents
		m := make(bitmap, size)
		for range 1 + r.IntN(40) {
			off := r.Int64N(size)
			end := min(size, off+r.Int64N(15))
			e.add(off, end)
			m.add(off, end)
			m.check(t, &e)
		}
	}
}

// TestExtentsInOrder is the usual way: the list must not grow.
func TestExtentsInOrder(t *testing.T) {
	var e extents
	for i := range int64(1000) {
		e.add(i*10, i*10+10)
	}
	if len(e.list) != 1 || e.prefix() != 10_000 || e.end() != 10_000 {
		t.Errorf("extents %v", e.list)
	}
}

// FuzzExtents takes pairs of bytes for ranges.
func FuzzExtents(f *testing.F) {
	f.Add([]byte{0, 10, 20, 5, 10, 10})
	f.Add([]byte{5, 0, 4, 1, 5, 1, 0, 4})
	f.Fuzz(func(t *testing.T, pairs []byte) {
		var e extents
		m := make(bitmap, 512)
		for i := 0; i+1 < len(pairs) && i < 200; i += 2 {
			off := int64(pairs[i])
			end := off + int64(pairs[i+1])
			e.add(off, end)
			m.add(off, end)
			m.check(t, &e)
		}
	})
}

package upstream

import (
	"testing"
	"testing/synctest"
	"time"
)

// FuzzParts divides, brings, lets go and joins parts in any order: they are always all that is missing, each byte once.
func FuzzParts(f *testing.F) {
	f.Add([]byte{0, 40, 1, 7, 0, 12, 3, 1, 2, 0, 1, 90, 2, 0})
	f.Add([]byte("divide and extend, divide and extend"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		const size = 1 << 8
		front := &part{end: size, busy: true}
		ps := parts{front}
		brought := make([]bool, size)
		for i := 0; i+1 < len(ops) && ps.first() != nil; i += 2 {
			p, arg := ps[int(ops[i]/4)%len(ps)], int64(ops[i+1])
			switch ops[i] % 4 {
			case 0:
				if n := 2 + arg%5; p.left() >= n {
					ps.divide(p, int(n), arg%(p.left()-n+1))
				}
			case 1:
				for p.busy = true; arg > 0 && p.pos < p.end; arg-- {
					if brought[p.pos] {
						t.Fatalf("byte %d comes twice", p.pos)
					}
					brought[p.pos] = true
					p.pos++
				}
				p.busy = p.pos < p.end && arg%2 == 0
			case 2:
				ps.extend(p, size-arg%3)
			case 3:
				p.busy = !p.busy
			}
			wantMissing(t, ps, brought)
		}
	})
}

// wantMissing wants ps to be what was not brought.
func wantMissing(t *testing.T, ps parts, brought []bool) {
	t.Helper()
	at, left := int64(0), int64(0)
	for _, p := range ps {
		if p.pos < at || p.end < p.pos {
			t.Fatalf("a part from %d to %d after byte %d", p.pos, p.end, at)
		}
		at = p.end
		for i := p.pos; i < p.end; i++ {
			if brought[i] {
				t.Fatalf("byte %d is there and in a part", i)
			}
		}
		left += p.left()
	}
	missing := int64(0)
	for _, b := range brought {
		if !b {
			missing++
		}
	}
	if left != missing || ps.left() != missing {
		t.Fatalf("%d bytes are in parts, %d are missing", left, missing)
	}
}

// TestShares: a part is no smaller than it is worth, takes no longer than readers should wait, and there are as many as
// keep all streams at work to the end.
func TestShares(t *testing.T) {
	for _, test := range []struct {
		each    float64
		left    int64
		streams int
		want    int
	}{
		{10e6, 39e6, 8, 8},
		{10e6, 500e6, 8, 32},
		{1e6, 40e6, 8, 24},
		{1e6, 3e6, 6, 2},
		{1e6, 1e6, 2, 0},
		{1, 1e9, 8, 953},
		{1e9, 1e9, 2, 2},
	} {
		if got := shares(test.each, test.left, test.streams); got != test.want {
			t.Errorf("%v: %d parts", test, got)
		}
	}
}

// TestPaceGains: more streams are of use where they bring half of what they could; time spent writing is not the upstream's.
func TestPaceGains(t *testing.T) {
	var p pace
	p.restart(at(0))
	p.came = 1000
	if r := p.rate(at(99), 1); r != 0 {
		t.Errorf("%v after 99 ms", r)
	}
	if r := p.rate(at(100), 1); r != 10_000 {
		t.Errorf("%v after 100 ms", r)
	}
	p.writing = 150 * time.Millisecond
	if r := p.rate(at(100), 2); r != 40_000 {
		t.Errorf("%v where three quarters of the time were spent writing", r)
	}
	p.writing = time.Hour
	if r := p.rate(at(100), 1); r != 1_000_000 {
		t.Errorf("%v where all of the time was spent writing", r)
	}
	p.step(10_000, 1)
	p.add(at(200), 1_000_000, time.Hour) // with which it begins
	p.add(at(250), 1000, 0)
	if r := p.rate(at(300), 4); r != 10_000 {
		t.Errorf("%v after 100 ms", r)
	}
	if p.rate(at(299), 4) != 0 || p.gained(24_000, 4) || !p.gained(25_000, 4) {
		t.Error("four streams gain at 2.5 times what one brings, no sooner")
	}
}

// TestLimiterSpares: a segment has a place at once where half of them are free and nobody waits, or none.
func TestLimiterSpares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(leastAtOnce)
		for i, want := range []bool{true, true, false} {
			if l.spare() != want {
				t.Errorf("place %d: got %t", i+1, !want)
			}
		}
		for range leastAtOnce - 2 {
			if err := l.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		waiting := make(chan error)
		go func() { waiting <- l.acquire(t.Context()) }()
		synctest.Wait()
		l.mu.Lock()
		l.limit = 4 * leastAtOnce
		l.mu.Unlock()
		if l.spare() {
			t.Error("a segment went before one that waits")
		}
		l.release()
		if err := <-waiting; err != nil {
			t.Error(err)
		}
	})
}

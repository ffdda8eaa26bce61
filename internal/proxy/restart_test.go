package proxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

// TestSpoolRestart: the bytes that were given out come again, in other pieces, and go on: the reader sees nothing of it.
func TestSpoolRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 1<<20, 0)
		b := content(200_000, 1)
		s.SetSize(200_000)
		mustWrite(t, s, b, 0, 150_000)
		s.release(100_000, 0)
		g := startFollowing(s.follow(t.Context(), 200_000))
		g.want(t, b[:100_000], nil)
		for restart := 1; restart < 4; restart++ {
			s.Reset()
			s.release(200_000, restart-1) // the checker of before comes late
			s.SetSize(200_000)
			mustWrite(t, s, b, 90_000, 160_000)
			mustWrite(t, s, b, 0, 90_000)
			g.want(t, b[:100_000], nil)
		}
		s.release(160_000, 3)
		g.want(t, b[:160_000], nil)
		mustWrite(t, s, b, 160_000, 200_000)
		s.finish(nil)
		g.want(t, b, io.EOF)
		s.done()
	})
}

// TestSpoolRestartDiffers: other bytes come in place of those given out: who has them is told, who has not goes on.
func TestSpoolRestartDiffers(t *testing.T) {
	for _, differs := range []int{0, 50_000, 99_999} {
		synctest.Test(t, func(t *testing.T) {
			s := testSpool(t, 1<<20, 0)
			first := content(200_000, 1)
			second := bytes.Clone(first)
			second[differs] ^= 1
			s.SetSize(200_000)
			mustWrite(t, s, first, 0, 120_000)
			s.release(100_000, 0)
			old := startFollowing(s.follow(t.Context(), 200_000))
			idle := s.follow(t.Context(), 200_000) // reads nothing meanwhile
			old.want(t, first[:100_000], nil)
			s.Reset()
			s.SetSize(200_000)
			young := startFollowing(s.follow(t.Context(), 200_000))
			mustWrite(t, s, second, 0, 200_000)
			old.want(t, first[:100_000], errAborted)
			if n, err := idle.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errAborted) {
				t.Errorf("one that had not read yet got %d bytes, %v", n, err)
			}
			idle.Close()
			s.finish(nil)
			young.want(t, second, io.EOF)
			s.done()
		})
	}
}

// TestSpoolOverwrittenWhileRead: the bytes change under a reader that was let through a moment ago: it must not take them.
func TestSpoolOverwrittenWhileRead(t *testing.T) {
	t.Parallel()
	const n = 4 << 20
	first, second := content(n, 1), content(n, 2)
	for range 30 {
		s := testSpool(t, n, 0)
		s.SetSize(n)
		mustWrite(t, s, first, 0, n)
		s.release(n-1, 0)
		f := s.follow(t.Context(), n)
		begun, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			defer f.Close()
			buf := make([]byte, n/8)
			for off := 0; ; {
				if off == len(buf) {
					close(begun)
				}
				got, err := f.Read(buf)
				if !bytes.Equal(buf[:got], first[off:off+got]) {
					t.Error("a reader was given bytes of another attempt")
				}
				if off += got; err != nil {
					return
				}
			}
		}()
		<-begun
		s.Reset()
		s.SetSize(n)
		if _, err := s.WriteAt(second, 0); err != nil {
			t.Error(err)
		}
		<-done
		s.done()
	}
}

// TestSpoolRestartDiffersBehind: what was not given out may change.
func TestSpoolRestartDiffersBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 1<<20, 0)
		first := content(200_000, 1)
		second := append(bytes.Clone(first[:100_000]), content(100_000, 2)...)
		s.SetSize(200_000)
		mustWrite(t, s, first, 0, 200_000)
		s.release(100_000, 0)
		g := startFollowing(s.follow(t.Context(), 200_000))
		g.want(t, first[:100_000], nil)
		s.Reset()
		s.SetSize(200_000)
		mustWrite(t, s, second, 0, 200_000)
		s.finish(nil)
		g.want(t, second, io.EOF)
		s.done()
	})
}

// TestSpoolRestartOtherLength: an answer of another length, be it longer, shorter or of unknown length, gives the
// readers of the first nothing that ends well, not even where it starts with all they were announced.
func TestSpoolRestartOtherLength(t *testing.T) {
	for _, test := range []struct {
		name      string
		n         int
		announced bool
	}{{"longer", 150_000, true}, {"longer by one", 100_001, true}, {"shorter", 90_000, true}, {"longer, unannounced", 150_000, false}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testSpool(t, 1<<20, 0)
				b := content(150_000, 1)
				s.SetSize(100_000)
				mustWrite(t, s, b, 0, 60_000)
				s.release(50_000, 0)
				g := startFollowing(s.follow(t.Context(), 100_000))
				g.want(t, b[:50_000], nil)
				s.Reset()
				if test.announced {
					s.SetSize(int64(test.n))
				}
				mustWrite(t, s, b, 0, int64(test.n))
				s.release(int64(test.n), 1)
				g.want(t, b[:50_000], nil) // it may turn out wrong, and the right one come after it
				s.finish(nil)
				g.want(t, b[:50_000], errAborted)
				s.done()
			})
		})
	}
}

// TestSpoolOtherLengthThenRight: an answer of another length was wrong, the next one is right: its readers go on.
func TestSpoolOtherLengthThenRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 1<<20, 0)
		b := content(100_000, 1)
		s.SetSize(100_000)
		mustWrite(t, s, b, 0, 60_000)
		s.release(50_000, 0)
		g := startFollowing(s.follow(t.Context(), 100_000))
		g.want(t, b[:50_000], nil)
		s.Reset()
		s.SetSize(400) // a page, say, that is refused before a byte of it is written
		g.want(t, b[:50_000], nil)
		s.Reset()
		s.SetSize(100_000)
		mustWrite(t, s, b, 0, 100_000)
		s.finish(nil)
		g.want(t, b, io.EOF)
		s.done()
	})
}

// TestSpoolAtRandom writes files in random pieces and orders, with restarts at random that bring the same bytes, in
// memory and on disk, while readers of all kinds follow: each has all bytes at the end.
func TestSpoolAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		n := 1 + r.Int64N(300_000)
		b := content(int(n), byte(seed))
		s := testSpool(t, 1<<20, []int64{0, 1000, 64 << 10}[seed%3])
		if err := s.SetSize(n); err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		for i := range 4 {
			f := s.follow(t.Context(), n)
			readers.Go(func() {
				defer f.Close()
				var src io.Reader = f
				if i == 1 {
					src = iotest.HalfReader(f)
				}
				got, err := io.ReadAll(src)
				if err != nil || !bytes.Equal(got, b) {
					t.Errorf("seed %d: a reader got %d of %d bytes, %v", seed, len(got), n, err)
				}
			})
		}
		for range r.IntN(3) {
			writeAtRandom(t, s, b, r, false)
			s.Reset()
			s.SetSize(n)
		}
		writeAtRandom(t, s, b, r, true)
		if got, err := s.setComplete(); got != n || err != nil {
			t.Fatalf("seed %d: complete: %d, %v", seed, got, err)
		}
		s.finish(nil)
		readers.Wait()
		src, _ := s.content()
		if got, err := io.ReadAll(src); err != nil || !bytes.Equal(got, b) {
			t.Errorf("seed %d: the content is %d of %d bytes, %v", seed, len(got), n, err)
		}
		s.done()
	}
}

// writeAtRandom writes pieces of b, two at once as segments come, and releases what a checker would have seen; all
// of them, or some.
func writeAtRandom(t *testing.T, s *spool, b []byte, r *rand.Rand, whole bool) {
	t.Helper()
	var cuts []int64
	for range r.IntN(30) {
		cuts = append(cuts, r.Int64N(int64(len(b))))
	}
	cuts = append(cuts, 0, int64(len(b)))
	slices.Sort(cuts)
	order := r.Perm(len(cuts) - 1)
	if !whole {
		order = order[:r.IntN(len(order)+1)]
	}
	restart := s.restartCount()
	var writers sync.WaitGroup
	for w := range 2 {
		mine := order[w*len(order)/2 : (w+1)*len(order)/2]
		writers.Go(func() {
			for _, i := range mine {
				if _, err := s.WriteAt(b[cuts[i]:cuts[i+1]], cuts[i]); err != nil {
					t.Error(err)
				}
				s.mu.Lock()
				safe := s.have.prefix() / 2
				s.mu.Unlock()
				s.release(safe, restart)
			}
		})
	}
	writers.Wait()
}

package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// testSpool returns a spool of a zip in a directory of its own. When the test is over no user, no file and
// no spare byte may be left.
func testSpool(t *testing.T, max, small int64) *spool {
	t.Helper()
	dir, sp := t.TempDir(), newSpare(64<<20)
	s := newSpool(dir, max, small, sp)
	t.Cleanup(func() {
		if s.users != 0 || sp.left.Load() != 64<<20 {
			t.Errorf("%d users and %d bytes of spare memory are not given back", s.users, 64<<20-sp.left.Load())
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in the spool directory: %v, %v", left, err)
		}
	})
	return s
}

func content(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func mustWrite(t *testing.T, s io.WriterAt, b []byte, off, end int64) {
	t.Helper()
	if err := write(s, b, off, end); err != nil {
		t.Fatal(err)
	}
}

// A following reads a follower to the end in a goroutine of its own.
type following struct {
	mu   sync.Mutex
	b    []byte
	done bool
	err  error
}

func startFollowing(f *follower) *following {
	g := &following{b: make([]byte, 0, f.size)}
	go func() {
		defer f.Close()
		buf := make([]byte, max(1000, f.size/10))
		for {
			n, err := f.Read(buf)
			g.mu.Lock()
			g.b = append(g.b, buf[:n]...)
			g.done, g.err = err != nil, err
			g.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return g
}

// want checks what has been read once nothing moves any more; err is how it ended, nil while it waits.
func (g *following) want(t *testing.T, b []byte, err error) {
	t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !bytes.Equal(g.b, b) || !errors.Is(g.err, err) || g.done != (err != nil) {
		t.Errorf("a reader has %d bytes and %v; want %d (the same: %v) and %v", len(g.b), g.err, len(b), bytes.Equal(g.b, b), err)
	}
}

// TestSpoolFollow: bytes arrive and are released step by step; two readers see what is released and no more.
func TestSpoolFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 1<<20, 0)
		b := content(300_000, 1)
		if err := s.SetSize(300_000); err != nil {
			t.Fatal(err)
		}
		early := startFollowing(s.follow(t.Context(), 300_000))
		early.want(t, nil, nil)
		mustWrite(t, s, b, 0, 100_000)
		early.want(t, nil, nil) // arrived, not released
		s.release(70_000, 0)
		early.want(t, b[:70_000], nil)
		s.release(50_000, 0) // never back
		mustWrite(t, s, b, 200_000, 300_000)
		s.release(100_000, 0)
		late := startFollowing(s.follow(t.Context(), 300_000))
		early.want(t, b[:100_000], nil)
		late.want(t, b[:100_000], nil)
		mustWrite(t, s, b, 100_000, 200_000)
		s.release(299_999, 0)
		early.want(t, b[:299_999], nil)
		if n, err := s.setComplete(); n != 300_000 || err != nil {
			t.Errorf("complete: %d, %v", n, err)
		}
		late.want(t, b[:299_999], nil)
		s.finish(nil)
		early.want(t, b, io.EOF)
		late.want(t, b, io.EOF)
		s.done()
	})
}

// TestSpoolAllReleased: a reader that was given every byte still waits for the end to be confirmed.
func TestSpoolAllReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 1<<20, 0)
		b := content(1000, 1)
		s.SetSize(1000)
		mustWrite(t, s, b, 0, 1000)
		s.release(1000, 0)
		g := startFollowing(s.follow(t.Context(), 1000))
		g.want(t, b, nil)
		wrong := &goproxy.Wrong{Reason: "its hash is another"}
		s.finish(wrong)
		g.want(t, b, wrong)
		s.done()
	})
}

func TestSpoolCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 1<<20, 0)
		b := content(1000, 1)
		s.SetSize(1000)
		mustWrite(t, s, b, 0, 500)
		s.release(500, 0)
		gone := errors.New("the client left")
		ctx, cancel := context.WithCancelCause(t.Context())
		leaves := startFollowing(s.follow(ctx, 1000))
		stays := startFollowing(s.follow(t.Context(), 1000))
		leaves.want(t, b[:500], nil)
		cancel(gone)
		leaves.want(t, b[:500], gone)
		mustWrite(t, s, b, 500, 1000)
		s.finish(nil)
		stays.want(t, b, io.EOF)
		s.done()
	})
}

// TestSpoolSeek: a reader goes ahead of what has arrived, as for a range, and back.
func TestSpoolSeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 1<<20, 0)
		b := content(100_000, 1)
		s.SetSize(100_000)
		f := s.follow(t.Context(), 100_000)
		for _, seek := range []struct {
			off    int64
			whence int
			want   int64
		}{{10, io.SeekStart, 10}, {5, io.SeekCurrent, 15}, {-60_000, io.SeekEnd, 40_000}} {
			if got, err := f.Seek(seek.off, seek.whence); got != seek.want || err != nil {
				t.Errorf("Seek(%d, %d) = %d, %v", seek.off, seek.whence, got, err)
			}
		}
		if _, err := f.Seek(-1, io.SeekStart); err == nil {
			t.Error("a seek before the start succeeded")
		}
		ahead := startFollowing(f)
		past := s.follow(t.Context(), 100_000)
		past.Seek(1, io.SeekEnd)
		beyond := startFollowing(past)
		mustWrite(t, s, b, 0, 40_000)
		s.release(40_000, 0)
		ahead.want(t, nil, nil)
		mustWrite(t, s, b, 40_000, 70_000)
		s.release(60_000, 0)
		ahead.want(t, b[40_000:60_000], nil)
		mustWrite(t, s, b, 70_000, 100_000)
		s.finish(nil)
		ahead.want(t, b[40_000:], io.EOF)
		beyond.want(t, nil, io.EOF)
		s.done()
	})
}

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

func TestSpoolFinishWithError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 1<<20, 0)
		b := content(1000, 1)
		s.SetSize(1000)
		mustWrite(t, s, b, 0, 900)
		s.release(500, 0)
		g := startFollowing(s.follow(t.Context(), 1000))
		g.want(t, b[:500], nil)
		away := &goproxy.Unavailable{Reason: "away"}
		s.finish(away)
		g.want(t, b[:500], away)
		late := s.follow(t.Context(), 1000)
		if n, err := late.Read(make([]byte, 10)); n != 0 || !errors.Is(err, away) {
			t.Errorf("one that came late got %d bytes, %v", n, err)
		}
		late.Close()
		late.Close() // once more is no harm
		if n, err := late.Read(nil); n != 0 || err != nil {
			t.Errorf("nothing asked: %d, %v", n, err)
		}
		s.done()
	})
}

// TestSpoolSizes: what is too long, or not as long as announced.
func TestSpoolSizes(t *testing.T) {
	var wrong *goproxy.Wrong
	s := testSpool(t, 1000, 0)
	defer s.done()
	if err := s.SetSize(1001); !errors.As(err, &wrong) || !strings.Contains(wrong.Reason, "1000") {
		t.Errorf("more than the most: %v", err)
	}
	if _, err := s.WriteAt(make([]byte, 1001), 0); !errors.As(err, &wrong) {
		t.Errorf("more than the most, unannounced: %v", err)
	}
	if _, err := s.WriteAt(make([]byte, 1), 1000); !errors.As(err, &wrong) {
		t.Errorf("past the most: %v", err)
	}
	if err := s.SetSize(100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriteAt(make([]byte, 101), 0); !errors.As(err, &wrong) || !strings.Contains(wrong.Reason, "100") {
		t.Errorf("longer than announced: %v", err)
	}
	mustWrite(t, s, make([]byte, 100), 0, 99)
	if n, err := s.setComplete(); n != 99 || !errors.As(err, &wrong) || !strings.Contains(wrong.Reason, "99 of 100") {
		t.Errorf("shorter than announced: %d, %v", n, err)
	}
	s.Reset()
	mustWrite(t, s, make([]byte, 100), 0, 10)
	mustWrite(t, s, make([]byte, 100), 20, 30)
	if n, err := s.setComplete(); n != 10 || !errors.As(err, &wrong) {
		t.Errorf("with a hole, of unknown length: %d, %v", n, err)
	}
	mustWrite(t, s, make([]byte, 100), 10, 20)
	if n, err := s.setComplete(); n != 30 || err != nil {
		t.Errorf("without the hole: %d, %v", n, err)
	}
}

// TestSpoolArrivals: the checker sees what has arrived, to the end, and hears of a restart wherever it stands.
func TestSpoolArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 1<<20, 0)
		b := content(100_000, 1)
		type result struct {
			b   []byte
			err error
		}
		check := func(restart int) chan result {
			ended := make(chan result, 1)
			go func() {
				got, err := io.ReadAll(iotest.OneByteReader(&arrivals{ctx: t.Context(), spool: s, restart: restart}))
				ended <- result{got, err}
			}()
			return ended
		}
		first := check(0)
		mustWrite(t, s, b, 0, 100)
		synctest.Wait()
		s.Reset()
		if r := <-first; r.err != errRestarted || !bytes.Equal(r.b, b[:100]) {
			t.Errorf("at a restart: %d bytes, %v", len(r.b), r.err)
		}
		second := check(1)
		mustWrite(t, s, b, 0, 2000)
		synctest.Wait()
		if len(second) > 0 {
			t.Error("it ended before the bytes were complete")
		}
		if _, err := s.setComplete(); err != nil {
			t.Fatal(err)
		}
		if r := <-second; r.err != nil || !bytes.Equal(r.b, b[:2000]) {
			t.Errorf("to the end: %d bytes, %v", len(r.b), r.err)
		}
		s.Reset()
		third := check(2)
		broken := errors.New("broken")
		s.finish(broken)
		if r := <-third; !errors.Is(r.err, broken) {
			t.Errorf("after a failure: %v", r.err)
		}
		if r := <-check(1); r.err != errRestarted {
			t.Errorf("a checker that comes late: %v", r.err)
		}
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

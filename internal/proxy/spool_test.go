package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

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
	time.Sleep(tellAfter)
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

// TestSpoolArrivals: the checker sees what has arrived, a good part at once, to the end, and hears of a restart wherever it
// stands.
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
		mustWrite(t, s, b, 0, checkedAtOnce+100)
		mustWrite(t, s, b, checkedAtOnce+100, checkedAtOnce+200)
		synctest.Wait()
		s.Reset()
		if r := <-first; r.err != errRestarted || !bytes.Equal(r.b, b[:checkedAtOnce+100]) && !bytes.Equal(r.b, b[:checkedAtOnce+200]) {
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

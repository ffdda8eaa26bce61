package proxy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/modhaven/modhaven/internal/goproxy"
)

func needSpare(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has files without a disk")
	}
}

// breakDisk makes every later write to the spool's file fail. What is there can still be read.
func breakDisk(t *testing.T, s *spool) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	readOnly, err := os.Open(s.file.Name())
	if err != nil {
		t.Error(err)
		return
	}
	s.file.Close()
	s.file = readOnly
}

func wantContent(t *testing.T, s *spool, want []byte) {
	t.Helper()
	src, _ := s.content()
	if got, err := io.ReadAll(src); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the content is %d bytes, %v; want %d", len(got), err, len(want))
	}
}

func wantUnavailable(t *testing.T, err error, words ...string) {
	t.Helper()
	var u *goproxy.Unavailable
	if !errors.As(err, &u) {
		t.Errorf("error %v, want *Unavailable", err)
		return
	}
	for _, w := range words {
		if !strings.Contains(u.Error(), w) {
			t.Errorf("error %q does not say %q", u, w)
		}
	}
}

// TestSpoolGrows goes from memory to the disk and, when that fails, to a file without a disk; a reader follows.
func TestSpoolGrows(t *testing.T) {
	needSpare(t)
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 10<<20, 1000)
		b := content(200_000, 1)
		s.SetSize(200_000)
		g := startFollowing(s.follow(t.Context(), 200_000))
		mustWrite(t, s, b, 0, 900)
		s.release(800, 0)
		g.want(t, b[:800], nil)
		if s.file != nil {
			t.Error("900 bytes are on the disk already")
		}
		mustWrite(t, s, b, 900, 60_000)
		s.release(50_000, 0)
		g.want(t, b[:50_000], nil)
		if s.file == nil || s.onSpare || s.mem != nil {
			t.Errorf("60,000 bytes: file %v, spare %v, %d in memory", s.file, s.onSpare, len(s.mem))
		}
		onDisk := s.file.Name()
		mustWrite(t, s, b, 150_000, 170_000) // out of order
		breakDisk(t, s)
		mustWrite(t, s, b, 60_000, 100_000)
		s.release(90_000, 0)
		g.want(t, b[:90_000], nil)
		if !s.onSpare || s.spared != 200_000 {
			t.Errorf("after a failure: spare %v, %d bytes taken", s.onSpare, s.spared)
		}
		if _, err := os.Stat(onDisk); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file on the full disk is still there: %v", err)
		}
		mustWrite(t, s, b, 170_000, 200_000)
		mustWrite(t, s, b, 100_000, 150_000)
		if n, err := s.setComplete(); n != 200_000 || err != nil {
			t.Errorf("complete: %d, %v", n, err)
		}
		s.finish(nil)
		g.want(t, b, io.EOF)
		wantContent(t, s, b)
		s.done()
	})
}

// TestSpoolDiskFailsUnderWriters: several write at once when the disk fails: no byte is lost.
func TestSpoolDiskFailsUnderWriters(t *testing.T) {
	t.Parallel()
	needSpare(t)
	b := content(800_000, 1)
	for range 20 {
		s := testSpool(t, 10<<20, 0)
		s.SetSize(800_000)
		mustWrite(t, s, b, 0, 1)
		var writers sync.WaitGroup
		for w := range int64(8) {
			writers.Go(func() {
				for off := w * 100_000; off < (w+1)*100_000; off += 10_000 {
					if off == 350_000 {
						breakDisk(t, s)
					}
					if _, err := s.WriteAt(b[off:off+10_000], off); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		if n, err := s.setComplete(); n != 800_000 || err != nil {
			t.Errorf("complete: %d, %v", n, err)
		}
		wantContent(t, s, b)
		s.done()
	}
}

// TestSpoolDiskFailsAfterRestart: what readers were given moves along, so that they stay when it comes again.
func TestSpoolDiskFailsAfterRestart(t *testing.T) {
	needSpare(t)
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 10<<20, 0)
		b := content(100_000, 1)
		s.SetSize(100_000)
		mustWrite(t, s, b, 0, 60_000)
		s.release(50_000, 0)
		g := startFollowing(s.follow(t.Context(), 100_000))
		g.want(t, b[:50_000], nil)
		s.Reset()
		s.SetSize(100_000)
		breakDisk(t, s)
		mustWrite(t, s, b, 0, 100_000)
		s.finish(nil)
		g.want(t, b, io.EOF)
		s.done()
	})
}

func TestSpoolWithoutDisk(t *testing.T) {
	needSpare(t)
	noDir := filepath.Join(t.TempDir(), "gone")
	b := content(maxSpare+1, 1)
	tests := []struct {
		name   string
		budget int64
		size   int64 // announced; -1: not
		n      int64 // written
		fails  []string
	}{
		{"announced", 64 << 20, 100_000, 100_000, nil},
		{"not announced", 64 << 20, -1, 100_000, nil},
		{"just not too large", 64 << 20, maxSpare, maxSpare, nil},
		{"too large", 64 << 20, maxSpare + 1, maxSpare + 1, []string{noDir, "8 MiB", "free some space"}},
		{"too large, not announced", 64 << 20, -1, maxSpare + 1, []string{noDir, "8 MiB"}},
		{"no memory left", 99_999, 100_000, 1, []string{noDir, "memory", "in use"}},
		{"no memory left, not announced", 99_999, -1, 100_000, []string{"memory", "in use"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sp := newSpare(test.budget)
			s := newSpool(noDir, goproxy.MaxZip, 0, sp)
			if test.size >= 0 {
				s.SetSize(test.size)
			}
			err := write(s, b, 0, test.n)
			if test.fails != nil {
				wantUnavailable(t, err, test.fails...)
			} else if err != nil {
				t.Error(err)
			} else {
				wantContent(t, s, b[:test.n])
			}
			s.done()
			if left := sp.left.Load(); left != test.budget {
				t.Errorf("%d of %d bytes are left", left, test.budget)
			}
		})
	}
}

// TestSpoolDiskFailsForLarge: a file too large for memory is on the disk when that fails: the reason says both, and a
// smaller one may come after it.
func TestSpoolDiskFailsForLarge(t *testing.T) {
	needSpare(t)
	s := testSpool(t, goproxy.MaxZip, 0)
	b := content(200_000, 1)
	s.SetSize(maxSpare + 1)
	mustWrite(t, s, b, 0, 1000)
	breakDisk(t, s)
	wantUnavailable(t, write(s, b, 1000, 2000), s.dir, "8 MiB", "bad file descriptor")
	s.Reset()
	s.SetSize(200_000)
	mustWrite(t, s, b, 0, 200_000)
	wantContent(t, s, b)
	s.done()
}

// TestSpareIsShared: what one gives back another can have.
func TestSpareIsShared(t *testing.T) {
	needSpare(t)
	sp := newSpare(150_000)
	noDir := filepath.Join(t.TempDir(), "gone")
	b := content(100_000, 1)
	first, second := newSpool(noDir, 1<<20, 0, sp), newSpool(noDir, 1<<20, 0, sp)
	mustWrite(t, first, b, 0, 100_000)
	wantUnavailable(t, write(second, b, 0, 100_000), "in use")
	first.done()
	mustWrite(t, second, b, 0, 100_000)
	wantContent(t, second, b)
	second.done()
	if left := sp.left.Load(); left != 150_000 {
		t.Errorf("%d of 150,000 bytes are left", left)
	}
}

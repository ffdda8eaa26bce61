package proxy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
)

// wantNext checks the next part, all of which is used.
func wantNext(t *testing.T, f *follower, want []byte) {
	t.Helper()
	file, n, err := f.Next()
	if err != nil || n != int64(len(want)) {
		t.Fatalf("the next part has %d bytes, %v; want %d", n, err, len(want))
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(file, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the next part cannot be read or is another: %v", err)
	}
	if err := f.Sent(n); err != nil {
		t.Error(err)
	}
}

// TestFollowerNext: a follower tells where the released bytes are, also when they move to another file.
func TestFollowerNext(t *testing.T) {
	needSpare(t)
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 10<<20, 0)
		b := content(200_000, 1)
		s.SetSize(200_000)
		mustWrite(t, s, b, 0, 100_000)
		s.release(70_000, 0)
		f := s.follow(t.Context(), 200_000)
		wantNext(t, f, b[:70_000])
		s.release(90_000, 0)
		wantNext(t, f, b[70_000:90_000])
		breakDisk(t, s)
		mustWrite(t, s, b, 100_000, 200_000)
		s.release(150_000, 0)
		wantNext(t, f, b[90_000:150_000])
		if _, err := f.Seek(10_000, io.SeekStart); err != nil {
			t.Error(err)
		}
		wantNext(t, f, b[10_000:150_000])
		s.finish(nil)
		wantNext(t, f, b[150_000:])
		if _, _, err := f.Next(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
		f.Close()
		s.done()
	})
}

// TestFollowerNextAborts: bytes that came differently the second time are not taken for good.
func TestFollowerNextAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, 10<<20, 0)
		s.SetSize(100_000)
		mustWrite(t, s, content(100_000, 1), 0, 100_000)
		s.release(50_000, 0)
		f := s.follow(t.Context(), 100_000)
		if _, _, err := f.Next(); err != nil {
			t.Fatal(err)
		}
		s.Reset()
		s.SetSize(100_000)
		mustWrite(t, s, content(100_000, 2), 0, 100_000)
		if err := f.Sent(50_000); !errors.Is(err, errAborted) {
			t.Errorf("what was overwritten meanwhile was sent: %v", err)
		}
		if _, _, err := f.Next(); !errors.Is(err, errAborted) {
			t.Errorf("and more after it: %v", err)
		}
		s.finish(nil)
		f.Close()
		s.done()
	})
}

// TestFollowerNextWithoutFile: where there is no file, or it cannot be opened once more, the bytes can still be read.
func TestFollowerNextWithoutFile(t *testing.T) {
	b := content(100_000, 1)
	for _, small := range []int64{1 << 20, 0} {
		s := testSpool(t, 10<<20, small)
		s.SetSize(100_000)
		mustWrite(t, s, b, 0, 100_000)
		if small == 0 {
			if err := os.Remove(s.file.Name()); err != nil {
				t.Fatal(err)
			}
		}
		s.finish(nil)
		f := s.follow(t.Context(), 100_000)
		if _, _, err := f.Next(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, b) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		f.Close()
		s.done()
	}
}

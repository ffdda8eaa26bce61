package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing/iotest"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

func (s *suite) absent() {
	s.wantAbsent("a")
	s.wantAbsent("a/b/c")
	if err := s.s.Remove(context.Background(), "a/b/c"); err != nil {
		s.Errorf("Remove of what is not there: %v", err)
	}
	if got := s.names(""); got != nil {
		s.Errorf("an empty store lists %q", got)
	}
	if got := s.names("a/b"); got != nil {
		s.Errorf("an empty store lists %q", got)
	}
}

func (s *suite) putAndRead() {
	for _, n := range sizes {
		name := fmt.Sprintf("sizes/of/%d", n)
		want := Content(n, 1)
		s.mustPut(name, want, "")
		s.wantObject(name, want)
		s.wantObject(name, want) // once more: a cache has it now
		s.seek(name, want)
	}
}

// seek checks that a body can be read from anywhere, and that a small one is in memory.
func (s *suite) seek(name string, want []byte) {
	c, err := s.s.Open(context.Background(), name)
	if err != nil {
		s.Errorf("Open %s: %v", name, err)
		return
	}
	defer c.Body.Close()
	if b, ok := c.Body.(*goproxy.Bytes); len(want) <= store.Small && (!ok || !bytes.Equal(b.All(), want)) {
		s.Errorf("%s: %d bytes came as a %T", name, len(want), c.Body)
	}
	rs, ok := c.Body.(io.ReadSeeker)
	if !ok {
		s.Errorf("%s: a %T cannot seek", name, c.Body)
		return
	}
	off := int64(len(want) / 2)
	if at, err := rs.Seek(off, io.SeekStart); err != nil || at != off {
		s.Errorf("%s: Seek = %d, %v", name, at, err)
	}
	if rest, err := io.ReadAll(rs); err != nil || !bytes.Equal(rest, want[off:]) {
		s.Errorf("%s: from %d came %d bytes, %v; want %d", name, off, len(rest), err, len(want)-int(off))
	}
}

// sources puts from parts of readers, and from files, which the store may keep as they are.
func (s *suite) sources() {
	ctx := context.Background()
	all := Content(300_000, 2)
	for i, off := range []int64{0, 1, 100_000} {
		for j, n := range []int64{0, 10, 150_000, 200_000} {
			name := fmt.Sprintf("part/%d-%d", i, j)
			src := io.NewSectionReader(bytes.NewReader(all), off, n)
			if err := s.s.Put(ctx, name, src, store.PutOptions{}); err != nil {
				s.Errorf("Put of [%d,%d): %v", off, off+n, err)
				continue
			}
			s.wantObject(name, all[off:min(off+n, int64(len(all)))])
		}
	}
	for i, cond := range []string{"", "*"} {
		name := fmt.Sprintf("file/%d", i)
		file := filepath.Join(s.TempDir(), "source")
		if err := os.WriteFile(file, all, 0o644); err != nil {
			s.Fatal(err)
		}
		f, err := os.Open(file)
		if err != nil {
			s.Fatal(err)
		}
		err = s.s.Put(ctx, name, io.NewSectionReader(f, 0, int64(len(all))), store.PutOptions{If: cond})
		if err != nil {
			s.Errorf("Put of a file, if %q: %v", cond, err)
		}
		part := io.NewSectionReader(f, 10, 1000)
		if err := s.s.Put(ctx, name+"-part", part, store.PutOptions{If: cond}); err != nil {
			s.Errorf("Put of a part of a file, if %q: %v", cond, err)
		}
		f.Close()
		if _, err := os.Stat(file); err != nil {
			s.Errorf("Put took the caller's file away: %v", err)
		}
		os.Remove(file)
		s.wantObject(name, all)
		s.wantObject(name+"-part", all[10:1010])
	}
}

// failing reads n bytes well and then fails.
type failing struct {
	r   io.ReaderAt
	n   int64
	err error
}

func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > f.n {
		return 0, f.err
	}
	return f.r.ReadAt(b, off)
}

// badSources puts what cannot be read, or is shorter than it says: nothing is stored.
func (s *suite) badSources() {
	ctx := context.Background()
	broken := errors.New("broken")
	for _, n := range sizes[1:] {
		b := Content(n, 3)
		sources := map[string]*io.SectionReader{
			"fails":         io.NewSectionReader(failing{bytes.NewReader(b), int64(n / 2), broken}, 0, int64(n)),
			"fails at 0":    io.NewSectionReader(failing{err: iotest.ErrTimeout}, 0, int64(n)),
			"ends too soon": io.NewSectionReader(bytes.NewReader(b[:n-1]), 0, int64(n)),
		}
		for what, src := range sources {
			if err := s.s.Put(ctx, "new", src, store.PutOptions{}); err == nil {
				s.Errorf("Put of %d bytes from what %s: no error", n, what)
			}
			s.wantAbsent("new")
		}
	}
	old := Content(100, 4)
	s.mustPut("old", old, "")
	src := io.NewSectionReader(failing{err: broken}, 0, 100)
	if err := s.s.Put(ctx, "old", src, store.PutOptions{If: "*"}); !errors.Is(err, broken) {
		s.Errorf("Put from what fails: %v, want %v", err, broken)
	}
	s.wantObject("old", old)
	if got := s.names(""); len(got) != 1 {
		s.Errorf("List after failures: %q, want old alone", got)
	}
}

// heldReader replaces and removes an object that is being read.
func (s *suite) heldReader() {
	ctx := context.Background()
	for _, n := range []int{1000, 1 << 20} {
		old, young := Content(n, 5), Content(n, 6)
		name := fmt.Sprintf("held/%d", n)
		s.mustPut(name, old, "")
		changes := []struct {
			what string
			do   func() error
			then []byte
		}{
			{"replaced", func() error { return s.put(name, young, "*") }, young},
			{"removed", func() error { return s.s.Remove(ctx, name) }, nil},
		}
		want := old
		for _, change := range changes {
			c, err := s.s.Open(ctx, name)
			if err != nil {
				s.Fatal(err)
			}
			first := make([]byte, 100)
			if _, err := io.ReadFull(c.Body, first); err != nil {
				s.Fatal(err)
			}
			if err := change.do(); err != nil {
				s.Fatalf("%s: %v", change.what, err)
			}
			rest, err := io.ReadAll(c.Body)
			if err != nil || !bytes.Equal(append(first, rest...), want) {
				s.Errorf("an object of %d bytes was %s while it was read: %d bytes, %v, other than before", n, change.what, 100+len(rest), err)
			}
			c.Body.Close()
			if change.then == nil {
				s.wantAbsent(name)
			} else {
				s.wantObject(name, change.then)
			}
			want = change.then
		}
	}
}

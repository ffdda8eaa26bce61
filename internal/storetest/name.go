package storetest

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/modhaven/modhaven/internal/store"
)

func (s *suite) invalidNames() {
	ctx := context.Background()
	names := []string{"", ".", "..", "../a", "a/..", "a/../b", "/a", "a/", "a//b", "./a", "a/./b", "\xff", "a\x00b",
		`a\b`, `..\a`, ".hidden", ".hidden/a", "a.etag", "a/b.etag", ".etag"}
	for _, name := range names {
		_, _, err := s.read(name)
		s.wantInvalid("Open", name, err)
		_, err = s.s.Stat(ctx, name)
		s.wantInvalid("Stat", name, err)
		s.wantInvalid("Put", name, s.put(name, []byte("x"), ""))
		s.wantInvalid("Put *", name, s.put(name, []byte("x"), "*"))
		s.wantInvalid("Remove", name, s.s.Remove(ctx, name))
	}
	for _, prefix := range []string{"", "..", "../", "/", "/a", "a//", "a/../", "\xff", "a\x00"} {
		if got := s.names(prefix); got != nil {
			s.Errorf("List %q after refusals: %q", prefix, got)
		}
	}
	for _, name := range []string{"a.b", "a/.b", "...", "a b", "é", "a!b@c+d~e", "etag", "a/.etag.x"} {
		if strings.HasPrefix(name, ".") {
			s.wantInvalid("Put", name, s.put(name, []byte("x"), ""))
			continue
		}
		s.mustPut(name, []byte(name), "")
		s.wantObject(name, []byte(name))
	}
}

func (s *suite) wantInvalid(op, name string, err error) {
	s.Helper()
	if !errors.Is(err, fs.ErrInvalid) {
		s.Errorf("%s %q: %v, want fs.ErrInvalid", op, name, err)
	}
}

// longNames are names that a file system may refuse: they are absent, and stored either whole or not at all.
func (s *suite) longNames() {
	long := strings.Repeat("x", 250)
	names := []string{long, long + "12345", strings.Repeat("y", 256), strings.Repeat("z", 5000), strings.Repeat(strings.Repeat("d", 200)+"/", 30) + "e"}
	for _, name := range names {
		s.wantAbsent(name)
		if err := s.s.Remove(context.Background(), name); err != nil {
			s.Errorf("Remove of a name of %d bytes: %v", len(name), err)
		}
		for _, n := range []int{10, store.Small + 1} {
			b := Content(n, 1)
			if err := s.put(name, b, "*"); err != nil {
				s.wantAbsent(name)
			} else {
				s.wantObject(name, b)
			}
		}
	}
	if got := s.names(strings.Repeat("z", 5000) + "/a"); got != nil {
		s.Errorf("List below a long name: %q", got)
	}
}

// belowObject asks for what cannot be there, since its directory is an object, and the other way round.
func (s *suite) belowObject() {
	ctx := context.Background()
	object := Content(store.Small+1, 1)
	s.mustPut("file", object, "")
	s.mustPut("dir/file", object, "")
	for _, name := range []string{"file/below", "file/far/below", "dir", "dir/file/below"} {
		s.wantAbsent(name)
		if err := s.s.Remove(ctx, name); err != nil {
			s.Errorf("Remove %s: %v", name, err)
		}
	}
	for _, prefix := range []string{"file/", "file/b", "file/far/b", "dir/file/below/x"} {
		if got := s.names(prefix); got != nil {
			s.Errorf("List %s: %q", prefix, got)
		}
	}
	if got, want := s.names(""), []string{"dir/file", "file"}; !slices.Equal(got, want) {
		s.Errorf("List: %q, want %q", got, want)
	}
	s.wantObject("file", object)
	s.wantObject("dir/file", object)
	// A directory that is empty again is no object either, and in nobody's way.
	if err := s.s.Remove(ctx, "dir/file"); err != nil {
		s.Error(err)
	}
	s.wantAbsent("dir")
	if err := s.s.Remove(ctx, "dir"); err != nil {
		s.Errorf("Remove of an empty directory: %v", err)
	}
	s.mustPut("dir/file", object, "")
	s.wantObject("dir/file", object)
}

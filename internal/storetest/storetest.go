// Package storetest is one suite of tests for every store.Store: what the contract there promises, a test each.
//
// It knows no store's inside: the order of a disk's operations and the failures of one step are the tests of that
// store. It is for _test files only.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// Run tests the stores that open returns, each empty and used by one test alone. It ends with the test.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		test func(*suite)
	}{
		{"absent", (*suite).absent},
		{"put and read", (*suite).putAndRead},
		{"sources", (*suite).sources},
		{"sources that fail", (*suite).badSources},
		{"create only", (*suite).createOnly},
		{"create race", (*suite).createRace},
		{"replace", (*suite).replace},
		{"compare and swap", (*suite).swap},
		{"compare and swap race", (*suite).swapRace},
		{"no update is lost", (*suite).counter},
		{"remove", (*suite).remove},
		{"invalid names", (*suite).invalidNames},
		{"long names", (*suite).longNames},
		{"below an object", (*suite).belowObject},
		{"list", (*suite).list},
		{"list stops", (*suite).listStops},
		{"etag", (*suite).etag},
		{"etag while it is replaced", (*suite).etagRace},
		{"a reader keeps what it opened", (*suite).heldReader},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.test(&suite{t, open(t)})
		})
	}
}

type suite struct {
	*testing.T
	s store.Store
}

// Content returns n bytes that cannot be told from noise, the same for the same arguments.
func Content(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(n), byte(n >> 8)})
	r.Read(b)
	return b
}

// Section returns b as Put takes it.
func Section(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

// put stores b with its ETag.
func (s *suite) put(name string, b []byte, cond string) error {
	return s.s.Put(context.Background(), name, Section(b), store.PutOptions{ETag: store.ETag(b), If: cond})
}

func (s *suite) mustPut(name string, b []byte, cond string) {
	s.Helper()
	if err := s.put(name, b, cond); err != nil {
		s.Fatalf("Put %s, %d bytes, if %q: %v", name, len(b), cond, err)
	}
}

// read returns an object and what is known of it.
func (s *suite) read(name string) ([]byte, goproxy.Meta, error) {
	c, err := s.s.Open(context.Background(), name)
	if err != nil {
		return nil, goproxy.Meta{}, err
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	return b, c.Meta, err
}

// wantObject checks that name holds just want, and that Open and Stat say the same of it.
func (s *suite) wantObject(name string, want []byte) {
	s.Helper()
	got, meta, err := s.read(name)
	if err != nil {
		s.Errorf("Open %s: %v", name, err)
		return
	}
	if !bytes.Equal(got, want) {
		s.Errorf("%s holds %d bytes %.20x…, want %d bytes %.20x…", name, len(got), got, len(want), want)
	}
	if meta.Size != int64(len(want)) {
		s.Errorf("Open %s: size %d, want %d", name, meta.Size, len(want))
	}
	stat, err := s.s.Stat(context.Background(), name)
	if err != nil || stat != meta {
		s.Errorf("Stat %s = %+v, %v; Open says %+v", name, stat, err, meta)
	}
}

func (s *suite) wantAbsent(name string) {
	s.Helper()
	if b, _, err := s.read(name); !errors.Is(err, fs.ErrNotExist) {
		s.Errorf("Open %s = %d bytes, %v; want absence", name, len(b), err)
	}
	if _, err := s.s.Stat(context.Background(), name); !errors.Is(err, fs.ErrNotExist) {
		s.Errorf("Stat %s: %v; want absence", name, err)
	}
}

// names lists what starts with prefix.
func (s *suite) names(prefix string) []string {
	s.Helper()
	var names []string
	for e, err := range s.s.List(context.Background(), prefix) {
		if err != nil {
			s.Errorf("List %q: %v", prefix, err)
			return names
		}
		names = append(names, e.Name)
	}
	return names
}

// sizes are those at which something may change.
var sizes = []int{0, 1, store.Small - 1, store.Small, store.Small + 1, 200_003}

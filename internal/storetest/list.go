package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/modhaven/modhaven/internal/store"
)

// listed are names in the order that all stores have: element by element, each by its bytes.
var listed = []string{
	"A",
	"a!b",
	"a/!x/@v/list",
	"a/@latest",
	"a/@v/v1.0.0.info",
	"a/@v/v1.0.0.mod",
	"a/@v/v1.0.0.zip",
	"a/@v/v1.0.0/deep",
	"a/B",
	"a/b",
	"a-b/c",
	"a.b/c",
	"ab",
	"b/c",
	"é/x",
}

func inOrder(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

func (s *suite) list() {
	names := slices.Clone(listed)
	slices.SortFunc(names, inOrder)
	for i := range names { // not in order
		s.mustPut(names[(i*7)%len(names)], Content(i*9000, uint64(i)), "")
	}
	for _, prefix := range []string{"", "a", "a/", "a/@v/v1.0.0", "a/@v/v1.0.0.zip", "a/@v/v1.0.0.zip/", "a.", "é", "nothing", "nothing/at/all", "A/B"} {
		var want []string
		for _, name := range names {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		if got := s.names(prefix); !slices.Equal(got, want) {
			s.Errorf("List %q:\n got %q\nwant %q", prefix, got, want)
		}
	}
	ctx := context.Background()
	for e, err := range s.s.List(ctx, "") {
		if err != nil {
			s.Fatal(err)
		}
		meta, err := s.s.Stat(ctx, e.Name)
		if err != nil || e.Size != meta.Size || e.ModTime.IsZero() {
			s.Errorf("List has %+v, Stat says %+v, %v", e, meta, err)
		}
	}
}

func (s *suite) listStops() {
	for i := range 5 {
		s.mustPut(string(rune('a'+i))+"/x", Content(store.Small+i, 1), "")
	}
	n := 0
	for range s.s.List(context.Background(), "") {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		s.Errorf("a loop that breaks after 2 saw %d", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var errs []error
	seen := 0
	for _, err := range s.s.List(ctx, "") {
		if seen++; err != nil {
			errs = append(errs, err)
		}
		cancel()
	}
	if seen != 2 || len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		s.Errorf("a listing that was cancelled after one went on to %d, with errors %v", seen, errs)
	}
}

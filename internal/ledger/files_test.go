package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/modhaven/modhaven/internal/goproxy"
)

var day = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

func TestFirstSeenWins(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	l := mustOpen(t, dir)
	f := zip("example.com/m")
	if _, err := l.Get(ctx, f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of what is not known: %v, want fs.ErrNotExist", err)
	}
	first := Entry{File: f, H1: hash("a"), First: day, From: "https://up.example"}
	if got := mustAdd(t, l, first); got != first {
		t.Errorf("Add: %s", cmp.Diff(first, got))
	}
	if got := mustAdd(t, l, Entry{File: f, H1: hash("a"), First: day.Add(time.Hour), From: "https://other.example"}); got != first {
		t.Errorf("Add again: %s", cmp.Diff(first, got))
	}
	got, err := l.Add(ctx, Entry{File: f, H1: hash("b"), By: "sum.example.com", TreeSize: 9})
	var differs *Differs
	if !errors.As(err, &differs) || differs.Recorded != first || differs.Got != hash("b") || got != first {
		t.Fatalf("Add of another hash: %+v, %v; want *Differs with what was first", got, err)
	}
	for _, want := range []string{"example.com/m@v1.0.0.zip: ", hash("a"), hash("b"), "2026-01-02T03:04:05Z", "https://up.example", "unverified", "modhaven ledger show example.com/m@v1.0.0"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q lacks %q", err, want)
		}
	}
	for _, other := range []goproxy.File{file("example.com/m", "v1.0.0", goproxy.Mod), file("example.com/m", "v1.0.1", goproxy.Zip), zip("example.com/M")} {
		mustAdd(t, l, Entry{File: other, H1: hash("b")}) // another file
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := mustOpen(t, dir).Get(ctx, f); err != nil || got != first {
		t.Errorf("Get after a restart: %+v, %v; want %+v", got, err, first)
	}
}

func TestProof(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	f := file("example.com/m", "v1.0.0", goproxy.Mod)
	seen := Entry{File: f, H1: hash("a"), First: day, From: "up"}
	proof := Entry{File: f, H1: hash("a"), By: "sum.example.com", TreeSize: 70_000_000, Verified: day.Add(time.Hour)}
	want := seen
	want.By, want.TreeSize, want.Verified = proof.By, proof.TreeSize, proof.Verified
	mustAdd(t, l, seen)
	if got := mustAdd(t, l, proof); got != want {
		t.Errorf("a proof: %s", cmp.Diff(want, got))
	}
	later := proof
	later.By, later.TreeSize = "sum.other.example", 1
	for name, e := range map[string]Entry{"without a proof": seen, "another proof": later} {
		if got := mustAdd(t, l, e); got != want {
			t.Errorf("%s: %s", name, cmp.Diff(want, got))
		}
	}
	if got, err := l.Get(t.Context(), f); err != nil || got != want {
		t.Errorf("Get: %s, %v", cmp.Diff(want, got), err)
	}
	_, err := l.Add(t.Context(), Entry{File: f, H1: hash("b")})
	if err == nil || !strings.Contains(err.Error(), "verified by sum.example.com") {
		t.Errorf("another hash: %v, want that it says who proved the first", err)
	}
}

// TestQuarantine: what was found wrong is never good again, and makes place for a proven hash only.
func TestQuarantine(t *testing.T) {
	ctx := t.Context()
	l := mustOpen(t, t.TempDir())
	f := zip("example.com/m")
	if err := l.Quarantine(ctx, f, "why"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of what is not known: %v, want fs.ErrNotExist", err)
	}
	mustAdd(t, l, Entry{File: f, H1: hash("bad"), First: day})
	for _, why := range []string{"the database says otherwise", "a second reason"} {
		if err := l.Quarantine(ctx, f, why); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Quarantine(ctx, f, ""); err == nil {
		t.Error("no error without a reason")
	}
	const why = "the database says otherwise"
	for _, by := range []string{"", "sum.example.com"} {
		if got := mustAdd(t, l, Entry{File: f, H1: hash("bad"), By: by}); got.Wrong != why || got.By != "" {
			t.Errorf("the wrong hash again, proven by %q: %+v", by, got)
		}
	}
	var differs *Differs
	if _, err := l.Add(ctx, Entry{File: f, H1: hash("good")}); !errors.As(err, &differs) || differs.Recorded.Wrong != why || !strings.Contains(err.Error(), why) {
		t.Errorf("another hash without a proof: %v, want *Differs", err)
	}
	good := mustAdd(t, l, Entry{File: f, H1: hash("good"), First: day, By: "sum.example.com", TreeSize: 5, Verified: day})
	if got, err := l.Get(ctx, f); err != nil || got != good || got.Wrong != "" {
		t.Errorf("Get after a proof: %+v, %v; want %+v", got, err, good)
	}
	if _, err := l.Add(ctx, Entry{File: f, H1: hash("bad")}); !errors.As(err, &differs) || differs.Recorded != good {
		t.Errorf("the wrong hash after a proof: %v, want *Differs", err)
	}
	if n := len(show(t, l, f.Path, "")); n != 2 {
		t.Errorf("%d entries are shown, want the wrong one too", n)
	}
	// A proven hash that was found wrong means that proofs contradict each other: then nothing is good.
	if err := l.Quarantine(ctx, f, "the database forked"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add(ctx, Entry{File: f, H1: hash("third"), By: "sum.example.com"}); !errors.As(err, &differs) {
		t.Errorf("a third hash: %v, want *Differs", err)
	}
}

func show(t *testing.T, l *Ledger, path, version string) (all []Entry) {
	t.Helper()
	for e, err := range l.Show(t.Context(), path, version) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestShow(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	for _, path := range []string{"example.com/a", "example.com/a/b", "example.com/b"} {
		for _, version := range []string{"v1.0.0", "v1.1.0"} {
			for _, kind := range []goproxy.Kind{goproxy.Zip, goproxy.Mod} {
				mustAdd(t, l, Entry{File: file(path, version, kind), H1: hash("a")})
			}
		}
	}
	tests := []struct {
		path, version string
		n             int
		first, last   string
	}{
		{"", "", 12, "example.com/a@v1.0.0.mod", "example.com/b@v1.1.0.zip"},
		{"example.com/a", "", 4, "example.com/a@v1.0.0.mod", "example.com/a@v1.1.0.zip"},
		{"example.com/a", "v1.1.0", 2, "example.com/a@v1.1.0.mod", "example.com/a@v1.1.0.zip"},
		{"example.com/b", "v1.0.0", 2, "example.com/b@v1.0.0.mod", "example.com/b@v1.0.0.zip"},
	}
	for _, test := range tests {
		all := show(t, l, test.path, test.version)
		if len(all) != test.n || all[0].File.String() != test.first || all[len(all)-1].File.String() != test.last {
			t.Errorf("%s@%s: %d entries %v", test.path, test.version, len(all), all)
		}
	}
	for _, path := range []string{"example.com", "example.com/c", "example.com/a/"} {
		if all := show(t, l, path, ""); len(all) != 0 {
			t.Errorf("%s: got %v", path, all)
		}
	}
}

// TestUnverified has more than a page of them, all seen at two moments; each that was yielded is proven or found wrong
// while the others come.
func TestUnverified(t *testing.T) {
	ctx := t.Context()
	l := mustOpen(t, t.TempDir())
	const n = 600
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			e := Entry{File: zip(fmt.Sprintf("example.com/m%03d", i)), H1: hash("a"), First: day.Add(time.Duration(i%2) * time.Hour)}
			if i%3 == 0 {
				e.By = "sum.example.com"
			}
			mustAdd(t, l, e)
		})
	}
	wg.Wait()
	const want = n - n/3
	if got, err := l.CountUnverified(ctx); err != nil || got != want {
		t.Errorf("CountUnverified: %d, %v; want %d", got, err, want)
	}
	var times []time.Time
	seen := map[string]bool{}
	for e, err := range l.Unverified(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		times, seen[e.Path] = append(times, e.First), true
		if len(times)%2 == 0 {
			e.By = "sum.example.com"
			mustAdd(t, l, e)
		} else if err := l.Quarantine(ctx, e.File, "it is wrong"); err != nil {
			t.Fatal(err)
		}
	}
	if len(times) != want || len(seen) != want || !slices.IsSortedFunc(times, time.Time.Compare) {
		t.Errorf("%d of %d different files, sorted: %t; want %d", len(times), len(seen), slices.IsSortedFunc(times, time.Time.Compare), want)
	}
	if got, err := l.CountUnverified(ctx); err != nil || got != 0 {
		t.Errorf("CountUnverified afterwards: %d, %v; want none", got, err)
	}
}

func TestAddRefusesWhatIsNoHash(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	for _, h := range []string{"", "h1:", "h1:abc=", hash("a")[3:], "h2:" + hash("a")[3:], hash("a") + "=", strings.Replace(hash("a"), "h1:", "h1:\n", 1)} {
		if _, err := l.Add(t.Context(), Entry{File: zip("example.com/m"), H1: h}); err == nil {
			t.Errorf("%q was added", h)
		}
	}
	if _, err := l.Add(t.Context(), Entry{File: file("example.com/m", "v1.0.0", goproxy.Info), H1: hash("a")}); err == nil {
		t.Error("an .info was added")
	}
	now := time.Now().Add(-time.Minute)
	got := mustAdd(t, l, Entry{File: zip("example.com/m"), H1: hash("a"), From: strings.Repeat("ä", 4000), By: "db\xff", Wrong: "x"})
	if got.First.Before(now) || got.Verified.Before(now) || len(got.From) > maxText || got.By != "db?" || got.Wrong != "" {
		t.Errorf("what is missing is not filled in: %+v", got)
	}
}

// TestAtOnce has two handles, as two processes have, add different hashes of the same files.
func TestAtOnce(t *testing.T) {
	dir := t.TempDir()
	handles := []*Ledger{mustOpen(t, dir), mustOpen(t, dir)}
	var won [2]atomic.Int64
	const files = 100
	for i := range files {
		var wg sync.WaitGroup
		for h := range handles {
			h = (h + i) % 2 // each is the first to start as often as the other
			wg.Go(func() {
				got, err := handles[h].Add(context.Background(), Entry{File: zip(fmt.Sprintf("example.com/m%d", i)), H1: hash(fmt.Sprint(h))})
				var differs *Differs
				switch {
				case err == nil:
					won[h].Add(1)
				case !errors.As(err, &differs) || differs.Recorded.H1 != hash(fmt.Sprint(1-h)) || got != differs.Recorded:
					t.Errorf("file %d: got %+v, %v; want *Differs with the other hash", i, got, err)
				}
			})
		}
		wg.Wait()
		if n := won[0].Load() + won[1].Load(); n != int64(i+1) {
			t.Fatalf("%d files have %d winners", i+1, n)
		}
	}
	t.Logf("the first handle won %d of %d", won[0].Load(), files)
}

func TestCancelledAndClosed(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	e := Entry{File: zip("example.com/m"), H1: hash("a")}
	if _, err := l.Get(gone, e.File); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v, want context.Canceled", err)
	}
	held, release := make(chan struct{}), make(chan struct{})
	go l.change(context.Background(), false, func(*writer) error { close(held); <-release; return nil })
	<-held // the writer is at work
	if _, err := l.Add(gone, e); !errors.Is(err, context.Canceled) {
		t.Errorf("Add: %v, want context.Canceled", err)
	}
	close(release)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add(t.Context(), e); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Add after Close: %v, want os.ErrClosed", err)
	}
	if _, err := l.Get(t.Context(), e.File); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get after Close: %v, want an error that is no absence", err)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
)

// served is a request for a file, such as "example.com/m/@v/v1.0.0.zip".
func served(t *testing.T, path string, stored bool, err error) server.Access {
	t.Helper()
	r, perr := goproxy.Parse(path)
	if perr != nil {
		t.Fatal(perr)
	}
	return server.Access{Method: http.MethodGet, Path: path, Request: r, Status: http.StatusOK, Bytes: 10, Stored: stored, Err: err}
}

var down = &goproxy.Unavailable{From: "https://a", Reason: "down"}

func TestTallyCountsModules(t *testing.T) {
	tl := newTally()
	for _, a := range []server.Access{
		served(t, "example.com/a/@v/v1.0.0.mod", true, nil),
		served(t, "example.com/a/@v/v1.0.0.zip", true, nil),
		served(t, "example.com/b/@v/v1.0.0.mod", true, nil),
		served(t, "example.com/b/@v/v1.0.0.zip", false, nil), // fetched
		served(t, "example.com/b/@v/v1.0.0.zip", true, nil),  // and again
		served(t, "example.com/b/@v/v2.0.0+incompatible.mod", false, nil),
		served(t, "example.com/c/@v/list", false, nil),
		served(t, "example.com/c/@v/main.info", false, nil),
		{Method: http.MethodGet, Status: http.StatusNotFound, Bytes: 10, Err: goproxy.Absent("no")},
		served(t, "example.com/e/@v/v1.0.0.zip", false, context.Canceled), // half a zip
		{Method: http.MethodHead, Request: served(t, "example.com/f/@v/v1.0.0.zip", true, nil).Request},
	} {
		tl.observe(a)
	}
	want := sum{requests: 11, modules: 3, stored: 1, bytes: 90}
	if got := tl.sum(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTallyCountsTrouble(t *testing.T) {
	full := errors.New("disk full")
	tl := newTally()
	for _, e := range []proxy.Event{
		{What: proxy.ServedStale, Name: "l"}, {What: proxy.ServedStale, Name: "l"}, {What: proxy.ServedStale, Name: "m"},
		{What: proxy.StoreFailed, Name: "b", Err: errors.New("later")}, {What: proxy.StoreFailed, Name: "a", Err: full},
		{What: proxy.Fetched, Name: "x"}, {What: proxy.Refreshed, Name: "y"}, {What: proxy.Failed, Name: "z", Err: down},
	} {
		tl.Record(e)
	}
	want := sum{stale: 2, unstored: 2, storeErr: full}
	if got := tl.sum(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Only what did not come in the end has failed, and each upstream is told of once.
func TestTallyKeepsFailures(t *testing.T) {
	const lost, late, gone, fine = "example.com/lost/@v/v1.0.0.zip", "example.com/late/@v/list", "example.com/gone/@latest", "example.com/fine/@v/v1.0.0.info"
	wrong := &goproxy.Wrong{From: "https://b", Reason: "no zip"}
	tl := newTally()
	for range 2 {
		tl.attempted("https://a", lost, fmt.Errorf("wrapped: %w", down))
		tl.attempted("https://b", lost, wrong)
		tl.observe(served(t, lost, false, down))
	}
	tl.attempted("https://a", late, down)
	tl.observe(served(t, late, false, down))
	tl.attempted("https://b", late, nil)
	tl.observe(served(t, late, false, nil))
	tl.attempted("https://a", gone, goproxy.Absent("no"))
	tl.observe(served(t, gone, false, goproxy.Absent("no")))
	tl.attempted("https://a", fine, nil)
	tl.observe(served(t, fine, false, nil))
	tl.observe(served(t, fine, true, context.Canceled))
	tl.checksums("sum.example/latest", &goproxy.Refused{Status: 403, Reason: "licence"})
	tl.checksums("sum.example/lookup/x@v1.0.0", goproxy.Absent("no"))

	type line struct {
		What  string
		Tried []string
		Err   string
	}
	var got []line
	for _, f := range tl.failures() {
		l := line{What: f.what, Err: f.err.Error()}
		for _, a := range f.tried {
			l.Tried = append(l.Tried, a.upstream+" "+a.err.Error())
		}
		got = append(got, l)
	}
	want := []line{
		{"example.com/lost@v1.0.0.zip", []string{"https://a wrapped: https://a: down", "https://b https://b: no zip"}, "https://a: down"},
		{"sum.example/latest", nil, "licence"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := tl.sum(); s.retried != 1 || s.failed != 2 {
		t.Errorf("%d tried again, want 1; %d failed, want 2", s.retried, s.failed)
	}
}

func TestTallyUnderWay(t *testing.T) {
	begin := time.Now()
	tl := newTally()
	tl.asks("1", "one")
	over := tl.asks("2", "two")
	tl.asks("3", "three")
	tl.asks("4", "four")
	tl.Asking("https://a", "1")
	tl.Asking("https://a", "3")
	tl.Asking("https://b", "3")
	over()
	var got []string
	for _, q := range tl.underWay(begin.Add(time.Hour)) {
		got = append(got, q.upstream+" "+q.what)
	}
	if want := []string{"https://a one", "https://b three", " four"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if early := tl.underWay(begin); len(early) > 0 {
		t.Errorf("what was asked later than that: %v", early)
	}
}

// Run with the race detector.
func TestTallyAtOnce(t *testing.T) {
	const n = 8
	tl := newTally()
	access := served(t, "example.com/a/@v/v1.0.0.mod", false, down)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			tl.attempted("https://a", access.Path, down)
			tl.observe(access)
			tl.checksums("x", nil)
			tl.Record(proxy.Event{What: proxy.ServedStale})
			tl.asks("x", "x")()
			tl.Asking("https://a", "x")
			tl.underWay(time.Now())
			tl.failures()
			tl.sum()
		})
	}
	wg.Wait()
	if got := tl.sum(); got.requests != 2*n || got.bytes != 10*n {
		t.Errorf("got %+v", got)
	}
}

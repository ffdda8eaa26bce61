package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

func TestTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newGated(t, filler(100))
		s := newService(t, Options{Fetcher: up, Fills: 2, Waiting: 3})
		var clients []*asking
		for i := range 5 {
			clients = append(clients, ask(t, s, mkFile(fmt.Sprintf("example.com/m%d", i), "v1.0.0", goproxy.Mod)))
			synctest.Wait()
		}
		_, _, err := get(t.Context(), s, theMod)
		wantUnavailable(t, err, "too many")
		if _, err := s.Stat(t.Context(), theMod); err == nil {
			t.Error("a HEAD had no need to wait")
		}
		_, _, err = all(s.List(t.Context(), "example.com/m"))
		wantUnavailable(t, err, "too many")
		if up.requests() != 2 {
			t.Error("more were asked at once than there are slots")
		}
		close(up.pass)
		for _, c := range clients {
			<-c.done
			if c.err != nil {
				t.Errorf("one that waited in turn: %v", c.err)
			}
		}
		wantFile(t, s, theMod, filler(0)(theMod)) // nothing of it is remembered
	})
}

// TestOneClientsShare: one client's misses leave places for those of others, and for what is begun for nobody.
func TestOneClientsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newGated(t, filler(100))
		s := newService(t, Options{Fetcher: up, Fills: 2, Waiting: 14})
		greedy := goproxy.WithClient(t.Context(), "192.0.2.1")
		other := goproxy.WithClient(t.Context(), "192.0.2.2")
		file := func(i int) goproxy.File { return mkFile(fmt.Sprintf("example.com/m%d", i), "v1.0.0", goproxy.Mod) }
		ended := make(chan error, 6)
		open := func(ctx context.Context, i int) {
			go func() {
				_, _, err := get(ctx, s, file(i))
				ended <- err
			}()
			synctest.Wait()
		}
		for i := range 4 { // a quarter of 16
			open(greedy, i)
		}
		_, _, err := get(greedy, s, file(4))
		wantUnavailable(t, err, "of this client")
		_, _, err = all(s.List(greedy, "example.com/m"))
		wantUnavailable(t, err, "of this client")
		open(other, 5)
		open(t.Context(), 6)
		close(up.pass)
		for range 6 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if _, _, err := get(greedy, s, file(7)); err != nil {
			t.Errorf("once its others are done: %v", err)
		}
	})
}

// TestPeer19CloseEndsEverything: a peer needed 62 s to end and left ten orphans. Here Close ends what runs, what waits for its
// turn and what waits for a list; all are told that the server goes, and nothing goes on.
func TestPeer19CloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newGated(t, filler(100))
		up.list = func(ctx context.Context, path string) (*goproxy.Content, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		var heard events
		s := New(Options{Store: &store.Mem{}, Fetcher: up, Fills: 2, Spool: t.TempDir(), Recorder: &heard})
		var clients []*asking
		for i := range 6 {
			clients = append(clients, ask(t, s, mkFile(fmt.Sprintf("example.com/m%d", i), "v1.0.0", goproxy.Zip)))
		}
		lists := make(chan error, 3)
		for i := range 3 {
			go func() {
				_, err := s.List(t.Context(), fmt.Sprintf("example.com/m%d", i))
				lists <- err
			}()
		}
		synctest.Wait()
		s.Close()
		for _, c := range clients {
			<-c.done
			wantUnavailable(t, c.err, "shutting down")
		}
		for range 3 {
			wantUnavailable(t, <-lists, "shutting down")
		}
		_, _, err := get(t.Context(), s, theZip)
		wantUnavailable(t, err, "shutting down")
		_, err = s.List(t.Context(), "example.com/late")
		wantUnavailable(t, err, "shutting down")
		wantIdle(t, s)
		if failed := heard.of(Failed); failed != nil {
			t.Errorf("the shutdown was reported as the upstream's failure: %+v", failed)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := filler(100)
		up := newGated(t, files)
		s := newService(t, Options{Fetcher: up})
		a := ask(t, s, theZip)
		<-up.began
		ctx, cancel := context.WithCancel(t.Context())
		drained := make(chan error, 2)
		go func() { drained <- s.Drain(ctx) }()
		go func() { drained <- s.Drain(t.Context()) }()
		synctest.Wait()
		cancel()
		if err := <-drained; !errors.Is(err, context.Canceled) {
			t.Errorf("a drain that took too long: %v", err)
		}
		close(up.pass)
		if err := <-drained; err != nil {
			t.Errorf("the drain: %v", err)
		}
		a.want(t, files(theZip))
		wantStored(t, s.o.Store, theZip, files(theZip))
	})
}

// TestStoreFails: a store that takes nothing, and one that cannot be read, cost nobody his file.
func TestStoreFails(t *testing.T) {
	broken := errors.New("broken")
	for _, op := range []string{"put", "open", "stat", "put open stat"} {
		files := filler(300_000)
		up := serving(t, files)
		up.list = func(context.Context, string) (*goproxy.Content, error) { return text("v1.0.0\n"), nil }
		var heard events
		s := newService(t, Options{Fetcher: up, Recorder: &heard, Store: &store.Mem{Fail: func(o, _ string) error {
			if slices.Contains(strings.Fields(op), o) {
				return broken
			}
			return nil
		}}})
		for _, f := range []goproxy.File{theInfo, theMod, theZip} {
			wantFile(t, s, f, files(f))
			settle(t, s)
			wantFile(t, s, f, files(f))
		}
		if b, _, err := all(s.List(t.Context(), "example.com/m")); string(b) != "v1.0.0\n" {
			t.Errorf("%s fails: list %q, %v", op, b, err)
		}
		settle(t, s)
		failed := heard.of(StoreFailed)
		if op != "stat" && len(failed) == 0 {
			t.Errorf("%s fails: nobody heard of it", op)
		}
		for _, ev := range failed {
			if !errors.Is(ev.Err, broken) || ev.Path != "example.com/m" || ev.Name == "" {
				t.Errorf("%s fails: event %+v", op, ev)
			}
		}
	}
}

// TestFailuresAreNotKept: after trouble the next request asks again, and a 404 alone is remembered.
func TestFailuresAreNotKept(t *testing.T) {
	files := filler(1000)
	troubles := []error{
		&goproxy.Unavailable{From: from, Reason: "away"},
		&goproxy.Refused{Status: 403, Reason: "no", From: from},
		&goproxy.Wrong{From: from, Reason: "bad"},
	}
	for _, trouble := range troubles {
		up := serving(t, files)
		fetch, first := up.fetch, true
		up.fetch = func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
			if first {
				first = false
				return goproxy.Meta{}, trouble
			}
			return fetch(ctx, f, dst)
		}
		var heard events
		s := newService(t, Options{Fetcher: up, Recorder: &heard})
		if _, _, err := get(t.Context(), s, theZip); !errors.Is(err, trouble) {
			t.Errorf("got %v, want %v", err, trouble)
		}
		settle(t, s)
		if failed := heard.of(Failed); len(failed) != 1 || failed[0].Err != trouble || failed[0].Name != theZip.Name() {
			t.Errorf("%v: events %+v", trouble, failed)
		}
		wantFile(t, s, theZip, files(theZip))
	}
}

func TestStat(t *testing.T) {
	var answer error
	up := &fake{t: t, stat: func(_ context.Context, f goproxy.File) (goproxy.Meta, error) {
		return goproxy.Meta{Size: 1234, From: from}, answer
	}}
	s := newService(t, Options{Fetcher: up})
	if m, err := s.Stat(t.Context(), theZip); err != nil || m.Size != 1234 {
		t.Errorf("Stat = %+v, %v", m, err)
	}
	up.requests()
	if _, err := s.Stat(goproxy.WithoutFetch(t.Context()), theZip); !isNotFound(err) || up.requests() != 0 {
		t.Errorf("Stat without fetching: %v", err)
	}
	answer = goproxy.Absent("gone")
	for range 3 {
		if _, err := s.Stat(t.Context(), theZip); !isNotFound(err) {
			t.Errorf("Stat = %v, want absence", err)
		}
	}
	if n := up.requests(); n != 1 {
		t.Errorf("asked %d times for what is not there", n)
	}
	if _, err := s.Open(t.Context(), theZip); !isNotFound(err) || up.requests() != 0 {
		t.Errorf("Open of what a HEAD found absent: %v", err)
	}
}

func TestOpenWithoutFetch(t *testing.T) {
	files := filler(300_000)
	up := serving(t, files)
	s := newService(t, Options{Fetcher: up})
	ctx := goproxy.WithoutFetch(t.Context())
	if _, err := s.Open(ctx, theZip); !isNotFound(err) || up.requests() != 0 {
		t.Errorf("Open without fetching what is not stored: %v", err)
	}
	wantFile(t, s, theZip, files(theZip)) // that absence is not remembered
	settle(t, s)
	if b, _, err := get(ctx, s, theZip); err != nil || !bytes.Equal(b, files(theZip)) {
		t.Errorf("Open without fetching what is stored: %d bytes, %v", len(b), err)
	}
}

func isNotFound(err error) bool {
	var nf *goproxy.NotFound
	return errors.As(err, &nf) && nf.Status == 404
}

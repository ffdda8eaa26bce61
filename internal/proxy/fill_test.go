package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// A gated fake lets fetches wait: each says that it began and goes on when it may.
type gated struct {
	*fake
	began chan goproxy.File
	pass  chan struct{} // closed: all may go on
}

func newGated(t *testing.T, content func(goproxy.File) []byte) *gated {
	g := &gated{fake: serving(t, content), began: make(chan goproxy.File, 1000), pass: make(chan struct{})}
	fetch := g.fetch
	g.fetch = func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
		g.began <- f
		select {
		case <-g.pass:
			return fetch(ctx, f, dst)
		case <-ctx.Done():
			return goproxy.Meta{}, ctx.Err()
		}
	}
	return g
}

// An asking is a client that asks for a file in a goroutine of its own.
type asking struct {
	cancel context.CancelFunc
	done   chan struct{}
	b      []byte
	meta   goproxy.Meta
	err    error
}

func ask(t *testing.T, s *Service, f goproxy.File) *asking {
	ctx, cancel := context.WithCancel(t.Context())
	a := &asking{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.b, a.meta, a.err = get(ctx, s, f)
	}()
	return a
}

func (a *asking) waits() bool {
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

func (a *asking) want(t *testing.T, b []byte) {
	t.Helper()
	<-a.done
	if a.err != nil || !bytes.Equal(a.b, b) {
		t.Errorf("a client got %d bytes, %v; want %d", len(a.b), a.err, len(b))
	}
}

// TestOpen: each kind, small and large, comes from the upstream once and from the store then, with the same ETag.
func TestOpen(t *testing.T) {
	t.Parallel()
	const path = "example.com/large"
	files := filler(300_000)
	content := func(f goproxy.File) []byte {
		if f.Path == path && f.Kind != goproxy.Zip {
			return append(files(f), bytes.Repeat([]byte(" \n"), 100_000)...)
		}
		return files(f)
	}
	up := serving(t, content)
	dir := t.TempDir()
	d, err := store.NewDir(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var heard events
	s := newService(t, Options{Store: d, Fetcher: up, Recorder: &heard})
	for _, f := range []goproxy.File{theInfo, theMod, theZip, mkFile(path, "v1.0.0", goproxy.Info), mkFile(path, "v1.0.0", goproxy.Mod)} {
		b, first, err := get(t.Context(), s, f)
		if err != nil || !bytes.Equal(b, content(f)) || first.From != from || first.ETag != store.ETag(b) || first.Size != int64(len(b)) {
			t.Errorf("%s from the upstream: %d bytes, %+v, %v", f, len(b), first, err)
		}
		settle(t, s)
		wantStored(t, d, f, content(f))
		if n := up.requests(); n != 1 {
			t.Errorf("%s: the upstream was asked %d times", f, n)
		}
		b, meta, err := get(t.Context(), s, f)
		if err != nil || !bytes.Equal(b, content(f)) || meta.From != "" || meta.ETag != first.ETag {
			t.Errorf("%s from the store: %d bytes, %+v, %v", f, len(b), meta, err)
		}
		if stat, err := s.Stat(t.Context(), f); err != nil || stat != meta {
			t.Errorf("%s: Stat says %+v, %v; Open says %+v", f, stat, err, meta)
		}
		if n := up.requests(); n != 0 {
			t.Errorf("%s: the upstream was asked for what is stored", f)
		}
	}
	fetched := heard.of(Fetched)
	if len(fetched) != 5 || len(heard.all) != 5 || fetched[0].From != from || fetched[0].Path != theInfo.Path || fetched[0].Name != theInfo.Name() || fetched[0].Size == 0 {
		t.Errorf("events %+v", heard.all)
	}
}

// TestOneFetchForAll: a hundred ask at once.
func TestOneFetchForAll(t *testing.T) {
	for _, f := range []goproxy.File{theInfo, theMod, theZip} {
		synctest.Test(t, func(t *testing.T) {
			files := filler(300_000)
			up := newGated(t, files)
			s := newService(t, Options{Fetcher: up})
			var clients []*asking
			for range 100 {
				clients = append(clients, ask(t, s, f))
			}
			synctest.Wait()
			close(up.pass)
			for _, c := range clients {
				c.want(t, files(f))
			}
			if n := up.requests(); n != 1 {
				t.Errorf("%s: 100 clients made %d requests upstream", f, n)
			}
			settle(t, s)
			wantStored(t, s.o.Store, f, files(f))
		})
	}
}

// TestOneFetchForAllAbsent: the same where there is nothing, also for those who ask a moment later.
func TestOneFetchForAllAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newGated(t, func(goproxy.File) []byte { return nil })
		s := newService(t, Options{Fetcher: up})
		var clients []*asking
		for range 100 {
			clients = append(clients, ask(t, s, theZip))
		}
		synctest.Wait()
		close(up.pass)
		for range 3 {
			for _, c := range clients {
				<-c.done
				var nf *goproxy.NotFound
				if !errors.As(c.err, &nf) || nf.Body != "not found: "+theZip.String() {
					t.Errorf("a client got %v", c.err)
				}
			}
			clients = []*asking{ask(t, s, theZip), ask(t, s, theZip)}
		}
		for _, c := range clients {
			<-c.done
		}
		if n := up.requests(); n != 1 {
			t.Errorf("%d requests upstream", n)
		}
	})
}

func TestFirstCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := filler(300_000)
		up := newGated(t, files)
		s := newService(t, Options{Fetcher: up})
		first := ask(t, s, theZip)
		<-up.began
		second := ask(t, s, theZip)
		synctest.Wait()
		first.cancel()
		<-first.done
		if !errors.Is(first.err, context.Canceled) {
			t.Errorf("the one that left: %v", first.err)
		}
		synctest.Wait()
		if !second.waits() {
			t.Errorf("the other one ended with it: %v", second.err)
		}
		close(up.pass)
		second.want(t, files(theZip))
		if n := up.requests(); n != 1 {
			t.Errorf("%d requests upstream", n)
		}
	})
}

// TestAllLeaveBeforeItBegins: what nobody waits for any more when its turn comes is not fetched.
func TestAllLeaveBeforeItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := filler(300_000)
		up := newGated(t, files)
		s := newService(t, Options{Fetcher: up, Fills: 1})
		other := mkFile("example.com/other", "v1.0.0", goproxy.Mod)
		busy := ask(t, s, other)
		<-up.began
		first, second := ask(t, s, theZip), ask(t, s, theZip)
		synctest.Wait()
		first.cancel()
		second.cancel()
		synctest.Wait()
		close(up.pass)
		busy.want(t, files(other))
		settle(t, s)
		if n := up.requests(); n != 1 {
			t.Errorf("%d requests upstream, want that for the other file", n)
		}
		wantStored(t, s.o.Store, theZip, nil)
		wantFile(t, s, theZip, files(theZip)) // who asks again is served
	})
}

// TestOneOfTwoLeavesBeforeItBegins: while one waits it is fetched.
func TestOneOfTwoLeavesBeforeItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := filler(300_000)
		up := newGated(t, files)
		s := newService(t, Options{Fetcher: up, Fills: 1})
		busy := ask(t, s, theMod)
		<-up.began
		first, second := ask(t, s, theZip), ask(t, s, theZip)
		synctest.Wait()
		first.cancel()
		synctest.Wait()
		close(up.pass)
		second.want(t, files(theZip))
		<-busy.done
	})
}

func TestSomeoneElseStoredIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := filler(300_000)
		shared := &store.Mem{}
		var other *Service
		up := serving(t, files)
		once := sync.OnceFunc(func() { // between the miss and the fill another process stores it
			wantFile(t, other, theZip, files(theZip))
			settle(t, other)
		})
		looks := 0
		mine := &hooked{next: shared, open: func() {
			if looks++; looks > 1 {
				once()
			}
		}}
		other = newService(t, Options{Store: shared, Fetcher: up})
		s := newService(t, Options{Store: mine, Fetcher: &fake{t: t}})
		wantFile(t, s, theZip, files(theZip))
	})
}

// A hooked store calls a function before it opens what is asked. It can do nothing else.
type hooked struct {
	store.Store
	next store.Store
	open func()
}

func (h *hooked) Open(ctx context.Context, name string) (*goproxy.Content, error) {
	h.open()
	return h.next.Open(ctx, name)
}

// TestJoinBetweenEndAndStore: the file has come and is being stored: who asks now gets it from the fill.
func TestJoinBetweenEndAndStore(t *testing.T) {
	for _, f := range []goproxy.File{theMod, theZip} {
		synctest.Test(t, func(t *testing.T) {
			files := filler(300_000)
			storing := make(chan struct{})
			up := serving(t, files)
			s := newService(t, Options{Fetcher: up, Store: &store.Mem{Fail: func(op, _ string) error {
				if op == "put" {
					<-storing
				}
				return nil
			}}})
			wantFile(t, s, f, files(f))
			for range 3 {
				wantFile(t, s, f, files(f))
			}
			if n := up.requests(); n != 1 {
				t.Errorf("%s: %d requests upstream", f, n)
			}
			close(storing)
			settle(t, s)
			wantStored(t, s.o.Store, f, files(f))
		})
	}
}

// TestReadersOutliveTheFill: a client that is slow reads on after the fill is over and its file is gone by name.
func TestReadersOutliveTheFill(t *testing.T) {
	files := filler(300_000)
	s := newService(t, Options{Fetcher: serving(t, files)})
	c, err := s.Open(t.Context(), theZip)
	if err != nil {
		t.Fatal(err)
	}
	settle(t, s)
	s.mu.Lock()
	fills := len(s.fills)
	s.mu.Unlock()
	if fills != 0 {
		t.Errorf("%d fills go on", fills)
	}
	if b, _, err := all(c, nil); err != nil || !bytes.Equal(b, files(theZip)) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// TestManyLateReaders: waiters that are woken after the fill is over and the spool's file could be gone.
func TestManyLateReaders(t *testing.T) {
	t.Parallel()
	files := filler(100_000)
	for range 20 {
		s := newService(t, Options{Fetcher: serving(t, files), Store: &store.Mem{Fail: func(op, _ string) error {
			if op == "put" {
				return errors.New("no") // at once: the fill is over soon after its clients are woken
			}
			return nil
		}}})
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() { wantFile(t, s, theZip, files(theZip)) })
		}
		all.Wait()
	}
}

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

package proxy

import (
	"bytes"
	"context"
	"errors"
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
		if err != nil || !bytes.Equal(b, content(f)) || first.From != from || first.ETag == "" || f.Kind != goproxy.Zip && first.ETag != store.ETag(b) || first.Size != int64(len(b)) {
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
	fetched, stored := heard.of(Fetched), heard.of(Stored)
	if len(fetched) != 5 || len(stored) != 5 || len(heard.all) != 10 || stored[0].Size != fetched[0].Size || fetched[0].From != from || fetched[0].Path != theInfo.Path || fetched[0].Name != theInfo.Name() || fetched[0].Size == 0 {
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

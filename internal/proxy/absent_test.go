package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

func TestAbsences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAbsences()
		gone, list := goproxy.Absent("gone"), goproxy.ListName("m.test")
		a.put("m.test", "m.test/@v/v1.0.0.info", gone)
		a.put("m.test", list, gone)
		for _, step := range []struct {
			after         time.Duration
			version, list bool
		}{{absentVersion - 1, true, true}, {1, false, true}, {absentModule - absentVersion - 1, false, true}, {1, false, false}} {
			time.Sleep(step.after)
			if got := a.get("m.test", "m.test/@v/v1.0.0.info") != nil; got != step.version {
				t.Errorf("the version's absence is known: %v", got)
			}
			if got := a.get("m.test", list) != nil; got != step.list {
				t.Errorf("the module's absence is known: %v", got)
			}
		}
		a.put("m.test", list, gone)
		if a.get("other.test", list) != nil || a.get("m.test", "m.test/@latest") != nil {
			t.Error("absence of another module or name")
		}
		a.forget("m.test")
		if a.get("m.test", list) != nil {
			t.Error("not forgotten")
		}
	})
}

// TestAbsencesOfOneModule: many names of one module, as a client makes that tries all revisions.
func TestAbsencesOfOneModule(t *testing.T) {
	t.Parallel()
	a := newAbsences()
	for i := range 3000 {
		name := fmt.Sprintf("m.test/@v/r%d.info", i)
		a.put("m.test", name, goproxy.Absent("%s", strings.Repeat("long words ", 100)))
		if a.get("m.test", name) == nil {
			t.Fatalf("name %d was not remembered", i)
		}
		if m, _ := a.modules.Get("m.test"); len(m.names) > maxPerModule {
			t.Fatalf("%d names of one module are remembered", len(m.names))
		}
	}
}

// TestAbsencesAtOnce: whoever puts and forgets, no absence comes back that was forgotten after it was put.
func TestAbsencesAtOnce(t *testing.T) {
	a := newAbsences()
	gone := goproxy.Absent("gone")
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 500 {
				name := fmt.Sprintf("m.test/%d/%d", w, i)
				a.put("m.test", name, gone)
				a.forget("m.test")
				if a.get("m.test", name) != nil {
					t.Errorf("%s came back", name)
				}
			}
		})
	}
	all.Wait()
}

// TestManyAbsentNames: 100,000 names that are not there, of as many modules and of a few: memory stays bounded, upstreams see
// no more at once than there are slots, and nothing else is kept.
func TestManyAbsentNames(t *testing.T) {
	t.Parallel()
	const names = 100_000
	var now, most atomic.Int64
	absent := func() error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		return goproxy.Absent("not found: no such module, and that in a sentence of some length, as upstreams have it")
	}
	up := silent{absent}
	s := newService(t, Options{Fetcher: up, Fills: 4, Spool: t.TempDir()})
	var clients sync.WaitGroup
	for w := range 8 {
		clients.Go(func() {
			for i := w; i < names; i += 8 {
				path := fmt.Sprintf("example.com/m%d", i)
				if i%32 == 1 || i%32 == 3 {
					path = "example.com/few"
				}
				var err error
				switch i % 4 {
				case 0:
					_, err = s.List(t.Context(), path)
				case 1:
					_, err = s.Query(t.Context(), path, fmt.Sprint("rev", i))
				case 2:
					_, err = s.Stat(t.Context(), mkFile(path, fmt.Sprintf("v1.0.%d", i), goproxy.Mod))
				default:
					_, err = s.Open(t.Context(), mkFile(path, fmt.Sprintf("v1.0.%d", i), goproxy.Info))
				}
				if !isNotFound(err) {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	clients.Wait()
	settle(t, s)
	if size := s.absent.modules.Size(); size > maxAbsences || size == 0 {
		t.Errorf("%d bytes of absences are kept, at most %d may be", size, maxAbsences)
	}
	if size := s.answers.known.Size(); size != 0 {
		t.Errorf("%d bytes of answers are kept, and none came", size)
	}
	if most.Load() > 4 {
		t.Errorf("%d upstream requests at once, at most 4 may be", most.Load())
	}
	for _, err := range s.o.Store.List(t.Context(), "") {
		t.Errorf("the store holds something, %v", err)
	}
}

// silent is a Fetcher that says the same to all and keeps no log.
type silent struct{ err func() error }

func (s silent) List(context.Context, string) (*goproxy.Content, error) { return nil, s.err() }

func (s silent) Query(context.Context, string, string) (*goproxy.Content, error) {
	return nil, s.err()
}

func (s silent) Stat(context.Context, goproxy.File) (goproxy.Meta, error) {
	return goproxy.Meta{}, s.err()
}

func (s silent) Fetch(context.Context, goproxy.File, goproxy.Sink) (goproxy.Meta, error) {
	return goproxy.Meta{}, s.err()
}

// TestManyAnswers: lists of many modules stay within their memory, and are found in the store again.
func TestManyAnswers(t *testing.T) {
	t.Parallel()
	list := strings.Repeat("v1.0.0\n", 10_000)
	up := newLister(t, list)
	s := newService(t, Options{Fetcher: up})
	const modules = 500 // 35 MB
	for i := range modules {
		if b, _, err := all(s.List(t.Context(), fmt.Sprintf("example.com/m%d", i))); string(b) != list {
			t.Fatalf("%d: %d bytes, %v", i, len(b), err)
		}
	}
	settle(t, s)
	if size := s.answers.known.Size(); size > maxAnswers {
		t.Errorf("%d bytes of answers are kept, at most %d may be", size, maxAnswers)
	}
	up.requests()
	if b, _, err := all(s.List(t.Context(), "example.com/m0")); string(b) != list || up.requests() != 0 {
		t.Errorf("an answer that left memory: %d bytes, %v, asked anew", len(b), err)
	}
}

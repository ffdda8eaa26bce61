package proxy

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// A lister is a fake whose lists and queries are what answer says, which the test changes.
type lister struct {
	*fake
	answer string
	err    error
	hang   chan struct{} // not nil: until it is closed nothing comes
}

func newLister(t *testing.T, answer string) *lister {
	l := &lister{fake: &fake{t: t}, answer: answer}
	say := func(ctx context.Context) (*goproxy.Content, error) {
		l.mu.Lock()
		answer, err, hang := l.answer, l.err, l.hang
		l.mu.Unlock()
		if hang != nil {
			select {
			case <-hang:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if err != nil {
			return nil, err
		}
		return text(answer), nil
	}
	l.list = func(ctx context.Context, _ string) (*goproxy.Content, error) { return say(ctx) }
	l.query = func(ctx context.Context, _, _ string) (*goproxy.Content, error) { return say(ctx) }
	return l
}

// says changes the answer.
func (l *lister) says(answer string, err error, hang chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer, l.err, l.hang = answer, err, hang
}

const theList = "v1.0.0\nv1.1.0\n"

// wantAnswer checks an answer and how long it took to come.
func wantAnswer(t *testing.T, s *Service, want string, stale bool, took time.Duration) goproxy.Meta {
	t.Helper()
	start := time.Now()
	b, meta, err := all(s.List(t.Context(), "example.com/m"))
	if err != nil || string(b) != want || meta.Stale != stale || meta.ETag != store.ETag(b) || meta.From != from {
		t.Errorf("got %q, %+v, %v; want %q, stale %v", b, meta, err, want, stale)
	}
	if d := time.Since(start); d != took {
		t.Errorf("it took %v, want %v", d, took)
	}
	return meta
}

func wantAsked(t *testing.T, up interface{ requests() int }, want int) {
	t.Helper()
	synctest.Wait()
	if n := up.requests(); n != want {
		t.Errorf("upstreams were asked %d times, want %d", n, want)
	}
}

var away = &goproxy.Unavailable{From: from, Reason: "away"}

// TestFresh: an answer is good for a minute, then it is asked again.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up})
		first := wantAnswer(t, s, theList, false, 0)
		if first.Checked != time.Now() {
			t.Errorf("checked %v", first.Checked)
		}
		time.Sleep(time.Minute - 1)
		if m := wantAnswer(t, s, theList, false, 0); m.Checked != first.Checked {
			t.Errorf("checked %v, then %v", first.Checked, m.Checked)
		}
		wantAsked(t, up, 1)
		up.says(theList+"v1.2.0\n", nil, nil)
		time.Sleep(time.Nanosecond)
		if m := wantAnswer(t, s, theList+"v1.2.0\n", false, 0); m.Checked != time.Now() {
			t.Errorf("checked %v", m.Checked)
		}
		wantAsked(t, up, 1)
	})
}

// TestQueries: lists, @latest and revisions are kept apart, and so are modules; the bytes are the upstream's own.
func TestQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fake{t: t,
			list: func(_ context.Context, path string) (*goproxy.Content, error) { return text("list of " + path), nil },
			query: func(_ context.Context, path, query string) (*goproxy.Content, error) {
				return text(query + " of " + path), nil
			}}
		s := newService(t, Options{Fetcher: up})
		for range 2 {
			for _, path := range []string{"example.com/m", "example.com/M", "example.com/m/v2"} {
				if b, _, err := all(s.List(t.Context(), path)); string(b) != "list of "+path {
					t.Errorf("%q, %v", b, err)
				}
				for _, query := range []string{"latest", "master", "Master", "list", "v1"} {
					if b, _, err := all(s.Query(t.Context(), path, query)); string(b) != query+" of "+path {
						t.Errorf("%q, %v", b, err)
					}
				}
			}
			synctest.Wait()
		}
		wantAsked(t, up, 3*6)
	})
}

// TestOneRefresh: a hundred ask for a list that is not fresh: one request upstream.
func TestOneRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		up := newLister(t, theList)
		up.says(theList, nil, gate)
		s := newService(t, Options{Fetcher: up})
		done := make(chan struct{})
		for range 100 {
			go func() {
				wantAnswer(t, s, theList, false, 0)
				done <- struct{}{}
			}()
		}
		synctest.Wait()
		close(gate)
		for range 100 {
			<-done
		}
		wantAsked(t, up, 1)
	})
}

// TestRefreshMissedByAMoment: who found no fresh answer just before it came does not ask again.
func TestRefreshMissedByAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up})
		q := question{path: "example.com/m", name: goproxy.ListName("example.com/m")}
		wantAnswer(t, s, theList, false, 0)
		if r := s.answers.refresh(t.Context(), q, nil, false); !r.isDone() || string(r.known.body) != theList {
			t.Error("the answer is asked for again")
		}
		up.says("", goproxy.Absent("gone"), nil)
		time.Sleep(2 * time.Minute)
		if _, err := s.List(t.Context(), q.path); !isNotFound(err) {
			t.Errorf("got %v", err)
		}
		if r := s.answers.refresh(t.Context(), q, nil, false); !r.isDone() || !isNotFound(r.err) {
			t.Error("absence is asked for again")
		}
		wantAsked(t, up, 2)
	})
}

// TestStaleAfterTrouble: any trouble but absence gives the answer of before, marked; for five seconds nobody asks again.
func TestStaleAfterTrouble(t *testing.T) {
	for _, trouble := range []error{away, &goproxy.Refused{Status: 403, Reason: "no"}, &goproxy.Wrong{Reason: "a page"}, errors.New("odd")} {
		synctest.Test(t, func(t *testing.T) {
			up := newLister(t, theList)
			var heard events
			s := newService(t, Options{Fetcher: up, Recorder: &heard})
			first := wantAnswer(t, s, theList, false, 0)
			time.Sleep(2 * time.Minute)
			up.says("", trouble, nil)
			up.requests()
			if m := wantAnswer(t, s, theList, true, 0); m.Checked != first.Checked {
				t.Errorf("checked %v, want %v", m.Checked, first.Checked)
			}
			for range 10 {
				wantAnswer(t, s, theList, true, 0)
			}
			wantAsked(t, up, 1)
			time.Sleep(afterFailure)
			wantAnswer(t, s, theList, true, 0)
			wantAsked(t, up, 1)
			if n := len(heard.of(ServedStale)); n != 12 {
				t.Errorf("%d stale answers were reported, want 12", n)
			}
			up.says("v2.0.0+incompatible\n", nil, nil)
			time.Sleep(afterFailure)
			wantAnswer(t, s, "v2.0.0+incompatible\n", false, 0)
		})
	}
}

// TestTroubleWithoutAnswer: without an answer of before the trouble is the answer, and is not remembered.
func TestTroubleWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, "")
		up.says("", away, nil)
		s := newService(t, Options{Fetcher: up})
		for range 3 {
			if _, err := s.List(t.Context(), "example.com/m"); !errors.Is(err, away) {
				t.Errorf("got %v", err)
			}
		}
		wantAsked(t, up, 3)
		up.says(theList, nil, nil)
		wantAnswer(t, s, theList, false, 0)
	})
}

// TestBudget: an upstream that hangs costs 3 s, counted from when it was asked; its late answer is taken.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up})
		wantAnswer(t, s, theList, false, 0)
		time.Sleep(2 * time.Minute)
		gate := make(chan struct{})
		up.says("v1.2.0\n", nil, gate)
		up.requests()
		go wantAnswer(t, s, theList, true, 3*time.Second)
		time.Sleep(2 * time.Second)
		wantAnswer(t, s, theList, true, time.Second) // the rest of it
		for range 10 {
			wantAnswer(t, s, theList, true, 0)
		}
		wantAsked(t, up, 1)
		close(gate)
		synctest.Wait()
		wantAnswer(t, s, "v1.2.0\n", false, 0)
		wantAsked(t, up, 0)
	})
}

// TestNoBudgetWithoutAnswer: who has nothing to fall back on waits for as long as he likes.
func TestNoBudgetWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		up := newLister(t, theList)
		up.says(theList, nil, gate)
		s := newService(t, Options{Fetcher: up})
		done := make(chan struct{})
		go func() {
			wantAnswer(t, s, theList, false, time.Hour)
			close(done)
		}()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("impatient"))
		defer cancel()
		if _, err := s.List(ctx, "example.com/m"); err == nil || err.Error() != "impatient" {
			t.Errorf("one that left: %v", err)
		}
		time.Sleep(time.Hour - time.Minute)
		close(gate)
		<-done
	})
}

// TestSlotsAllTaken: with every slot hanging, fresh answers come at once and stale ones within the budget.
func TestSlotsAllTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		up.fetch = func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
			<-ctx.Done()
			return goproxy.Meta{}, ctx.Err()
		}
		s := newService(t, Options{Fetcher: up, Fills: 1})
		wantAnswer(t, s, theList, false, 0)
		hangs := ask(t, s, theZip)
		synctest.Wait()
		wantAnswer(t, s, theList, false, 0)
		time.Sleep(2 * time.Minute)
		wantAnswer(t, s, theList, true, 3*time.Second)
		hangs.cancel()
		<-hangs.done
	})
}

// TestListWithoutFetch: what is known is given, marked where it is old; nobody is asked, and nothing is remembered of it.
func TestListWithoutFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up})
		ctx := goproxy.WithoutFetch(t.Context())
		if _, err := s.List(ctx, "example.com/m"); !isNotFound(err) {
			t.Errorf("nothing is known: %v", err)
		}
		wantAsked(t, up, 0)
		wantAnswer(t, s, theList, false, 0)
		settle(t, s)
		for _, stale := range []bool{false, true} {
			again := newService(t, Options{Fetcher: &fake{t: t}, Store: s.o.Store}) // from the store
			for _, s := range []*Service{s, again} {
				if b, m, err := all(s.List(ctx, "example.com/m")); err != nil || string(b) != theList || m.Stale != stale {
					t.Errorf("%q, %+v, %v; want stale %v", b, m, err, stale)
				}
			}
			time.Sleep(2 * time.Minute)
		}
	})
}

// TestBodyBreaks: an answer that breaks off is trouble, not an answer.
func TestBodyBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		up := &fake{t: t, list: func(context.Context, string) (*goproxy.Content, error) {
			return &goproxy.Content{Body: io.NopCloser(io.MultiReader(strings.NewReader("v1.0.0\n"), errReader{broken}))}, nil
		}}
		s := newService(t, Options{Fetcher: up})
		_, err := s.List(t.Context(), "example.com/m")
		wantUnavailable(t, err, "broken")
		if !errors.Is(err, broken) {
			t.Errorf("the cause is lost: %v", err)
		}
	})
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

package sumdb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const lookup = "lookup/example.com/m@v1.0.0"

// TestStaleInTrouble: a record never changes, so that the one kept from before stands in while nobody answers. Absence
// is an answer.
func TestStaleInTrouble(t *testing.T) {
	bodies := map[string]string{lookup: record("example.com/m", "v1.0.0"), "latest": tree}
	r := &remote{answer: func(_ context.Context, what string) ([]byte, error) {
		return []byte(bodies[strings.TrimPrefix(what, "sumdb/"+name+"/")]), nil
	}}
	p, s := proxy(r)
	for what, want := range bodies {
		if got := mustGet(t, p, what); got != want {
			t.Errorf("%s: got %q", what, got)
		}
	}
	for trouble, want := range map[error]int{down: 200, &goproxy.Refused{Status: 403, Reason: "no"}: 200, errors.New("odd"): 200, absent: 404} {
		for what, body := range bodies {
			got, err := get(t, again(s, always("", trouble)), what)
			if status(err) != want || err == nil && got != body {
				t.Errorf("%s while %v: got %q, %v, want %d", what, trouble, got, err, want)
			}
		}
	}
	if _, err := get(t, again(s, always("<html>", nil)), lookup); err != nil {
		t.Errorf("while a page comes: got %v", err)
	}
	s.Save(t.Context(), lookup, []byte("junk"))
	if _, err := get(t, again(s, always("", down)), lookup); status(err) != 503 {
		t.Errorf("what is kept is junk: got %v, want 503", err)
	}
}

// TestAskedAgain: an answer with a tree head is asked for each time, so that clients see the tree grow.
func TestAskedAgain(t *testing.T) {
	r := always(record("example.com/m", "v1.0.0"), nil)
	p, _ := proxy(r)
	for range 3 {
		mustGet(t, p, lookup)
	}
	if n := len(r.asked()); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
}

// TestPeer11OneFailureIsForgotten: with another proxy one failure of the database makes that module fail until a
// restart. Here the next question is a new one.
func TestPeer11OneFailureIsForgotten(t *testing.T) {
	failed := false
	r := &remote{answer: func(context.Context, string) ([]byte, error) {
		if !failed {
			failed = true
			return nil, down
		}
		return []byte(record("example.com/m", "v1.0.0")), nil
	}}
	p, _ := proxy(r)
	if _, err := get(t, p, lookup); status(err) != 503 {
		t.Errorf("got %v, want 503", err)
	}
	mustGet(t, p, lookup)
}

// blocked is a Remote that answers when it is told to.
func blocked(release <-chan struct{}, b string) *remote {
	return &remote{answer: func(ctx context.Context, _ string) ([]byte, error) {
		select {
		case <-release:
			return []byte(b), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

func TestCoalesced(t *testing.T) {
	for _, what := range []string{lookup, "latest", "tile/8/0/000", "tile/8/0/000.p/3"} {
		synctest.Test(t, func(t *testing.T) {
			bodies := map[string]string{lookup: record("example.com/m", "v1.0.0"), "latest": tree, "tile/8/0/000": tile(256), "tile/8/0/000.p/3": tile(3)}
			release := make(chan struct{})
			r := blocked(release, bodies[what])
			p, _ := proxy(r)
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if got, err := get(t, p, what); err != nil || got != bodies[what] {
						t.Errorf("%s: got %q, %v", what, got, err)
					}
				})
			}
			synctest.Wait()
			close(release)
			wg.Wait()
			if n := len(r.asked()); n != 1 {
				t.Errorf("%s: %d questions for 100 clients", what, n)
			}
		})
	}
}

// TestFirstClientLeaves: the question belongs to nobody; who waits on gets the answer, and it is kept.
func TestFirstClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p, s := proxy(blocked(release, record("example.com/m", "v1.0.0")))
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { _, err := p.Answer(ctx, name+"/"+lookup); first <- err }()
		synctest.Wait()
		go func() { _, err := p.Answer(t.Context(), name+"/"+lookup); second <- err }()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the first: got %v", err)
		}
		close(release)
		if err := <-second; err != nil {
			t.Errorf("the second: got %v", err)
		}
		if got := s.names(); !slices.Equal(got, []string{lookup}) {
			t.Errorf("kept: %q", got)
		}
	})
}

// TestPeer11HangIsBounded: lookups of another proxy ignore their deadline. Here a client waits 3 s where an answer is kept
// from before, and a minute at the most where there is none.
func TestPeer11HangIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := proxy(blocked(nil, ""))
		start := time.Now()
		_, err := get(t, p, lookup)
		if took := time.Since(start); status(err) != 503 || took != time.Minute {
			t.Errorf("nothing kept: got %v after %v", err, took)
		}
		s.Save(t.Context(), lookup, []byte(record("example.com/m", "v1.0.0")))
		start = time.Now()
		_, err = get(t, p, lookup)
		if took := time.Since(start); err != nil || took != 3*time.Second {
			t.Errorf("something kept: got %v after %v", err, took)
		}
		time.Sleep(time.Minute) // the question itself ends, too, before the bubble does
	})
}

// TestManyQuestionsHang: however many hang, no more than 64 are under way, the others give up in time, and tiles that
// are known need none of it.
func TestManyQuestionsHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := blocked(nil, "")
		p, s := proxy(r)
		s.Save(t.Context(), "tile/8/0/000", []byte(tile(256)))
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				if _, err := get(t, p, fmt.Sprintf("lookup/example.com/m%d@v1.0.0", i)); status(err) != 503 {
					t.Errorf("got %v, want 503", err)
				}
			})
		}
		synctest.Wait()
		if n := len(r.asked()); n != 64 {
			t.Errorf("%d questions are under way, want 64", n)
		}
		mustGet(t, p, "tile/8/0/000")
		mustGet(t, p, "supported")
		if took := time.Since(start); took != 0 {
			t.Errorf("what is known took %v", took)
		}
		wg.Wait()
		if took := time.Since(start); took != time.Minute {
			t.Errorf("the last one was given up after %v, want a minute", took)
		}
	})
}

// TestAnswersAreNotShared: a client that changes what it got changes nobody else's.
func TestAnswersAreNotShared(t *testing.T) {
	p, _ := proxy(always(tile(256), nil))
	a, err := p.Answer(t.Context(), name+"/tile/8/0/000")
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Answer(t.Context(), name+"/tile/8/0/000")
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 10)
	if _, err := a.Body.Read(one); err != nil {
		t.Fatal(err)
	}
	clear(one)
	other := make([]byte, 10)
	if _, err := b.Body.Read(other); err != nil || string(other) != tile(1)[:10] {
		t.Errorf("got %q, %v", other, err)
	}
}

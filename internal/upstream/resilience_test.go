package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// A script answers the requests of one upstream, each by what stands next in it; the last one goes on for ever.
type script struct {
	mu    sync.Mutex
	steps []http.HandlerFunc
	at    []time.Time // of each request
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	h := s.steps[min(len(s.at), len(s.steps)-1)]
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	h(w, r)
}

func (s *script) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}

func plays(steps ...http.HandlerFunc) *script { return &script{steps: steps} }

// after answers with h once d has passed.
func after(d time.Duration, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			h(w, r)
		case <-r.Context().Done():
		}
	}
}

// has answers every question about example.com/plain.
func has(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, plain(r.URL.Path)) }

func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprint(w, "<html>please log in</html>")
}

func reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// unchecked are the defaults without checks.
var unchecked = goproxy.UpstreamOptions{Check: -1}

// A stage is a network, a pool and a chain over its hosts a.test, b.test, ….
type stage struct {
	*network
	pool  *upstream.Pool
	chain *upstream.Chain
	log   *attempts
}

// attempts is an Observer that remembers.
type attempts struct {
	mu      sync.Mutex
	all     []upstream.Attempt
	changes []string
}

func (a *attempts) Asking(string, string) {}

func (a *attempts) Attempted(_ context.Context, x upstream.Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, x)
}

func (a *attempts) Changed(name string, c upstream.Class, state, _ string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes = append(a.changes, strings.TrimSuffix(strings.TrimPrefix(name, "http://"), ".test")+" "+string(c)+" "+state)
}

// causes are the attempts in words: "a first status, b next".
func (a *attempts) causes() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var s []string
	for _, x := range a.all {
		s = append(s, strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(x.Upstream, "http://"), ".test")+" "+x.Cause+" "+x.Failure))
	}
	return strings.Join(s, ", ")
}

// play lets scripts answer for the hosts of a list joined by '|', or by ',' where so said.
func play(t *testing.T, patience time.Duration, sep string, o goproxy.UpstreamOptions, scripts ...*script) *stage {
	t.Helper()
	st := &stage{network: newNetwork(t), log: &attempts{}}
	st.pool = newPool(t, upstream.PoolOptions{Patience: patience, Observer: st.log})
	var entries []upstream.Entry
	for i, s := range scripts {
		name := string(rune('a'+i)) + ".test"
		if s != nil {
			st.serve(name, s.ServeHTTP)
		}
		entries = append(entries, upstream.Entry{Upstream: add(t, st.pool, "http://"+name, st.tr, o), AnyError: sep == "|"})
	}
	st.chain = st.pool.Chain(entries, upstream.ChainOptions{Rules: goproxy.NewRules("corp.example", nil)})
	return st
}

func (st *stage) list(ctx context.Context) error {
	c, err := st.chain.List(ctx, "example.com/plain")
	if err == nil {
		c.Body.Close()
	}
	return err
}

// TestRetries: whatever may pass is asked again, in a while; what is an answer is not.
func TestRetries(t *testing.T) {
	for name, test := range map[string]struct {
		first http.HandlerFunc
		kind  string
		asked int
	}{
		"503":      {status(503), "ok", 2},
		"502":      {status(502), "ok", 2},
		"429":      {status(429), "ok", 2},
		"408":      {status(408), "ok", 2},
		"a page":   {page, "ok", 2},
		"reset":    {reset, "ok", 2},
		"404":      {status(404), "absent 404", 1},
		"410":      {status(410), "absent 410", 1},
		"403":      {status(403), "refused 403", 1},
		"no error": {has, "ok", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := plays(test.first, has)
				st := play(t, 0, "|", unchecked, a)
				if err := st.list(t.Context()); kind(err) != test.kind || a.asked() != test.asked {
					t.Errorf("got %s after %d requests; want %s after %d (%s)", kind(err), a.asked(), test.kind, test.asked, st.log.causes())
				}
			})
		})
	}
}

// TestBackoff: the time to the next attempt is below a bound that doubles, and is not always the same.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := plays(status(503), status(503), status(503), status(503), has)
		st := play(t, 0, "|", goproxy.UpstreamOptions{Check: -1, Breaker: goproxy.NotOn}, a)
		if err := st.list(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, most := range []int64{100, 200, 400, 800} {
			if d := a.at[i+1].Sub(a.at[i]); d.Milliseconds() > most {
				t.Errorf("attempt %d came %v after the one before, want less than %d ms", i+2, d, most)
			}
		}
	})
}

// TestRetryAfterIsHonoured: a short one is waited for; a long one leaves the upstream alone, and the next one is asked.
func TestRetryAfterIsHonoured(t *testing.T) {
	busy := func(seconds int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
			w.WriteHeader(429)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		a := plays(busy(3), has)
		st := play(t, 0, "|", unchecked, a)
		begin := time.Now()
		if err := st.list(t.Context()); err != nil || time.Since(begin) != 3*time.Second {
			t.Errorf("alone: %v after %v, want 3 s", err, time.Since(begin))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a, b := plays(busy(20), has), plays(has)
		st := play(t, 0, "|", unchecked, a, b)
		for range 3 {
			if err := st.list(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if a.asked() != 1 || b.asked() != 3 {
			t.Errorf("the busy one was asked %d times, the other %d; want 1 and 3", a.asked(), b.asked())
		}
		time.Sleep(20 * time.Second)
		if err := st.list(t.Context()); err != nil || a.asked() != 2 {
			t.Errorf("when its time is over: %v, asked %d times", err, a.asked())
		}
	})
}

// TestMovingOnIsFree: the next of a |-list is asked at once.
func TestMovingOnIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := plays(status(503)), plays(has)
		st := play(t, 0, "|", unchecked, a, b)
		begin := time.Now()
		if err := st.list(t.Context()); err != nil || time.Since(begin) != 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if got := st.log.causes(); got != "a first status, b next" {
			t.Errorf("attempts: %s", got)
		}
	})
}

// TestCommaHolds: before a ',' an upstream in trouble is waited for, then the answer is trouble; the next one is never asked.
func TestCommaHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := plays(status(503)), plays(has)
		st := play(t, 0, ",", unchecked, a, b)
		begin := time.Now()
		err := st.list(t.Context())
		if kind(err) != "unavailable" || !strings.Contains(err.Error(), "503") || b.asked() != 0 {
			t.Errorf("got %v, the second one was asked %d times", err, b.asked())
		}
		if took := time.Since(begin); took < 45*time.Second || took > 50*time.Second {
			t.Errorf("held for %v, want about 45 s", took)
		}
	})
}

// TestBreaker: five failures open it; then nobody asks, but for a check a second while questions wait; it closes by itself
// and what waits goes on. What comes late in an outage waits less.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := plays(status(503))
		st := play(t, 0, "|", unchecked, a)
		early := make(chan error, 10)
		for range 10 {
			go func() { early <- st.list(t.Context()) }()
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := a.asked(); n < 5+9 || n > 16+20 { // those that opened it, and a check every 0.5 to 1 s
			t.Errorf("asked %d times in 10 s", n)
		}
		if s := upstream.NewRouter(nil, st.chain, nil, nil).Status(); !s.Degraded || s.Held != 10 || s.Upstreams[0].Classes[upstream.Small].State != "open" || !strings.Contains(s.LastError, "503") {
			t.Errorf("status %+v", s)
		}
		a.mu.Lock()
		a.steps = []http.HandlerFunc{has}
		a.mu.Unlock()
		back := time.Now()
		for range 10 {
			if err := <-early; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(back); took > 2*time.Second {
			t.Errorf("back after %v", took)
		}
		if s := upstream.NewRouter(nil, st.chain, nil, nil).Status(); s.Degraded || s.Held != 0 {
			t.Errorf("status %+v", s)
		}
		if got := strings.Join(st.log.changes, ", "); got != "a small open, a small closed" {
			t.Errorf("changes: %s", got)
		}
	})
}

// TestChecksWhileManyCome: questions that come one after the other do not put off the check that they wait for.
func TestChecksWhileManyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := plays(status(503), status(503), status(503), status(503), status(503), status(503), has)
		st := play(t, 0, "|", unchecked, a)
		ended := make(chan error, 400)
		begin := time.Now()
		for range 400 {
			go func() { ended <- st.list(t.Context()) }()
			time.Sleep(20 * time.Millisecond)
		}
		for range 400 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took > 9*time.Second {
			t.Errorf("all had an answer after %v", took)
		}
	})
}

// TestPatienceCountsFromTheOutage: who asks when it has lasted for 40 s waits for 5 s, who asks after that not at all.
func TestPatienceCountsFromTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := play(t, 0, "|", unchecked, plays(status(503)))
		first := make(chan error, 1)
		go func() { first <- st.list(t.Context()) }()
		time.Sleep(40 * time.Second)
		begin := time.Now()
		if err := st.list(t.Context()); kind(err) != "unavailable" || time.Since(begin) > 8*time.Second {
			t.Errorf("late: %v after %v", err, time.Since(begin))
		}
		<-first
		begin = time.Now()
		if err := st.list(t.Context()); kind(err) != "unavailable" || time.Since(begin) != 0 || !strings.Contains(err.Error(), "503") {
			t.Errorf("too late: %v after %v", err, time.Since(begin))
		}
	})
}

// TestHeldAreBounded: at most so many wait; one more is told at once. Who leaves is not waited for.
func TestHeldAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := play(t, 0, "|", unchecked, plays(status(503)))
		_ = st.list(goproxy.WithStale(t.Context()))
		for range 10 {
			_ = st.list(goproxy.WithStale(t.Context()))
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2000)
		for range 2000 {
			go func() { ended <- st.list(ctx) }()
		}
		synctest.Wait()
		if s := upstream.NewRouter(nil, st.chain, nil, nil).Status(); s.Held != 2000 {
			t.Errorf("%d are held", s.Held)
		}
		begin := time.Now()
		if err := st.list(t.Context()); kind(err) != "unavailable" || time.Since(begin) != 0 {
			t.Errorf("one more: %v after %v", err, time.Since(begin))
		}
		cancel()
		for range 2000 {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if s := upstream.NewRouter(nil, st.chain, nil, nil).Status(); s.Held != 0 {
			t.Errorf("%d are held", s.Held)
		}
	})
}

// TestAbsenceWhileOthersAreAway: a 404 of the first is final while one that stands in for it is known to be away: else
// a dead mirror at the end of a list would turn every guess at a module's path into an outage. A 404 of the second does not
// count while the first is away.
func TestAbsenceWhileOthersAreAway(t *testing.T) {
	for name, test := range map[string]struct {
		a, b http.HandlerFunc
		kind string
	}{
		"the second is away": {status(404), status(503), "absent 404"},
		"the first is away":  {status(503), status(404), "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := play(t, 0, "|", unchecked, plays(test.a), plays(test.b))
				if err := st.list(t.Context()); kind(err) != test.kind {
					t.Errorf("got %v", err)
				}
				begin := time.Now()
				err := st.list(goproxy.WithStale(t.Context()))
				if kind(err) != test.kind || time.Since(begin) != 0 {
					t.Errorf("again: %v after %v", err, time.Since(begin))
				}
			})
		})
	}
}

// TestStaleAsksOnce: where there is an older answer nobody is asked twice or waited for.
func TestStaleAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := plays(status(503)), plays(status(503))
		st := play(t, 0, "|", unchecked, a, b)
		begin := time.Now()
		if err := st.list(goproxy.WithStale(t.Context())); kind(err) != "unavailable" || time.Since(begin) != 0 || a.asked()+b.asked() != 2 {
			t.Errorf("%v after %v and %d requests", err, time.Since(begin), a.asked()+b.asked())
		}
	})
}

// TestAheadAsksOnce: what nobody has asked for yet is asked for once, and again once somebody does.
func TestAheadAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		urgent := make(chan struct{})
		ctx := goproxy.WithAhead(t.Context(), urgent)
		a := plays(status(503), hang, status(503), has)
		st := play(t, 0, "|", unchecked, a)
		begin := time.Now()
		if err := st.list(ctx); kind(err) != "unavailable" || time.Since(begin) != 0 || a.asked() != 1 {
			t.Errorf("%v after %v and %d requests", err, time.Since(begin), a.asked())
		}
		got := make(chan error)
		go func() { got <- st.list(ctx) }()
		time.Sleep(5 * time.Second) // long enough for doubt, too short to be a failure
		if a.asked() != 2 {
			t.Errorf("%d requests; want what hangs not to be asked again", a.asked())
		}
		close(urgent)
		if err := <-got; err != nil || a.asked() != 4 {
			t.Errorf("%v after %d requests", err, a.asked())
		}
	})
}

// TestBackToThePrimary: it is asked again after two good checks and 30 s, not at the first sign of life.
func TestBackToThePrimary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := plays(status(503), status(503), status(503), status(503), status(503), has), plays(has)
		st := play(t, 0, "|", goproxy.UpstreamOptions{}, a, b)
		begin := time.Now()
		var back time.Duration
		for range 100 {
			if err := st.list(t.Context()); err != nil {
				t.Fatal(err)
			}
			st.log.mu.Lock()
			if n := len(st.log.changes); n == 2 && back == 0 {
				back = time.Since(begin)
			}
			st.log.mu.Unlock()
			time.Sleep(time.Second)
		}
		if back < 30*time.Second || back > 50*time.Second { // opened after 4 s, checked every 8 to 12
			t.Errorf("back after %v", back)
		}
	})
}

// TestChecksSeeContent: an upstream that answers with a page, or with another file than before, is out of use before anyone asks.
func TestChecksSeeContent(t *testing.T) {
	other := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "module example.com/other\n") }
	for name, bad := range map[string]http.HandlerFunc{"a page": page, "another file": other, "silence": hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := plays(has, bad), plays(has)
				st := play(t, 0, "|", goproxy.UpstreamOptions{}, a, b)
				if _, err := st.chain.Fetch(t.Context(), plainFile(goproxy.Mod), &sink{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(31 * time.Second) // two checks, each at most 12 s after the one before and 3 s long
				if s := upstream.NewRouter(nil, st.chain, nil, nil).Status(); s.Upstreams[0].Classes[upstream.Small].State != "open" || s.Upstreams[0].Healthy || s.Degraded {
					t.Errorf("status %+v", s)
				}
				before := a.asked()
				if err := st.list(t.Context()); err != nil || a.asked() != before {
					t.Errorf("%v, asked %d times", err, a.asked()-before)
				}
			})
		})
	}
}

// TestChecksEnd: nobody is checked who was not of use lately.
func TestChecksEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := plays(has)
		st := play(t, 0, "|", goproxy.UpstreamOptions{}, a)
		time.Sleep(time.Hour)
		if a.asked() != 0 {
			t.Errorf("asked %d times before anyone asked", a.asked())
		}
		if err := st.list(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := a.asked(); n < 3 || n > 5 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestHedge: when the first takes long the next one is asked too. The faster one answers, the other is let go; if it had
// said nothing that counts against it. A 404 of the second does not count before the first has answered.
func TestHedge(t *testing.T) {
	absent := status(404)
	tests := []struct {
		name   string
		a, b   http.HandlerFunc
		took   time.Duration
		kind   string
		causes string
	}{
		{"the first is slow", after(2*time.Second, has), has, 400 * time.Millisecond, "ok", "b hedge, a first lost"},
		{"both are slow", after(600*time.Millisecond, has), after(2*time.Second, has), 600 * time.Millisecond, "ok", "a first, b hedge canceled"},
		{"the first hangs", hang, after(100*time.Millisecond, has), 500 * time.Millisecond, "ok", "b hedge, a first lost"},
		{"the second has nothing", after(800*time.Millisecond, has), absent, 800 * time.Millisecond, "ok", "b hedge absent, a first"},
		{"none has anything", after(800*time.Millisecond, absent), absent, 800 * time.Millisecond, "absent 404", "b hedge absent, a first absent"},
		{"the first fails late", after(700*time.Millisecond, status(503)), after(350*time.Millisecond, has), 750 * time.Millisecond, "ok", "a first status, b hedge"},
		{"the first is fast", after(399*time.Millisecond, has), has, 399 * time.Millisecond, "ok", "a first"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := play(t, 0, "|", unchecked, plays(test.a), plays(test.b))
				begin := time.Now()
				err := st.list(t.Context())
				if took := time.Since(begin); took != test.took || kind(err) != test.kind {
					t.Errorf("%v after %v, want %s after %v", err, took, test.kind, test.took)
				}
				synctest.Wait()
				if got := st.log.causes(); got != test.causes {
					t.Errorf("attempts: %s; want %s", got, test.causes)
				}
			})
		})
	}
}

// TestNoHedgeForPrivateModules: their names go to one upstream at a time.
func TestNoHedgeForPrivateModules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := plays(after(5*time.Second, has)), plays(has)
		st := play(t, 0, "|", goproxy.UpstreamOptions{Check: -1, Attempts: 1}, a, b)
		c, err := st.chain.List(t.Context(), "corp.example/secret")
		if err != nil {
			t.Fatal(err)
		}
		c.Body.Close()
		if b.asked() != 0 {
			t.Error("the second one was asked too")
		}
	})
}

// TestHangIsAskedAgain: one upstream alone that says nothing is asked once more, over a new connection.
func TestHangIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := plays(hang, has)
		st := play(t, 0, "|", unchecked, a)
		begin := time.Now()
		if err := st.list(t.Context()); err != nil || time.Since(begin) != 500*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if _, dials := st.open(); dials != 2 {
			t.Errorf("%d dials", dials)
		}
	})
}

// TestHangIsAskedAgainAndAgain: when the second attempt fails there is a third, while the first one still hangs.
func TestHangIsAskedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := plays(hang, status(503), reset, has)
		st := play(t, 0, "|", unchecked, a)
		begin := time.Now()
		if err := st.list(t.Context()); err != nil || time.Since(begin) > time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestHangsInARow: one attempt after the other that says nothing makes place for the next, but for the first: an upstream
// that needs long to make a file gets the time.
func TestHangsInARow(t *testing.T) {
	for name, test := range map[string]struct {
		a    *script
		most time.Duration
	}{
		"the fourth answers":   {plays(hang, hang, hang, has), 6 * time.Second},
		"the first needs long": {plays(after(9*time.Second, has), hang), 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := play(t, 0, "|", goproxy.UpstreamOptions{Check: -1, Breaker: goproxy.NotOn}, test.a)
				begin := time.Now()
				if err := st.list(t.Context()); err != nil || time.Since(begin) > test.most {
					t.Errorf("%v after %v and %d requests", err, time.Since(begin), test.a.asked())
				}
				if test.a.asked() > 6 {
					t.Errorf("%d requests", test.a.asked())
				}
			})
		})
	}
}

// A partial serves a zip in pieces: each answer breaks off after so many bytes.
type partial struct {
	zip    []byte
	cut    int  // bytes of each answer; 0: all
	ranges bool // whether it knows ranges
	tag    string

	mu   sync.Mutex
	sent int
	from []string // Range of each request
}

func (p *partial) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from := 0
	p.mu.Lock()
	p.from = append(p.from, r.Header.Get("Range"))
	p.mu.Unlock()
	if p.tag != "" {
		w.Header().Set("Etag", p.tag)
	}
	if rg := r.Header.Get("Range"); rg != "" && p.ranges && (r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == p.tag) {
		fmt.Sscanf(rg, "bytes=%d-", &from)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(p.zip)-1, len(p.zip)))
		w.Header().Set("Content-Length", strconv.Itoa(len(p.zip)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(len(p.zip)))
	}
	rest := p.zip[from:]
	if p.cut > 0 && len(rest) > p.cut {
		rest = rest[:p.cut]
		defer panic(http.ErrAbortHandler)
	}
	n, _ := w.Write(rest)
	p.mu.Lock()
	p.sent += n
	p.mu.Unlock()
	w.(http.Flusher).Flush()
}

func zipOf(n int, salt byte) []byte {
	b := bytes.Repeat([]byte{salt, 1, 2, 3, 5, 7, 11}, n/7+1)[:n]
	copy(b, "PK")
	return b
}

// TestResume: what breaks off goes on where it stopped, at the same upstream or at another with a file of that length; what
// cannot go on starts over. The sink has every byte once, and the right ones.
func TestResume(t *testing.T) {
	const size = 3_000_000
	zip, longer := zipOf(size, 9), zipOf(size+1, 9)
	tests := []struct {
		name   string
		a, b   *partial
		resets int
		most   int // bytes sent by both
	}{
		{"same upstream", &partial{zip: zip, cut: 400_000, ranges: true}, nil, 0, size + size/10},
		{"with an ETag", &partial{zip: zip, cut: 400_000, ranges: true, tag: `"x"`}, nil, 0, size + size/10},
		{"no ranges", &partial{zip: zip, cut: 0}, nil, 0, size},
		{"the next one goes on", &partial{zip: zip, cut: 100_000}, &partial{zip: zip, ranges: true, tag: `"other"`}, 0, size + size/10},
		{"the next one has another length", &partial{zip: zip, cut: 100_000}, &partial{zip: longer, ranges: true}, 1, 2*size + size/10},
		{"the next one knows no ranges", &partial{zip: zip, cut: 100_000}, &partial{zip: zip}, 1, 2*size + size/10},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &stage{network: newNetwork(t), log: &attempts{}}
				st.pool = newPool(t, upstream.PoolOptions{Observer: st.log})
				var entries []upstream.Entry
				want, sent := zip, 0
				for i, p := range []*partial{test.a, test.b} {
					if p == nil {
						continue
					}
					name := string(rune('a'+i)) + ".test"
					st.serve(name, p.ServeHTTP)
					entries = append(entries, upstream.Entry{Upstream: add(t, st.pool, "http://"+name, st.tr, unchecked), AnyError: true})
					want = p.zip
				}
				s := &sink{}
				meta, err := st.pool.Chain(entries, upstream.ChainOptions{}).Fetch(t.Context(), plainFile(goproxy.Zip), s)
				if err != nil || meta.Size != int64(len(want)) || !bytes.Equal(s.b, want) || s.resets != test.resets {
					t.Errorf("%+v, %v, the bytes are right: %t, %d resets (%s)", meta, err, bytes.Equal(s.b, want), s.resets, st.log.causes())
				}
				synctest.Wait()
				for _, p := range []*partial{test.a, test.b} {
					if p != nil {
						p.mu.Lock()
						sent += p.sent
						p.mu.Unlock()
					}
				}
				if sent > test.most {
					t.Errorf("%d bytes were sent", sent)
				}
			})
		})
	}
}

// TestSpoiltFiles: a file that fails its check is fetched again. The same wrong bytes twice are what the upstream has.
func TestSpoiltFiles(t *testing.T) {
	spoilt := func(n byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "PK spoilt %c", n) }
	}
	tests := []struct {
		name     string
		a, b     *script
		kind     string
		as, bs   int
		patience time.Duration
	}{
		{"once", plays(spoilt('1'), has), nil, "ok", 2, 0, 0},
		{"each time otherwise", plays(spoilt('1'), spoilt('2'), spoilt('3'), has), nil, "ok", 4, 0, 0},
		{"for good", plays(spoilt('1')), nil, "wrong", 2, 0, 0},
		{"another has it", plays(spoilt('1')), plays(has), "ok", 1, 1, 0},
		{"nobody has it", plays(spoilt('1')), plays(spoilt('2')), "wrong", 2, 2, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				scripts := []*script{test.a}
				if test.b != nil {
					scripts = append(scripts, test.b)
				}
				st := play(t, 0, "|", unchecked, scripts...)
				s := &sink{check: func(_ string, b []byte) error {
					if strings.Contains(string(b), "spoilt") {
						return &goproxy.Wrong{Reason: "its hash differs"}
					}
					return nil
				}}
				_, err := st.chain.Fetch(t.Context(), plainFile(goproxy.Zip), s)
				bs := 0
				if test.b != nil {
					bs = test.b.asked()
				}
				if kind(err) != test.kind || test.a.asked() != test.as || bs != test.bs {
					t.Errorf("%v after %d and %d requests, want %s after %d and %d", err, test.a.asked(), bs, test.kind, test.as, test.bs)
				}
			})
		})
	}
}

// TestOneFaultyFileIsNoOutage: what an upstream cannot make is not asked for without end, and the rest goes on.
func TestOneFaultyFileIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := plays(status(500))
		st := play(t, 0, "|", unchecked, a)
		if err := st.list(t.Context()); kind(err) != "unavailable" || a.asked() != 4 {
			t.Errorf("%v after %d requests", err, a.asked())
		}
	})
}

// TestTrickleIsAHang: a body below the least speed is broken off, and goes on over another connection.
func TestTrickleIsAHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zip := zipOf(100_000, 3)
		slow := func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(zip)))
			for i := range zip {
				if _, err := w.Write(zip[i : i+1]); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
					return
				}
			}
		}
		rest := &partial{zip: zip, ranges: true}
		a := plays(slow, rest.ServeHTTP)
		st := play(t, 0, "|", unchecked, a)
		s := &sink{}
		begin := time.Now()
		if _, err := st.chain.Fetch(t.Context(), plainFile(goproxy.Zip), s); err != nil || !bytes.Equal(s.b, zip) || time.Since(begin) > 40*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		synctest.Wait()
		rest.mu.Lock()
		defer rest.mu.Unlock()
		if len(rest.from) != 1 || rest.from[0] == "" || s.resets != 0 {
			t.Errorf("it went on with ranges %q after %d resets", rest.from, s.resets)
		}
	})
}

// TestWeight: a canary is asked first for its share of the questions, and the others stand in for it.
func TestWeight(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{"well": has, "sick": status(404)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork(t)
				first, canary := plays(has), plays(h)
				net.serve("a.test", first.ServeHTTP)
				net.serve("b.test", canary.ServeHTTP)
				p := newPool(t, upstream.PoolOptions{})
				c := p.Chain([]upstream.Entry{
					{Upstream: add(t, p, "http://a.test", net.tr, unchecked), AnyError: true},
					{Upstream: add(t, p, "http://b.test", net.tr, goproxy.UpstreamOptions{Check: -1, Weight: 30})},
				}, upstream.ChainOptions{})
				const n = 1000
				for range n {
					content, err := c.List(t.Context(), "example.com/plain")
					if err != nil {
						t.Fatal(err)
					}
					content.Body.Close()
				}
				want := n - canary.asked() // of the first: all others, and where the canary has nothing these too
				if name == "sick" {
					want = n
				}
				if got := canary.asked(); got < 200 || got > 400 || first.asked() != want {
					t.Errorf("the canary was asked %d times, the first %d, want about 300 and %d", got, first.asked(), want)
				}
			})
		})
	}
}

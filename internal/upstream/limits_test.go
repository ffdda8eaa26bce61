package upstream

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// at is a time so many milliseconds after some moment.
func at(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }

func TestBreakerOpens(t *testing.T) {
	tests := []struct {
		name  string
		says  string // a letter each: . for success, x for failure
		every int    // milliseconds apart
		opens int    // at which of them; 0: never
	}{
		{"four in a row", "xxxx", 100, 0},
		{"five in a row", "xxxxx", 100, 5},
		{"five in a row, slowly", "xxxxx", 60_000, 5},
		{"never five in a row", "xxxx.xxxx.", 5000, 0},
		{"half of twenty", ".x.x.x.x.x.x.x.x.x.x", 100, 20},
		{"half of twenty, slowly", ".x.x.x.x.x.x.x.x.x.x", 1000, 0},
		{"less than half", ".x.x.x.x.x.x..x.x..x.", 100, 0},
	}
	for _, test := range tests {
		var b breaker
		opened := 0
		for i, c := range test.says {
			if c == '.' {
				b.success(at(i * test.every))
			} else if b.failure(at(i*test.every), "why", false) {
				opened = i + 1
			}
		}
		if opened != test.opens || b.open != (test.opens > 0) {
			t.Errorf("%s: opened at %d, want %d", test.name, opened, test.opens)
		}
	}
}

// TestBreakerOpensSoon: an upstream that never gave anything while another one did is left alone after two.
func TestBreakerOpensSoon(t *testing.T) {
	var never, once breaker
	once.success(at(0))
	if never.failure(at(1), "why", true) || !never.failure(at(2), "why", true) {
		t.Error("one that never gave anything did not open at the second")
	}
	for i := range 4 {
		if once.failure(at(i+1), "why", true) {
			t.Error("one that gave something opened before the fifth")
		}
	}
}

func TestBreakerCloses(t *testing.T) {
	open := func() *breaker {
		b := new(breaker)
		for i := range openAfter {
			b.failure(at(i), "why", false)
		}
		return b
	}
	if b := open(); !b.pass(at(1000), true) || b.open {
		t.Error("one good check does not close it where nobody else can be asked")
	}
	b := open()
	for ms, want := range map[int]bool{10_000: false, 20_000: false} {
		if b.pass(at(ms), false) != want {
			t.Errorf("closed after %d ms", ms)
		}
	}
	if !b.pass(at(31_000), false) {
		t.Error("open after 31 s and three good checks")
	}
	b = open()
	b.pass(at(29_000), false)
	b.miss("why")
	if b.pass(at(40_000), false) || !b.pass(at(50_000), false) {
		t.Error("a bad check between good ones does not count")
	}
	if b.failure(at(60_000), "why", false) {
		t.Error("what failed before it closed counts still")
	}
}

func TestBudget(t *testing.T) {
	b := newBudget(0.2, 3)
	take := func(ms int) (n int) {
		for b.take(at(ms)) {
			n++
		}
		return n
	}
	if n := take(0); n != 9 {
		t.Errorf("%d at first, want three seconds' worth", n)
	}
	if n := take(2000); n != 6 {
		t.Errorf("%d after two seconds, want 6", n)
	}
	for range 52 {
		b.asked()
	}
	if n := take(2000); n != 10 {
		t.Errorf("%d after 52 questions, want 10", n)
	}
	if n := take(3_600_000); n != 50 {
		t.Errorf("%d after an hour, want no more than 50", n)
	}
	none := newBudget(0, 0)
	none.asked()
	if none.take(at(0)) || none.take(at(10_000)) {
		t.Error("a budget of nothing gives something")
	}
}

func TestLatency(t *testing.T) {
	var l latency
	for i := range 100 {
		if l.known() != (i >= fewest) || (l.p95 > 0) != (i >= aFew) {
			t.Fatalf("after %d samples: known %t, p95 %v", i, l.known(), l.p95)
		}
		l.add(time.Duration(i%100+1) * time.Millisecond)
	}
	for range samples {
		for i := range 100 {
			l.add(time.Duration(i+1) * time.Millisecond)
		}
	}
	if l.p50 < 45*time.Millisecond || l.p50 > 60*time.Millisecond || l.p95 < 90*time.Millisecond || l.p95 > l.p99 || l.p99 > 100*time.Millisecond {
		t.Errorf("p50 %v, p95 %v, p99 %v", l.p50, l.p95, l.p99)
	}
	for range samples + recompute {
		l.add(time.Second)
	}
	if l.p50 != time.Second {
		t.Errorf("old samples count still: p50 %v", l.p50)
	}
}

// TestLimiterAdapts: the limit grows by one for a round that used it, and shrinks at most once a second.
func TestLimiterAdapts(t *testing.T) {
	l := newLimiter(0)
	fill := func() {
		for l.taken < int(l.limit) {
			if err := l.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	for range firstAtOnce {
		l.well(at(0), 10*time.Millisecond)
	}
	if _, _, n := l.now(); n < firstAtOnce || n > firstAtOnce+1 {
		t.Errorf("limit %d after a round, want about %d", n, firstAtOnce+1)
	}
	for ms := range 10_000 {
		fill()
		l.well(at(ms), 10*time.Millisecond)
	}
	if _, _, n := l.now(); n <= firstAtOnce+20 || n > mostAtOnce {
		t.Errorf("limit %d after many rounds", n)
	}
	before := l.limit
	for range 10 {
		l.overloaded(at(20_000))
	}
	if l.limit != before*0.7 {
		t.Errorf("limit %v, want it lowered once from %v", l.limit, before)
	}
	for s := range 100 {
		l.overloaded(at(30_000 + 1000*s))
	}
	if l.limit != leastAtOnce {
		t.Errorf("limit %v, want %d at least", l.limit, leastAtOnce)
	}
	l = newLimiter(0)
	l.usually, l.quick = 0.01, 0.01
	for s := range 30 {
		fill()
		l.well(at(1000*s), time.Second) // later and later
	}
	if l.limit >= firstAtOnce {
		t.Errorf("limit %v though answers take a hundred times as long", l.limit)
	}
	l.gently()
	if l.limit > afterOutage {
		t.Errorf("limit %v after an outage", l.limit)
	}
}

// TestLimiterInTurn: who came first goes first; who gives up leaves the place to the next.
func TestLimiterInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(leastAtOnce)
		for range leastAtOnce {
			if err := l.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got := make(chan int, 3)
		gone, cancel := context.WithCancel(t.Context())
		for i, ctx := range []context.Context{t.Context(), gone, t.Context()} {
			go func() {
				if l.acquire(ctx) == nil {
					got <- i
				} else {
					got <- -i
				}
			}()
			synctest.Wait()
		}
		cancel()
		if i := <-got; i != -1 {
			t.Errorf("%d ended first", i)
		}
		l.release()
		if i := <-got; i != 0 {
			t.Errorf("%d was first", i)
		}
		l.release()
		if i := <-got; i != 2 {
			t.Errorf("%d was next", i)
		}
		if taken, waiting, _ := l.now(); taken != leastAtOnce || waiting != 0 {
			t.Errorf("%d taken, %d wait", taken, waiting)
		}
	})
}

// TestLimiterAhead: what nobody has asked for yet comes after all else and leaves a quarter of the places free, until it becomes urgent.
func TestLimiterAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(4)
		begin := func(ctx context.Context) chan struct{} {
			has := make(chan struct{})
			go func() {
				if l.acquire(ctx) == nil {
					close(has)
				}
			}()
			synctest.Wait()
			return has
		}
		placed := func(has chan struct{}) bool {
			select {
			case <-has:
				return true
			default:
				return false
			}
		}
		urgent := make(chan struct{})
		left, leave := context.WithCancel(t.Context())
		var ahead []chan struct{}
		for i := range 5 {
			ctx := goproxy.WithAhead(t.Context(), make(chan struct{}))
			switch i {
			case 3:
				ctx = goproxy.WithAhead(left, make(chan struct{}))
			case 4:
				ctx = goproxy.WithAhead(t.Context(), urgent)
			}
			ahead = append(ahead, begin(ctx))
		}
		if !placed(ahead[2]) || placed(ahead[3]) || placed(ahead[4]) {
			t.Error("three of four places are for what is fetched ahead")
		}
		leave()
		close(urgent)
		synctest.Wait()
		if placed(ahead[3]) || !placed(ahead[4]) {
			t.Error("what became urgent has no place, though one is free")
		}
		waits := begin(t.Context())
		later := begin(goproxy.WithAhead(t.Context(), make(chan struct{})))
		l.release()
		synctest.Wait()
		if !placed(waits) || placed(later) {
			t.Error("what is urgent must go first")
		}
		l.release()
		synctest.Wait()
		if placed(later) {
			t.Error("it took the last place but one")
		}
		l.release()
		synctest.Wait()
		if taken, waiting, _ := l.now(); !placed(later) || taken != 3 || waiting != 0 {
			t.Errorf("placed: %v; %d taken, %d wait", placed(later), taken, waiting)
		}
	})
}

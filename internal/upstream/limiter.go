package upstream

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	leastAtOnce = 4
	firstAtOnce = 64
	mostAtOnce  = 256
	// afterOutage is how many go on at once when an upstream is back.
	afterOutage = 16
	// easeEvery is how often at most the limit is lowered: what fails together is one event.
	easeEvery = time.Second
	// aheadShare is how much of the limit may be taken when what nobody has asked for yet gets a place.
	aheadShare = 0.75
)

// A limiter bounds the requests that are with an upstream at once. The bound grows by one for each round of requests
// that used all of it and went well, and shrinks by a share when the upstream is overloaded: it says so, or answers
// later and later.
type limiter struct {
	most float64

	mu      sync.Mutex // guards all below
	limit   float64
	taken   int
	queue   []chan struct{} // who waits, in turn; a closed one has its place
	later   []chan struct{} // likewise, for what nobody has asked for yet
	eased   time.Time
	quick   float64 // seconds that first bytes took lately, and
	usually float64 // over a long time
}

func newLimiter(most int) *limiter {
	if most == 0 {
		most = mostAtOnce
	}
	return &limiter{most: float64(most), limit: min(firstAtOnce, float64(most))}
}

// acquire waits for a place. Give it back with release.
func (l *limiter) acquire(ctx context.Context) error {
	urgent := goproxy.Urgent(ctx)
	turn := l.enter(urgent == nil)
	for {
		select {
		case <-turn:
			return nil
		case <-ctx.Done():
			l.leave(turn)
			return context.Cause(ctx)
		case <-urgent: // never where it is nil
			urgent = nil
			l.hasten(turn)
		}
	}
}

// enter returns a turn, which is closed once it has a place.
func (l *limiter) enter(urgent bool) chan struct{} {
	turn := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	if urgent {
		l.queue = append(l.queue, turn)
	} else {
		l.later = append(l.later, turn)
	}
	l.admit()
	return turn
}

// hasten puts a turn that can wait among those that cannot.
func (l *limiter) hasten(turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.later, turn); i >= 0 {
		l.later = slices.Delete(l.later, i, i+1)
		l.queue = append(l.queue, turn)
		l.admit()
	}
}

// spare takes a place of those that can be spared, if there is one.
func (l *limiter) spare() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.toSpare() <= 0 {
		return false
	}
	l.taken++
	return true
}

// room returns how many places can be spared.
func (l *limiter) room() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.toSpare()
}

// toSpare is room: up to half of all places, while nobody waits for one. The caller holds mu.
func (l *limiter) toSpare() int {
	if len(l.queue) > 0 {
		return 0
	}
	return max(0, int(l.limit)/2-l.taken)
}

// leave takes turn out of its queue, or gives its place back.
func (l *limiter) leave(turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range []*[]chan struct{}{&l.queue, &l.later} {
		if i := slices.Index(*q, turn); i >= 0 {
			*q = slices.Delete(*q, i, i+1)
			return
		}
	}
	l.taken--
	l.admit()
}

func (l *limiter) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	l.admit()
}

// admit lets those in whose turn it is. The caller holds mu.
func (l *limiter) admit() {
	for l.taken < int(l.limit) && len(l.queue) > 0 {
		close(l.queue[0])
		l.queue = l.queue[1:]
		l.taken++
	}
	for float64(l.taken) < l.limit*aheadShare && len(l.later) > 0 {
		close(l.later[0])
		l.later = l.later[1:]
		l.taken++
	}
}

// well notes a first byte after d.
func (l *limiter) well(now time.Time, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := d.Seconds()
	if l.usually == 0 {
		l.quick, l.usually = s, s
	}
	l.quick += (s - l.quick) / 16
	l.usually += (s - l.usually) / 256
	switch used := float64(l.taken) >= 0.9*l.limit; {
	case used && l.quick > 3*l.usually+0.02:
		l.ease(now, 0.9)
	case used:
		l.limit = min(l.most, l.limit+1/l.limit)
		l.admit()
	}
}

// overloaded notes that the upstream has too much to do.
func (l *limiter) overloaded(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ease(now, 0.7)
}

func (l *limiter) ease(now time.Time, by float64) {
	if now.Sub(l.eased) >= easeEvery {
		l.eased, l.limit = now, max(leastAtOnce, l.limit*by)
	}
}

// gently begins anew after an outage.
func (l *limiter) gently() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = min(l.limit, afterOutage)
}

func (l *limiter) now() (taken, waiting, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken, len(l.queue) + len(l.later), int(l.limit)
}

package upstream

import (
	"context"
	"sync"
	"time"
)

const (
	leastAtOnce = 4
	firstAtOnce = 64
	mostAtOnce  = 256
	// afterOutage is how many go on at once when an upstream is back.
	afterOutage = 16
	// easeEvery is how often at most the limit is lowered: what fails together is one event.
	easeEvery = time.Second
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
	l.mu.Lock()
	if l.taken < int(l.limit) && len(l.queue) == 0 {
		l.taken++
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	l.queue = append(l.queue, turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		l.leave(turn)
		return context.Cause(ctx)
	}
}

// leave takes turn out of the queue, or gives its place back.
func (l *limiter) leave(turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, t := range l.queue {
		if t == turn {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
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
	return l.taken, len(l.queue), int(l.limit)
}

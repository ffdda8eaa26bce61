package upstream

import (
	"slices"
	"time"
)

const (
	samples   = 256 // the latest that quantiles are taken of
	fewest    = 50  // below which nobody else is asked because of them
	aFew      = 10  // below which nothing is known
	recompute = 8   // samples between two computations
)

// A latency knows how long first bytes have taken lately. It is guarded by its upstream's mu.
type latency struct {
	ring          [samples]time.Duration
	n             int // ever added
	p50, p95, p99 time.Duration
}

// add notes a time; that of an attempt which was given up counts as what it had come to.
func (l *latency) add(d time.Duration) {
	l.ring[l.n%samples] = d
	l.n++
	if l.n >= aFew && (l.n-aFew)%recompute == 0 {
		l.compute()
	}
}

func (l *latency) compute() {
	s := slices.Clone(l.ring[:min(l.n, samples)])
	slices.Sort(s)
	at := func(percent int) time.Duration { return s[(len(s)-1)*percent/100] }
	l.p50, l.p95, l.p99 = at(50), at(95), at(99)
}

// known reports whether there are enough samples for a quantile to say what is usual.
func (l *latency) known() bool { return l.n >= fewest }

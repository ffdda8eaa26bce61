package proxy

import (
	"context"
	"time"
)

const (
	// maxYoung is how many lists and query answers are kept young.
	maxYoung = 512
	// youngFor is for how long after it was last asked for an answer is kept young.
	youngFor = 10 * time.Minute
	// youngAtOnce is how many are asked at once: clients' own questions go first.
	youngAtOnce = 4
)

// A usedAnswer is an answer that a client asked for when it was not fresh.
type usedAnswer struct {
	q    question
	last time.Time
}

// use notes that a client asks, so that the answer is kept young from now on: while all is well the next client finds a
// fresh one, and after an outage lists are back soon.
func (a *answers) use(q question) {
	if a.s.o.Refresh <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.used[q.name]; !known && len(a.used) >= maxYoung {
		return
	}
	a.used[q.name] = usedAnswer{q, time.Now()}
	if !a.ticking {
		a.ticking = a.s.work.background(a.keepYoung)
	}
}

// keepYoung asks for all answers in use every so often, until none is.
func (a *answers) keepYoung(ctx context.Context) {
	tick := time.NewTicker(a.s.o.Refresh)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		qs := a.inUse()
		if qs == nil {
			return
		}
		a.askAgain(ctx, qs)
	}
}

// inUse returns what is to be kept young, nil when that is nothing: then nobody does so any more.
func (a *answers) inUse() (qs []question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, u := range a.used {
		if time.Since(u.last) > youngFor {
			delete(a.used, name)
		} else {
			qs = append(qs, u.q)
		}
	}
	a.ticking = len(qs) > 0
	return qs
}

// askAgain asks a few at a time.
func (a *answers) askAgain(ctx context.Context, qs []question) {
	free := make(chan struct{}, youngAtOnce)
	for _, q := range qs {
		k, ok := a.known.Get(q.name)
		if !ok || a.s.absent.get(q.path, q.name) != nil || time.Since(k.checked) < a.s.o.Refresh/2 {
			continue
		}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		r := a.refresh(ctx, q, k, true)
		if r == nil {
			return
		}
		go func() {
			<-r.done
			<-free
		}()
	}
	for range youngAtOnce {
		free <- struct{}{}
	}
}

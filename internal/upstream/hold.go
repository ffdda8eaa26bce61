package upstream

import (
	"context"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// hold waits until an upstream that the question needs is of use again. It is false when patience, which counts
// from the beginning of the outage, is over, and where too many wait already.
func (q *question) hold(ctx context.Context) bool {
	left := time.Until(q.outage().Add(q.g.pool.o.Patience))
	if left <= 0 || !q.g.pool.hold() {
		return false
	}
	defer q.g.pool.unhold()
	wanted := q.outOfUse()
	for _, u := range wanted {
		u.want(1)
		defer u.want(-1)
	}
	over := time.NewTimer(left)
	defer over.Stop()
	back := false
	err := goproxy.Aside(ctx, func() error {
		for {
			bell := q.g.pool.bell()
			for _, u := range wanted {
				back = back || u.usable(q.rq.class)
			}
			if back {
				return nil
			}
			select {
			case <-bell:
			case <-over.C:
				return nil
			case <-ctx.Done():
				return nil
			}
		}
	})
	return err == nil && (back || ctx.Err() != nil)
}

// outOfUse returns the upstreams without an answer that cannot be asked.
func (q *question) outOfUse() (us []*Upstream) {
	for i := range q.asked {
		if a := &q.asked[i]; !a.answered() && !a.u.usable(q.rq.class) {
			us = append(us, a.u)
		}
	}
	return us
}

// outage returns when the last of them went out of use.
func (q *question) outage() (last time.Time) {
	for _, u := range q.outOfUse() {
		if from, _ := u.outage(q.rq.class); from.After(last) {
			last = from
		}
	}
	return last
}

package upstream

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A group is upstreams each of which can stand in for the others: entries of a list joined by '|'.
type group struct {
	pool    *Pool
	members []*Upstream
	class   Class // of what it is mostly asked for
	onward  bool  // the list goes on after it: when its last member says that a thing does not exist
}

// add makes u a member, for files of class c.
func (g *group) add(u *Upstream, c Class) {
	g.members, g.class = append(g.members, u), c
	u.mu.Lock()
	defer u.mu.Unlock()
	u.groups = append(u.groups, g)
}

// usable reports whether any of the group may be asked.
func (g *group) usable(c Class) bool {
	for _, u := range g.members {
		if u.usable(c) {
			return true
		}
	}
	return false
}

func (g *group) ask(ctx context.Context, rq request, private bool) *question {
	q := &question{g: g, rq: rq, private: private, stale: goproxy.HaveStale(ctx), urgent: goproxy.Urgent(ctx), began: time.Now()}
	for _, u := range g.order() {
		u.begin()
		q.asked = append(q.asked, asked{u: u})
	}
	return q
}

// order returns the members in the order in which they are asked: a canary goes first for its share of the questions.
func (g *group) order() []*Upstream {
	first := -1
	for i, u := range g.members {
		if i > 0 && u.o.Weight > 0 && rand.N(100) < u.o.Weight {
			first = i
		}
	}
	if first < 0 {
		return g.members
	}
	order := []*Upstream{g.members[first]}
	for i, u := range g.members {
		if i != first {
			order = append(order, u)
		}
	}
	return order
}

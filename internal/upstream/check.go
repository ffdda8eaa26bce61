package upstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	checkEvery = 10 * time.Second
	checkTime  = 3 * time.Second // that a check may take
	badChecks  = 2               // that put an upstream out of use
	// useful is how long after a question an upstream is checked.
	useful = 30 * time.Second
	// hurry is the time between two checks of an upstream that questions wait for: half of it to all of it.
	hurry = time.Second
)

// keepChecking notes that the upstream is of use, and has it checked for as long as it is.
func (u *Upstream) keepChecking() {
	u.asked.Store(time.Now().UnixNano())
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.checking && (u.o.Check >= 0 || u.anyOpen()) {
		u.checking = true
		u.pool.check(u.checks)
	}
}

// anyOpen reports whether a breaker is open. The caller holds mu.
func (u *Upstream) anyOpen() bool {
	for _, st := range u.classes {
		if st.breaker.open {
			return true
		}
	}
	return false
}

// checks runs while the upstream is of use.
func (u *Upstream) checks() {
	for u.untilDue() && u.ofUse() {
		for _, c := range u.due() {
			u.checkClass(c)
		}
	}
}

// untilDue waits for the time of the next check, which comes nearer once when questions begin to wait. It is false when the
// pool is closed.
func (u *Upstream) untilDue() bool {
	hurried := u.hurried()
	due := time.Now().Add(u.untilCheck(hurried))
	for {
		timer := time.NewTimer(time.Until(due))
		select {
		case <-timer.C:
			return true
		case <-u.kick:
			timer.Stop()
			if !hurried && u.hurried() {
				hurried = true
				if soon := time.Now().Add(u.untilCheck(true)); soon.Before(due) {
					due = soon
				}
			}
		case <-u.pool.ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// hurried reports whether it is missed: questions wait for it, or nobody can be asked in its place.
func (u *Upstream) hurried() bool {
	u.mu.Lock()
	wanted, groups := u.wanted, u.groups
	u.mu.Unlock()
	if wanted > 0 {
		return true
	}
	for _, g := range groups {
		if !g.usable(g.class) {
			return true
		}
	}
	return false
}

func (u *Upstream) untilCheck(hurried bool) time.Duration {
	if hurried {
		return hurry/2 + rand.N(hurry/2)
	}
	every := checkEvery
	if u.o.Check > 0 {
		every = u.o.Check
	}
	return every - every/5 + rand.N(2*every/5)
}

// ofUse reports whether it was asked lately, or is waited for; where not, its checks end.
func (u *Upstream) ofUse() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.checking = u.wanted > 0 || time.Since(time.Unix(0, u.asked.Load())) < useful
	return u.checking
}

// due returns what is to be checked: the classes that are out of use, else the small files, which stand for all.
func (u *Upstream) due() []Class {
	u.mu.Lock()
	defer u.mu.Unlock()
	var due []Class
	for _, c := range []Class{Small, Zip, Sum} {
		if u.classes[c].breaker.open {
			due = append(due, c)
		}
	}
	switch {
	case len(due) > 0 || u.o.Check < 0:
	case u.classes[Small].breaker.attempts == 0 && u.classes[Sum].breaker.attempts > 0: // a database
		due = append(due, Sum)
	default:
		due = append(due, Small)
	}
	return due
}

// checkClass asks for something the upstream gave before, and sees whether it gives the same.
func (u *Upstream) checkClass(c Class) {
	ctx, cancel := context.WithTimeout(u.pool.ctx, checkTime)
	defer cancel()
	note := Attempt{Upstream: u.base, Class: c, Cause: "check"}
	begin := time.Now()
	rq, want := u.probe(c)
	note.Name = rq.name
	if !u.usable(c) {
		u.renew() // what hung once is not asked again over the same connection
	}
	u.pool.o.Observer.Asking(u.base, rq.name)
	rep, err := u.exchange(ctx, &rq, func() { note.First = time.Since(begin) })
	if rep != nil && rep.stream != nil {
		rep.stream.Close()
	}
	if err == nil && rep.stream == nil && want != [32]byte{} && sha256.Sum256(rep.body) != want {
		err = &goproxy.Wrong{From: u.base, Reason: rq.name + " is not what it was before"}
	}
	note.Took, note.Err = time.Since(begin), err
	note.Failure, note.Status = label(context.Background(), err)
	if u.pool.ctx.Err() != nil {
		return
	}
	u.pool.o.Observer.Attempted(ctx, note)
	u.conclude(c, note)
}

// probe returns what is asked to see whether it works: the last file that it gave, else a list that it need not have.
func (u *Upstream) probe(c Class) (request, [32]byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	good := u.classes[c].good
	switch {
	case c == Zip && good.name != "":
		return request{method: http.MethodGet, class: Zip, name: good.name, stream: true}, good.sum
	case c == Sum && good.name == "":
		return request{method: http.MethodGet, class: Sum, name: "latest", max: goproxy.MaxInfo}, good.sum
	case good.name == "":
		good = u.classes[Small].good
	}
	if good.name == "" {
		good.name = goproxy.ListName("golang.org/x/mod")
	}
	return request{method: http.MethodGet, class: c, name: good.name, max: goproxy.MaxMod}, good.sum
}

// conclude draws the conclusions from a check. An answer that a thing does not exist, or is not for us, is an answer.
func (u *Upstream) conclude(c Class, note Attempt) {
	now := time.Now()
	failed := note.Failed()
	var why string
	if failed {
		why = reasonOf(note.Err)
	}
	var opened, closed bool
	alone := u.hurried()
	u.mu.Lock()
	st := u.classes[c]
	u.checked, u.healthy = now, !failed
	switch {
	case failed:
		u.missed++
		st.breaker.miss(why)
		if opened = u.missed >= badChecks && !st.breaker.open; opened {
			st.breaker.trip(now)
		}
	default:
		u.missed = 0
		closed = st.breaker.pass(now, alone)
	}
	u.mu.Unlock()
	if closed {
		u.limiter.gently()
		u.pool.o.Log.Info("the upstream is in use again", "upstream", u.base, "for", string(c))
		u.pool.o.Observer.Changed(u.base, c, "closed", "")
		u.pool.ring()
	}
	if opened {
		u.opened(c)
	}
}

// remember keeps the name of what an upstream gave, for checks.
func (u *Upstream) remember(a *attempt) {
	rq := a.rq
	if !rq.constant && rq.class != Sum {
		return
	}
	k := known{name: rq.name}
	if rq.class == Small {
		k.sum = a.sum
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.classes[rq.class].good = k
}

// absentOrRefused reports whether err is an answer that ends the asking of an upstream.
func absentOrRefused(err error) bool {
	var absent *goproxy.NotFound
	var refused *goproxy.Refused
	return errors.As(err, &absent) || errors.As(err, &refused)
}

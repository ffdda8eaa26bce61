package upstream

import (
	"context"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	// leastPatience is for how long a question is repeated at least where upstreams work, more or less.
	leastPatience = 30 * time.Second

	backoffFirst = 100 * time.Millisecond
	backoffMost  = 2 * time.Second
	// inlinePause is the longest Retry-After that a question waits for; a longer one takes the upstream out of use.
	inlinePause = 5 * time.Second
	// sameAgain bounds what an upstream is asked for that it says it cannot make (500, 501): it mostly stays so.
	sameAgain = 4
)

// A question is one thing asked of a group until an upstream has given it, all have said that it does not exist, or
// there is no hope. It may be asked on, when what came turned out wrong or broke off.
type question struct {
	g       *group
	rq      request
	private bool            // never asked of two at once
	stale   bool            // there is an older answer: no upstream is asked twice, or waited for
	urgent  <-chan struct{} // closed once somebody asks for it; nil where somebody does

	prefix map[*Upstream]string // before the name, at some upstreams
	tagBy  *Upstream            // who gave rq.etag

	began   time.Time
	asked   []asked // of each member, in the order in which they are asked
	flying  int
	flights []*flight
	landed  chan landing
	doubled bool      // the slow one has been asked again, which is under way
	after   time.Time // when that may be done again
	hedged  bool      // another one has been asked because of a slow one
	again   int       // attempts that hung as well as one before them
}

// asked is how far the question has come with one upstream.
type asked struct {
	u      *Upstream
	tries  int
	flying bool
	final  error // absence or a refusal
	err    error // the last trouble
	after  time.Time
	same   int             // answers that it cannot make it
	wrong  map[uint64]bool // fingerprints of wrong bodies
}

// answered reports whether the upstream has said the last word.
func (a *asked) answered() bool { return a.final != nil }

// A flight is one attempt under way.
type flight struct {
	a      *asked
	cancel context.CancelCauseFunc
	began  time.Time
	// dropped says that it was ended since it hung as well as one before it.
	dropped bool
}

type landing struct {
	*flight
	rep *reply
	err error
}

// run asks until there is a reply, or an error of the vocabulary.
func (q *question) run(ctx context.Context) (*reply, error) {
	q.landed = make(chan landing, 2+len(q.asked))
	q.flights, q.hedged, q.doubled, q.again = nil, false, false, 0
	defer q.recall()
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if q.flying > 0 {
			if rep, err := q.wait(ctx); rep != nil || err != nil {
				return rep, err
			}
			continue
		}
		a, wait, hopeless := q.next()
		switch {
		case a != nil:
			q.start(ctx, a, "")
		case hopeless:
			return nil, q.verdict()
		case wait > 0:
			pause(ctx, wait)
		default:
			if !q.hold(ctx) {
				return nil, q.verdict()
			}
		}
	}
}

// next chooses whom to ask now. Without anyone it says how long to wait for that, or that there is no hope; else it
// depends on an upstream coming back.
func (q *question) next() (best *asked, wait time.Duration, hopeless bool) {
	out := false
	for i := range q.asked {
		a := &q.asked[i]
		switch {
		case a.answered() || a.flying || a.tries >= a.u.o.Attempts || a.same >= sameAgain:
		case !a.u.usable(q.rq.class):
			out = true
		case best == nil || a.tries < best.tries:
			best = a
		}
	}
	switch {
	case best == nil:
		return nil, 0, !out || q.once() || q.absent() != nil
	case best.tries == 0:
		return best, 0, false
	case q.once(), time.Since(q.began) > max(q.g.pool.o.Patience, leastPatience):
		return nil, 0, true
	}
	if wait = time.Until(best.after); wait > 0 {
		return nil, wait, false
	}
	if !best.u.mayRetry(q.rq.class) {
		return nil, backoffFirst + rand.N(backoffFirst*4), false
	}
	return best, 0, false
}

// start sends an attempt off.
func (q *question) start(ctx context.Context, a *asked, cause string) {
	if cause == "" {
		cause = q.causeOf(a)
	}
	fctx, cancel := context.WithCancelCause(ctx)
	f := &flight{a: a, cancel: cancel, began: time.Now()}
	a.tries++
	a.flying = true
	q.flying++
	q.flights = append(q.flights, f)
	rq, landed := q.rq, q.landed
	rq.name = q.prefix[a.u] + rq.name
	if a.u != q.tagBy {
		rq.etag = ""
	}
	go func() {
		rep, err := a.u.attempt(fctx, &rq, cause)
		landed <- landing{f, rep, err}
	}()
}

func (q *question) causeOf(a *asked) string {
	switch {
	case q.rq.from > 0:
		return "resume"
	case a.tries > 0:
		return "retry"
	case a == &q.asked[0]:
		return "first"
	}
	return "next"
}

// wait waits for what is under way, and asks another, or the same again, when that takes too long.
func (q *question) wait(ctx context.Context) (*reply, error) {
	eldest := q.eldest()
	hedge, doubt := eldest.a.u.patience(q.rq.class)
	since := eldest.began
	if q.flying > 1 {
		since = q.youngest().began
	}
	var late <-chan time.Time
	if d := q.tooLong(hedge, doubt); d > 0 {
		t := time.NewTimer(max(d-time.Since(since), time.Until(q.after), 0))
		defer t.Stop()
		late = t.C
	}
	bell := q.g.pool.bell()
	if q.moveOn(ctx, eldest) {
		return nil, nil
	}
	select {
	case l := <-q.landed:
		return q.land(ctx, l)
	case <-late:
		q.late(ctx, eldest, hedge > 0 && time.Since(eldest.began) >= hedge)
	case <-bell:
	case <-q.urgent: // never where it is nil
	case <-ctx.Done():
	}
	return nil, nil
}

func (q *question) eldest() *flight {
	for _, f := range q.flights {
		if f.a.flying {
			return f
		}
	}
	return nil
}

func (q *question) youngest() *flight { return q.flights[len(q.flights)-1] }

// tooLong returns after how long something is to be done about what is under way; 0 when nothing is left to do.
func (q *question) tooLong(hedge, doubt time.Duration) time.Duration {
	switch {
	case q.flying > 1 && (q.stale || q.youngest().dropped), q.ahead():
		return 0
	case q.flying > 1:
		return doubt << min(q.again, 4)
	case !q.hedged && hedge > 0 && q.other() != nil:
		return hedge
	case !q.doubled && !q.stale:
		return doubt
	}
	return 0
}

// other returns an upstream that has not been asked and may be, beside another; nil for a private module.
func (q *question) other() *asked {
	if q.private {
		return nil
	}
	for i := range q.asked {
		if a := &q.asked[i]; a.tries == 0 && !a.flying && !a.answered() && a.u.usable(q.rq.class) {
			return a
		}
	}
	return nil
}

// moveOn asks the next one where the upstream that is being asked has gone out of use meanwhile.
func (q *question) moveOn(ctx context.Context, f *flight) bool {
	if q.flying > 1 || f.a.u.usable(q.rq.class) {
		return false
	}
	a := q.other()
	if a != nil {
		q.start(ctx, a, "next")
	}
	return a != nil
}

// late asks another upstream, else the same one again over a new connection.
func (q *question) late(ctx context.Context, f *flight, hedge bool) {
	if q.flying > 1 {
		// The eldest goes on, since it may be that the upstream makes the file: a younger one makes place for the next.
		y := q.youngest()
		y.dropped = true
		q.again++
		y.cancel(errUnneeded)
		return
	}
	a := q.other()
	if hedge && !q.hedged && a != nil {
		q.hedged = true
		_, doubt := a.u.patience(q.rq.class)
		q.after = time.Now().Add(doubt)
		if a.u.mayHedge() {
			q.start(ctx, a, "hedge")
		}
		return
	}
	q.after = time.Now().Add(backoffFirst) // where nothing may be done now
	if a != nil {
		q.doubled = true
		q.start(ctx, a, "next")
		return
	}
	if a = f.a; a.tries < a.u.o.Attempts && a.u.usable(q.rq.class) && a.u.mayRetry(q.rq.class) {
		q.doubled = true
		a.u.renew()
		q.start(ctx, a, "retry")
	}
}

// land takes the outcome of an attempt.
func (q *question) land(ctx context.Context, l landing) (*reply, error) {
	q.flying--
	q.flights = without(q.flights, l.flight)
	l.a.flying = q.isFlying(l.a)
	if l.err == nil {
		return q.won(l), nil
	}
	l.cancel(nil)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	switch {
	case l.dropped:
		q.doubled = false
	case !l.a.answered():
		q.failed(l.a, l.rep, l.err)
	}
	return nil, nil
}

// won ends all other attempts. What streams goes on until it is read.
func (q *question) won(l landing) *reply {
	q.recallAll(l.flight.began)
	if l.rep.stream == nil {
		l.cancel(nil)
		return l.rep
	}
	end := l.rep.end
	l.rep.end = func(n int64, err error) { end(n, err); l.cancel(nil) }
	return l.rep
}

// failed draws the conclusions from an attempt that brought nothing.
func (q *question) failed(a *asked, rep *reply, err error) {
	if errors.As(err, new(*changed)) { // the whole is asked for again, which is no repetition
		a.tries--
		q.fromStart()
		return
	}
	if absentOrRefused(err) {
		a.final = err
		for _, f := range q.flights {
			if f.a == a {
				f.cancel(errUnneeded)
			}
		}
		return
	}
	q.trouble(a, err)
	q.doubled, q.after = false, a.after // what hangs is asked again after another attempt that failed
	if rep != nil && rep.body != nil {
		q.mistrust(a, err, uint64(crc32.Checksum(rep.body, crc32c()))<<32|uint64(len(rep.body)))
	}
}

func without(fs []*flight, f *flight) []*flight {
	var rest []*flight
	for _, g := range fs {
		if g != f {
			rest = append(rest, g)
		}
	}
	return rest
}

func (q *question) isFlying(a *asked) bool {
	for _, f := range q.flights {
		if f.a == a {
			return true
		}
	}
	return false
}

// trouble notes an attempt that failed and when it may be made again.
func (q *question) trouble(a *asked, err error) {
	a.err = err
	ceiling := min(backoffMost, backoffFirst<<min(a.tries-1, 10))
	a.after = time.Now().Add(rand.N(ceiling))
	var u *goproxy.Unavailable
	if !errors.As(err, &u) {
		return
	}
	var code statusError
	if errors.As(err, &code) && (code == http.StatusInternalServerError || code == http.StatusNotImplemented) {
		a.same++
	}
	switch {
	case u.RetryAfter > inlinePause:
		a.u.pause(u.RetryAfter)
	case u.RetryAfter > 0:
		a.after = time.Now().Add(u.RetryAfter)
	}
}

// mistrust notes wrong bytes. The same ones again are what the upstream has: it is not asked once more. Others were
// spoilt on the way.
func (q *question) mistrust(a *asked, err error, fingerprint uint64) {
	var w *goproxy.Wrong
	if !errors.As(err, &w) || w.HTML {
		return
	}
	if a.wrong[fingerprint] {
		a.final = err
		return
	}
	if a.wrong == nil {
		a.wrong = map[uint64]bool{}
	}
	a.wrong[fingerprint] = true
}

// recall ends what is still under way when the question is over.
func (q *question) recall() {
	q.recallAll(time.Time{})
	left, landed := q.flying, q.landed
	q.flying = 0
	for i := range q.asked {
		q.asked[i].flying = false
	}
	if left == 0 {
		return
	}
	go func() {
		for range left {
			if l := <-landed; l.rep != nil && l.rep.end != nil {
				l.rep.end(0, errUnneeded)
			}
		}
	}()
}

// recallAll ends all attempts. Those that began before the one that was answered have lost against it.
func (q *question) recallAll(won time.Time) {
	for _, f := range q.flights {
		if f.began.Before(won) {
			f.cancel(errLost)
		} else {
			f.cancel(errUnneeded)
		}
	}
}

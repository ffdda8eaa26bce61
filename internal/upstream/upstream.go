package upstream

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	mostAttempts = 12
	retryShare   = 0.20 // of the questions
	retryFloor   = 3    // a second
	hedgeShare   = 0.10
)

// An Upstream is one proxy and what is known of it. It is made by a Pool.
type Upstream struct {
	*site
	pool    *Pool
	o       goproxy.UpstreamOptions
	renew   func()
	limiter *limiter
	asked   atomic.Int64 // when it was last of use, in Unix nanoseconds

	mu       sync.Mutex // guards all below
	classes  map[Class]*standing
	retries  budget
	hedges   budget
	paused   time.Time // until when it asked not to be asked
	checking bool
	kick     chan struct{} // wakes its checks, which may be due sooner
	checked  time.Time
	healthy  bool
	missed   int // checks that failed, one after the other
	width    width
	wanted   int      // questions that wait for it
	groups   []*group // that it is a member of
}

// A standing is what is known of one class of questions to one upstream.
type standing struct {
	breaker breaker
	latency latency
	good    known
}

// A width is in how many streams at once large files came best of late; 1 where more brought no more.
type width struct {
	n     int
	until time.Time
}

const (
	usefulFor  = 10 * time.Minute
	uselessFor = time.Minute // it may be that others were busy
)

// streams returns in how many streams at once a file may come, and how many there are after the first if that is slow.
func (u *Upstream) streams(now time.Time) (most, leap int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	most, leap = cmp.Or(u.o.Segments, mostStreams), firstStreams
	switch {
	case now.After(u.width.until):
	case u.width.n == 1:
		most = 1
	default:
		leap = max(leap, u.width.n)
	}
	return most, leap
}

// remembers notes a width for d.
func (u *Upstream) remembers(n int, d time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.width = width{n, time.Now().Add(d)}
}

// known is a file that the upstream gave, to see by it later whether it still gives what it should.
type known struct {
	name string
	sum  [32]byte // of a small one
}

func newUpstream(p *Pool, s *site, o goproxy.UpstreamOptions) *Upstream {
	share, floor := retryShare, float64(retryFloor)
	if o.Retries > 0 {
		share = float64(o.Retries) / 100
	} else if o.Retries < 0 {
		share, floor = 0, 0
	}
	o.Attempts = cmp.Or(o.Attempts, mostAttempts)
	return &Upstream{
		site: s, pool: p, o: o,
		limiter: newLimiter(o.Concurrency),
		classes: map[Class]*standing{Small: {}, Zip: {}, Sum: {}},
		retries: newBudget(share, floor),
		hedges:  newBudget(hedgeShare, retryFloor),
		kick:    make(chan struct{}, 1),
		healthy: true,
	}
}

// Name returns the address without credentials.
func (u *Upstream) Name() string { return u.base }

// Sends says what goes to it that is a credential, and where that comes from; no secret is in it.
func (u *Upstream) Sends() []Credential {
	c, ok := u.client.Transport.(*Credentials)
	if !ok {
		return nil
	}
	all := c.sends()
	if u.o.Cert != "" {
		all = append(all, Credential{"certificate", u.o.Cert})
	}
	return all
}

// usable reports whether it may be asked for files of a class now.
func (u *Upstream) usable(c Class) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.out(c) == nil && !time.Now().Before(u.paused)
}

// out returns the open breaker that keeps it from being asked for files of a class, nil where none does. Who gives no
// small files is not asked for others either, unless it has given any since. The caller holds mu.
func (u *Upstream) out(c Class) *breaker {
	own, small := &u.classes[c].breaker, &u.classes[Small].breaker
	switch {
	case !u.o.Breaker.Is(true):
	case own.open:
		return own
	case small.open && own.lastSuccess.Before(small.since):
		return small
	}
	return nil
}

// outage returns since when it is not usable, and why.
func (u *Upstream) outage(c Class) (from time.Time, err *goproxy.Unavailable) {
	u.mu.Lock()
	defer u.mu.Unlock()
	b := u.out(c)
	if b == nil {
		return time.Now(), &goproxy.Unavailable{From: u.base, Reason: "it asked not to be asked until " + u.paused.Format(time.TimeOnly), RetryAfter: time.Until(u.paused)}
	}
	return b.since, &goproxy.Unavailable{From: u.base, Reason: b.why + " (out of use for " + since(b.since) + ")", RetryAfter: time.Second}
}

// want counts a question that waits for it to be usable: then it is checked often.
func (u *Upstream) want(n int) {
	u.mu.Lock()
	u.wanted += n
	u.mu.Unlock()
	if n > 0 {
		u.keepChecking()
		select {
		case u.kick <- struct{}{}:
		default:
		}
	}
}

// begin notes a new question.
func (u *Upstream) begin() {
	u.mu.Lock()
	u.retries.asked()
	u.hedges.asked()
	u.mu.Unlock()
	u.keepChecking()
}

// mayRetry spends one of the attempts that may be made again. Where the upstream is partly faulty, but gives at least half
// of what it is asked for, there are as many as it takes.
func (u *Upstream) mayRetry(c Class) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.retries.take(time.Now()) || u.o.Retries >= 0 && u.classes[c].breaker.halfWell()
}

// mayHedge spends one of the questions that may be asked here because another is slow.
func (u *Upstream) mayHedge() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.hedges.take(time.Now())
}

const (
	hedgeUnknown = 500 * time.Millisecond // until enough is known
	hedgeSilent  = 400 * time.Millisecond // of one that has never answered
	hedgeLeast   = 100 * time.Millisecond
	hedgeMost    = 2 * time.Second
	doubtUnknown = 500 * time.Millisecond
	doubtZip     = 2 * time.Second // likewise, for a zip that may have to be made
	doubtLeast   = 250 * time.Millisecond
)

// patience returns after how long without an answer another upstream is asked too (0: never), and after how long
// this one is asked again, over a new connection.
func (u *Upstream) patience(c Class) (hedge, doubt time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l := &u.classes[c].latency
	switch {
	case l.known():
		hedge = min(max(l.p95, hedgeLeast), hedgeMost)
	case c != Zip && l.n == 0:
		hedge = hedgeSilent
	case c != Zip:
		hedge = hedgeUnknown
	}
	switch {
	case l.p95 > 0:
		doubt = max(min(3*l.p95, 10*l.p50), doubtLeast) // by the median too, which faults do not move
	case c == Zip:
		doubt = doubtZip
	default:
		doubt = doubtUnknown
	}
	if u.o.HedgeAfter > 0 && hedge > 0 {
		hedge = u.o.HedgeAfter
	}
	if !u.o.Hedge.Is(true) {
		hedge = 0
	}
	return hedge, min(doubt, u.timeouts.First)
}

// Why an attempt is given up: another one was faster than one that had begun before it, or nobody needs it.
var (
	errLost     = errors.New("another upstream was faster")
	errUnneeded = errors.New("not needed any more")
)

// attempt asks once, in turn, and notes what comes of it. The reply of a request that streams ends with its stream.
func (u *Upstream) attempt(ctx context.Context, rq *request, why string) (*reply, error) {
	if err := u.enter(ctx, rq); err != nil {
		return nil, err
	}
	at := &attempt{u: u, rq: rq, begin: time.Now(), note: Attempt{Upstream: u.base, Class: rq.class, Name: rq.name, Cause: why}}
	ctx, at.span = beginSpan(ctx, u.pool.o.Tracer, at.note)
	at.ctx = ctx
	u.pool.o.Observer.Asking(u.base, rq.name)
	rep, err := u.exchange(ctx, rq, at.first)
	if err == nil && rep.stream != nil {
		rep.by, rep.first = u, at.note.First
		rep.end = func(n int64, err error) {
			rep.stream.Close()
			at.note.Bytes = n
			at.end(err)
		}
		return rep, nil
	}
	if rep != nil {
		at.note.Bytes = int64(len(rep.body))
		if rq.constant {
			at.sum = sha256.Sum256(rep.body)
		}
		rep.by = u
	}
	at.end(err)
	return rep, err
}

// enter takes a place for a request. A segment has one at once, or none.
func (u *Upstream) enter(ctx context.Context, rq *request) error {
	switch {
	case !rq.segment:
		return u.limiter.acquire(ctx)
	case !u.limiter.spare():
		return errNoRoom
	}
	return nil
}

// An attempt is one under way.
type attempt struct {
	u     *Upstream
	ctx   context.Context
	rq    *request
	begin time.Time
	note  Attempt
	span  trace.Span // nil where nobody looks
	sum   [32]byte   // of what came, where it will be the same for ever
}

func (a *attempt) first() { a.note.First = time.Since(a.begin) }

// end notes how it ended.
func (a *attempt) end(err error) {
	a.u.limiter.release()
	a.note.Took = time.Since(a.begin)
	a.note.Err = err
	a.note.Failure, a.note.Status = label(a.ctx, err)
	a.u.judge(a)
	if err == nil {
		a.u.remember(a)
	}
	a.u.pool.o.Observer.Attempted(a.ctx, a.note)
	endSpan(a.span, a.note)
}

// judge draws conclusions from an attempt.
func (u *Upstream) judge(a *attempt) {
	now := time.Now()
	n := &a.note
	lost := errors.Is(context.Cause(a.ctx), errLost) && n.Failure == canceled
	switch {
	case n.First > 0:
		u.limiter.well(now, n.First)
	case n.Failure == "throttled", n.Failure == "timeout" && !a.rq.segment, n.Status == 503:
		u.limiter.overloaded(now)
	}
	if a.rq.segment { // its patience is short, and the question finds out what is wrong
		return
	}
	u.mu.Lock()
	st := u.classes[n.Class]
	if n.First > 0 {
		st.latency.add(n.First)
	} else if lost {
		st.latency.add(n.Took)
	}
	opened := false
	switch {
	case lost && n.First == 0:
		n.Failure = "lost"
		n.Err = &goproxy.Unavailable{From: u.base, Reason: "no answer within " + n.Took.Round(time.Millisecond).String() + "; another one was faster"}
		opened = st.breaker.failure(now, "no answer within "+n.Took.Round(time.Millisecond).String(), true)
	case n.Failure == canceled, n.Failed() && n.Bytes >= muchProgress && n.Failure != "wrong":
	case n.Failed():
		opened = st.breaker.failure(now, reasonOf(n.Err), false)
	default:
		st.breaker.success(now)
	}
	u.mu.Unlock()
	if opened {
		u.opened(n.Class)
	}
}

// muchProgress is how many bytes a body must have had for its breaking off to be no sign of an outage.
const muchProgress = 256 << 10

// opened tells of a breaker that opened.
func (u *Upstream) opened(c Class) {
	u.mu.Lock()
	why := u.classes[c].breaker.why
	u.mu.Unlock()
	u.pool.o.Log.Warn("the upstream is out of use", "upstream", u.base, "for", string(c), "why", why)
	u.pool.o.Observer.Changed(u.base, c, "open", why)
	u.pool.ring()
	u.keepChecking()
}

// pause keeps it from being asked for d, as it asked.
func (u *Upstream) pause(d time.Duration) {
	if !u.o.Breaker.Is(true) {
		return
	}
	u.mu.Lock()
	u.paused = time.Now().Add(d)
	u.mu.Unlock()
	time.AfterFunc(d, u.pool.ring)
}

func (u *Upstream) status() UpstreamStatus {
	s := UpstreamStatus{Name: u.base, Classes: map[Class]ClassStatus{}}
	s.InFlight, s.Waiting, s.Limit = u.limiter.now()
	u.mu.Lock()
	defer u.mu.Unlock()
	s.Healthy, s.Checked, s.Retries = u.healthy && !u.classes[Small].breaker.open, u.checked, u.retries.tokens
	if time.Now().Before(u.paused) {
		s.Paused = u.paused
	}
	for c, st := range u.classes {
		b := &st.breaker
		if b.attempts == 0 && !b.open {
			continue
		}
		cs := ClassStatus{State: "closed", Since: b.since, Attempts: b.attempts, Failures: b.failures, LastError: b.why,
			P50: st.latency.p50, P95: st.latency.p95, P99: st.latency.p99}
		if b.open {
			cs.State = "open"
			if b.passes > 0 {
				cs.State = "half-open"
			}
		}
		s.Classes[c] = cs
	}
	return s
}

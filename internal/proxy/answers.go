package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/lru"
	"github.com/modhaven/modhaven/internal/store"
)

const (
	maxAnswers = 16 << 20 // bytes of lists and query answers in memory
	// afterFailure is how long the stale answer is given at once after an upstream failed to refresh it.
	afterFailure = 5 * time.Second
	// rewriteAfter is how old the stored time of an unchanged answer may grow.
	rewriteAfter = 10 * time.Minute
)

// answers keeps lists and query answers: fresh ones in memory, all of them in the store, so that there is a
// stale one when no upstream answers.
type answers struct {
	s     *Service
	known *lru.Cache[*known]

	mu        sync.Mutex // guards all below
	refreshes map[string]*refresh
	used      map[string]usedAnswer // by name: what is kept young
	late      time.Time             // when an answer did not come in time; zero once one came
	ticking   bool
}

// known is an answer. It is replaced, never changed.
type known struct {
	body    []byte
	etag    string
	from    string
	checked time.Time // the upstream said so
	expired bool      // it is known to be old, however short ago it came
	failed  time.Time // when asking again failed; zero if it did not
	stored  time.Time // the checked that the store has
}

// fresh reports whether it came within d. What came in the future was written by a clock that went wrong.
func (k *known) fresh(d time.Duration) bool { return !k.expired && time.Since(k.checked).Abs() < d }

// question is a list (query "") or a query.
type question struct{ path, query, name string }

// refresh is a question on its way to the upstreams. It belongs to nobody's request.
type refresh struct {
	began time.Time
	task  *task // nil where it was over at once
	done  chan struct{}
	known *known
	err   error
}

func newAnswers(s *Service) *answers {
	return &answers{s: s, refreshes: map[string]*refresh{}, used: map[string]usedAnswer{},
		known: lru.New(maxAnswers, func(k *known) int64 { return int64(len(k.body)) })}
}

// get answers from memory while the answer is fresh, then from the upstreams within the budget, then
// with what was known before, marked stale.
func (a *answers) get(ctx context.Context, q question) (*goproxy.Content, error) {
	k, ok := a.known.Get(q.name)
	if ok && k.fresh(a.s.o.Fresh) {
		return k.content(false), nil
	}
	a.use(q)
	if !ok {
		k = a.load(ctx, q)
	}
	if goproxy.FetchDisabled(ctx) {
		if k == nil {
			return nil, notFetched()
		}
		return k.content(!k.fresh(a.s.o.Fresh)), nil
	}
	if nf := a.s.absent.get(q.path, q.name); nf != nil {
		return nil, nf
	}
	if k != nil && k.fresh(a.s.o.Fresh) {
		return k.content(false), nil
	}
	if k != nil && time.Since(k.failed) < afterFailure {
		return a.stale(q, k, errors.New("no upstream answered a moment ago"))
	}
	r := a.refresh(ctx, q, k, false)
	switch {
	case r == nil:
		return nil, errClosed
	case k != nil && a.lately() && !r.isDone():
		return a.stale(q, k, errors.New("no upstream answered in time a moment ago"))
	}
	return a.wait(ctx, q, k, r)
}

// lately reports whether the upstreams answered nothing in time a moment ago: then no other client waits for the same.
func (a *answers) lately() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.late) < afterFailure
}

// inTime notes whether an answer came in time.
func (a *answers) inTime(yes bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.late = time.Time{}
	if !yes {
		a.late = time.Now()
	}
}

// wait waits for a refresh: as long as the client does, or for what is left of the refresh's budget where there is a
// stale answer.
func (a *answers) wait(ctx context.Context, q question, k *known, r *refresh) (*goproxy.Content, error) {
	defer a.s.wait()()
	var budget <-chan time.Time
	if k != nil {
		t := time.NewTimer(a.s.o.Budget - time.Since(r.began))
		defer t.Stop()
		budget = t.C
	}
	select {
	case <-r.done:
	case <-budget:
		if !r.isDone() {
			a.inTime(false)
			return a.stale(q, k, errors.New("no upstream answered in time"))
		}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	var nf *goproxy.NotFound
	switch {
	case r.err == nil:
		return r.known.content(false), nil
	case k != nil && !errors.As(r.err, &nf):
		return a.stale(q, k, r.err)
	}
	return nil, r.err
}

func (a *answers) stale(q question, k *known, why error) (*goproxy.Content, error) {
	a.s.o.Log.Warn("answered with what was known before", "name", q.name, "age", time.Since(k.checked).Round(time.Second), "why", why)
	a.s.o.Recorder.Record(Event{What: ServedStale, Path: q.path, Name: q.name, From: k.from, Err: why})
	return k.content(true), nil
}

func (k *known) content(stale bool) *goproxy.Content {
	return goproxy.InMemory(goproxy.Meta{Size: int64(len(k.body)), ETag: k.etag, From: k.from, Checked: k.checked, Stale: stale}, k.body)
}

func (r *refresh) isDone() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// refresh joins or begins the asking of a question; nil when the service is closed. Unless anew is set a fresh answer,
// that has come meanwhile, will do.
func (a *answers) refresh(ctx context.Context, q question, old *known, anew bool) *refresh {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.refreshes[q.name]; r != nil {
		r.task.join(ctx)
		return r
	}
	r := &refresh{began: time.Now(), done: make(chan struct{})}
	if !anew && a.settled(q, r) {
		return r
	}
	leave, err := a.s.slots.enter(ctx)
	if err != nil {
		r.err = err
		close(r.done)
		return r
	}
	r.task = a.s.begin(ctx, "refresh", q.name)
	if !a.s.work.start(func() { defer leave(); a.lead(q, old, r) }) {
		r.task.end(errClosed)
		leave()
		return nil
	}
	a.refreshes[q.name] = r
	return r
}

// settled completes r where another refresh has brought the answer since it was missed.
func (a *answers) settled(q question, r *refresh) bool {
	if k, ok := a.known.Get(q.name); ok && k.fresh(a.s.o.Fresh) {
		r.known = k
	} else if nf := a.s.absent.get(q.path, q.name); nf != nil {
		r.err = nf
	} else {
		return false
	}
	close(r.done)
	return true
}

// lead asks the upstreams and remembers what they say.
func (a *answers) lead(q question, old *known, r *refresh) {
	defer func() { r.task.end(r.err) }()
	r.known, r.err = a.ask(r.task.ctx, q, old != nil)
	a.s.remember(q.path, q.name, r.err)
	var nf *goproxy.NotFound
	switch {
	case r.err == nil:
		a.inTime(true)
		if r.known.stored = r.known.checked; !a.rewrite(old, r.known) {
			r.known.stored = old.stored
		}
		a.known.Put(q.name, r.known)
	case errors.As(r.err, &nf):
		a.known.Remove(q.name)
	default:
		a.s.failed(r.task.ctx, q.path, q.name, r.err)
		if old != nil {
			failed := *old
			failed.failed = time.Now()
			a.known.Put(q.name, &failed)
		}
	}
	a.mu.Lock()
	delete(a.refreshes, q.name)
	a.mu.Unlock()
	close(r.done)
	if r.err == nil {
		r.task.came(r.known.from, int64(len(r.known.body)))
		a.s.o.Recorder.Record(Event{What: Refreshed, Path: q.path, Name: q.name, From: r.known.from, Size: int64(len(r.known.body))})
		if a.rewrite(old, r.known) {
			a.keep(q, r.known)
		}
	}
}

// rewrite reports whether an answer must be stored: unless just its time is new, and not by much.
func (a *answers) rewrite(old, k *known) bool {
	return old == nil || !bytes.Equal(old.body, k.body) || old.from != k.from || k.checked.Sub(old.stored) >= rewriteAfter
}

// ask asks the upstreams. Where there is an older answer, none that is away is waited for.
func (a *answers) ask(ctx context.Context, q question, older bool) (*known, error) {
	turn, err := a.s.slots.acquire(a.s.ctx)
	if err != nil {
		return nil, a.s.closing(err)
	}
	defer turn.release()
	ctx = turn.with(ctx, always)
	if older {
		ctx = goproxy.WithStale(ctx)
	}
	c, err := a.s.answerOf(ctx, q)
	if err != nil {
		return nil, a.s.closing(err)
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, a.s.closing(&goproxy.Unavailable{From: c.From, Reason: err.Error(), Err: err})
	}
	return &known{body: b, etag: store.ETag(b), from: c.From, checked: time.Now()}, nil
}

func (s *Service) answerOf(ctx context.Context, q question) (*goproxy.Content, error) {
	if q.query == "" {
		return s.o.Fetcher.List(ctx, q.path)
	}
	return s.o.Fetcher.Query(ctx, q.path, q.query)
}

// exists hears that a version is there. A list that lacks it is old, however short ago it came.
func (a *answers) exists(v module.Version) {
	name := goproxy.ListName(v.Path)
	k, ok := a.known.Get(name)
	if !ok || module.IsPseudoVersion(v.Version) || !semver.IsValid(v.Version) || hasVersion(k.body, v.Version) {
		return
	}
	old := *k
	old.expired = true
	a.known.Put(name, &old)
}

func hasVersion(list []byte, version string) bool {
	for line := range bytes.Lines(list) {
		if f := bytes.Fields(line); len(f) > 0 && string(f[0]) == version {
			return true
		}
	}
	return false
}

// A stored answer is one line of JSON and the upstream's bytes.
type storedMeta struct {
	From    string    `json:"from"`
	Checked time.Time `json:"checked"`
}

func queryFile(q question) string { return "queries/" + q.name }

// load reads an answer from the store into memory; nil where there is none.
func (a *answers) load(ctx context.Context, q question) *known {
	c, err := a.s.o.Store.Open(ctx, queryFile(q))
	if err == nil {
		defer c.Body.Close()
		var b []byte
		if b, err = io.ReadAll(c.Body); err == nil {
			var k *known
			if k, err = parseStored(b); err == nil {
				a.known.Put(q.name, k)
				return k
			}
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		a.s.o.Log.Error("the store cannot be read", "file", queryFile(q), "err", err)
		a.s.o.Recorder.Record(Event{What: StoreFailed, Path: q.path, Name: q.name, Err: err})
	}
	return nil
}

func parseStored(b []byte) (*known, error) {
	head, body, ok := bytes.Cut(b, []byte("\n"))
	var m storedMeta
	if !ok {
		return nil, errors.New("a stored answer has no first line")
	}
	if err := json.Unmarshal(head, &m); err != nil {
		return nil, err
	}
	return &known{body: body, etag: store.ETag(body), from: m.From, checked: m.Checked, stored: m.Checked}, nil
}

func formatStored(k *known) ([]byte, error) {
	head, err := json.Marshal(storedMeta{k.from, k.checked})
	return append(append(head, '\n'), k.body...), err
}

// keep stores an answer.
func (a *answers) keep(q question, k *known) {
	b, err := formatStored(k)
	if err == nil {
		src := io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
		err = a.s.o.Store.Put(context.WithoutCancel(a.s.ctx), queryFile(q), src, store.PutOptions{If: "*"})
	}
	if err != nil {
		a.s.o.Log.Error("the store takes no answer; clients were answered all the same", "file", queryFile(q), "err", err)
		a.s.o.Recorder.Record(Event{What: StoreFailed, Path: q.path, Name: q.name, Err: err})
		return
	}
	a.s.o.Recorder.Record(Event{What: Stored, Path: q.path, Name: q.name, Size: int64(len(b))})
}

package upstream

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const maxHeld = 2000

// PoolOptions are what a Pool is made of. Zero values mean the default beside them.
type PoolOptions struct {
	// Patience is how long questions wait for an upstream to come back, counted from when it went; negative: not at
	// all. 45 s.
	Patience time.Duration
	Timeouts Timeouts     // DefaultTimeouts, for what an upstream has no option of its own
	Observer Observer     // may be nil
	Tracer   trace.Tracer // may be nil
	Log      *slog.Logger
}

// A Pool is all upstreams and what is known of them, shared by the chains that ask them.
type Pool struct {
	o      PoolOptions
	ctx    context.Context // of the checks
	cancel context.CancelFunc
	checks sync.WaitGroup

	mu        sync.Mutex // guards all below; an upstream's mu comes before it
	changed   chan struct{}
	held      int
	upstreams []*Upstream
	closed    bool
}

// NewPool returns an empty Pool. Close it.
func NewPool(o PoolOptions) *Pool {
	o.Patience = cmp.Or(o.Patience, 45*time.Second)
	if o.Timeouts == (Timeouts{}) {
		o.Timeouts = DefaultTimeouts
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{o: o, changed: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

type nobody struct{}

func (nobody) Asking(string, string)                 {}
func (nobody) Attempted(context.Context, Attempt)    {}
func (nobody) Changed(string, Class, string, string) {}

// Close ends the checks and closes connections that are idle. What is asked goes on.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	ups := p.upstreams
	p.mu.Unlock()
	p.cancel()
	p.checks.Wait()
	for _, u := range ups {
		u.client.CloseIdleConnections()
	}
}

// Upstream adds the proxy at base, an entry of a list of upstreams, asked over rt with the credentials for it. Where rt has
// methods Renew and CloseIdleConnections they are called, as those of a Transport.
func (p *Pool) Upstream(base string, rt http.RoundTripper, o goproxy.UpstreamOptions) (*Upstream, error) {
	s, err := newSite(base, nil, p.timeouts(o))
	if err != nil {
		return nil, err
	}
	c, err := NewCredentials(base, o, rt)
	if err != nil {
		return nil, err
	}
	s.client.Transport = c
	u := newUpstream(p, s, o)
	u.renew = c.Renew
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstreams = append(p.upstreams, u)
	return u, nil
}

func (p *Pool) timeouts(o goproxy.UpstreamOptions) Timeouts {
	d := p.o.Timeouts
	return Timeouts{
		Dial:     cmp.Or(o.Dial, d.Dial),
		TLS:      cmp.Or(o.TLS, d.TLS),
		First:    cmp.Or(o.First, d.First),
		Zip:      cmp.Or(o.Zip, d.Zip),
		Idle:     cmp.Or(o.Idle, d.Idle),
		MinSpeed: max(0, cmp.Or(o.MinSpeed, d.MinSpeed)),
	}
}

// ring wakes all who wait for an upstream to come or go.
func (p *Pool) ring() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

// bell returns what is closed at the next change.
func (p *Pool) bell() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// hold takes a place among the questions that wait for an upstream; false when all are taken.
func (p *Pool) hold() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held >= maxHeld {
		return false
	}
	p.held++
	return true
}

func (p *Pool) unhold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held--
}

// check runs f beside what is asked, unless the pool is closed.
func (p *Pool) check(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.checks.Go(f)
	}
}

// status returns what is known now. Degraded is up to who knows which upstreams stand in for which: see Chain.Status.
func (p *Pool) status() Status {
	p.mu.Lock()
	s, ups := Status{Held: p.held}, p.upstreams
	p.mu.Unlock()
	for _, u := range ups {
		s.Upstreams = append(s.Upstreams, u.status())
	}
	return s
}

// since says for people how long something has been so.
func since(t time.Time) string { return fmt.Sprint(time.Since(t).Round(time.Second)) }

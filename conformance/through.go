package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"
)

// A pass is the scripts run once through the target.
type pass struct {
	outing
	comparison
	name     string
	scripts  []string
	requests map[string]map[string]int // at the front, by script and kind
	statuses map[int]int               // the target's answers to them
	piped    map[string]int            // connections beside the front, by script
	faults   []error                   // of the front; see there
}

// reached is the scripts that asked the target for anything, sorted.
func (p pass) reached() []string {
	all := map[string]bool{}
	for script := range p.requests {
		all[script] = true
	}
	for script := range p.piped {
		all[script] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// through runs scripts once with the target between them and the test proxy.
//
// Without TLS every script goes through the front, which sees its requests.
// Over TLS a front would hide half of the road, so there only those scripts go
// through one (TLS and HTTP/2 on both sides of it) that work with nothing
// else; for the others the gate is a pipe, and the go command itself shakes
// hands and speaks HTTP/2 with the target. The two scripts that expect http://
// in a message get that from the front, and TLS behind it.
func (r *runner) through(ctx context.Context, name string, t target, cert *certificate, scripts []string, limit time.Duration) (pass, error) {
	gatesCtx, stop := context.WithCancel(ctx)
	g := newGates()
	defer g.close()
	defer stop()
	f := newFront(g, t, r.upstream)
	defer f.close()
	p := plan{Proxy: map[string]string{}}
	if cert != nil {
		p.Env = map[string]string{"SSL_CERT_FILE": cert.certFile}
	}
	for _, script := range scripts {
		ln, err := g.open(script)
		if err != nil {
			return pass{}, err
		}
		p.Proxy[script] = r.gate(gatesCtx, g, f, cert, script, ln)
	}
	o, err := r.run(ctx, name, p, limit)
	f.mu.Lock()
	defer f.mu.Unlock()
	done := pass{
		outing: o, name: name, scripts: scripts,
		requests: f.requests, statuses: f.statuses, piped: g.connections(), faults: f.faults,
	}
	if err := errors.Join(err, t.alive()); err != nil {
		return done, fmt.Errorf("%s: %w", name, err)
	}
	return done, nil
}

// gate opens the way from ln to the target and returns the GOPROXY for it.
func (r *runner) gate(ctx context.Context, g *gates, f *front, cert *certificate, script string, ln net.Listener) string {
	text, addr := r.texts[script], ln.Addr().String()
	switch {
	case cert == nil || needsPlain(text):
		f.serve(ln, nil)
		return "http://" + addr + "/mod"
	case needsFront(text):
		f.serve(ln, cert)
		return "https://" + addr + "/mod"
	default:
		g.pipe(ctx, ln, f.target.url.Host)
		return "https://" + addr
	}
}

package proxytest

import (
	"net/http"
	"sync"
)

// A Gate stops answers at a known point.
type Gate struct {
	pattern string
	after   int64

	once    sync.Once
	reached chan struct{}
	open    sync.Once
	resumed chan struct{}
}

// Pause stops each answer to a request that matches pattern (see [Server.Requests]),
// from now on and until Resume, when that many bytes of its body have been sent: 0 is after the
// header, -1 before it.
func (s *Server) Pause(pattern string, after int64) *Gate {
	g := &Gate{pattern: pattern, after: after, reached: make(chan struct{}), resumed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates = append(s.gates, g)
	return g
}

// Reached is closed when the first answer stands at the gate.
func (g *Gate) Reached() <-chan struct{} { return g.reached }

// Resume lets all go on. It may be called more than once.
func (g *Gate) Resume() { g.open.Do(func() { close(g.resumed) }) }

// fault is how a gate takes part in a plan.
func (g *Gate) fault() Fault {
	return at(g.after, func(w *writer) {
		g.once.Do(func() { close(g.reached) })
		select {
		case <-g.resumed:
		case <-w.r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-w.closed:
			panic(http.ErrAbortHandler)
		}
	})
}

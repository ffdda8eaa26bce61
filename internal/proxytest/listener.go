package proxytest

import (
	"net"
	"sync"
)

// A Listener can stop listening, so that dials are refused, and start again at the same
// address. http.Server sees one that never ends. Its methods may be called by many at once.
type Listener struct {
	addr net.Addr

	mu      sync.Mutex
	cur     net.Listener  // nil while refusing
	closed  bool          // for good
	changed chan struct{} // closed and replaced when one of the above changes
}

// NewListener takes l over.
func NewListener(l net.Listener) *Listener {
	return &Listener{addr: l.Addr(), cur: l, changed: make(chan struct{})}
}

// set must be called with mu held.
func (l *Listener) set(cur net.Listener, closed bool) {
	l.cur, l.closed = cur, closed
	close(l.changed)
	l.changed = make(chan struct{})
}

// Accept waits while the listener refuses.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		cur, closed, changed := l.cur, l.closed, l.changed
		l.mu.Unlock()
		switch {
		case closed:
			return nil, net.ErrClosed
		case cur == nil:
			<-changed
			continue
		}
		c, err := cur.Accept()
		if err == nil {
			return c, nil
		}
		l.mu.Lock()
		same := l.cur == cur
		l.mu.Unlock()
		if same {
			return nil, err
		}
	}
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.addr }

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	cur := l.cur
	l.set(nil, true)
	if cur == nil {
		return nil
	}
	return cur.Close()
}

// Refuse closes the port; connections that are open stay.
func (l *Listener) Refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cur := l.cur; cur != nil {
		l.set(nil, l.closed)
		cur.Close()
	}
}

// Resume opens the port again.
func (l *Listener) Resume() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cur != nil || l.closed {
		return nil
	}
	cur, err := net.Listen(l.addr.Network(), l.addr.String())
	if err == nil {
		l.set(cur, false)
	}
	return err
}

package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
)

// An AddrError is why one address could not be connected to.
type AddrError struct {
	Addr netip.Addr
	Err  error
}

// A DialError says why none of a host's addresses could be connected to. It wraps the error of each.
type DialError struct {
	Host, Port string
	Addrs      []AddrError // in the order in which they failed
}

func (e *DialError) Error() string { return net.JoinHostPort(e.Host, e.Port) + ": " + e.reason() }

// reason is what happened at each address, and what to do.
func (e *DialError) reason() string {
	var said, refused []string
	for _, a := range e.Addrs {
		addr := net.JoinHostPort(a.Addr.String(), e.Port)
		said = append(said, addr+": "+dialReason(a.Err))
		if errors.Is(a.Err, syscall.ECONNREFUSED) {
			refused = append(refused, addr)
		}
	}
	if len(refused) == len(e.Addrs) {
		return fmt.Sprintf("connection refused (nothing listens on %s, or a firewall rejects it); %s", strings.Join(refused, " and "), e.advice())
	}
	return fmt.Sprintf("no connection (%s); %s", strings.Join(said, "; "), e.advice())
}

// advice says what to do. A refusal says more than silence.
func (e *DialError) advice() string {
	switch {
	case errors.Is(e, syscall.ECONNREFUSED):
		return "check that the server runs and that the port is right"
	case e.Timeout():
		return "check whether a firewall is in the way, or an HTTP proxy must be used"
	}
	return "check this machine's network and routes"
}

// Unwrap returns the error of each address.
func (e *DialError) Unwrap() []error {
	var errs []error
	for _, a := range e.Addrs {
		errs = append(errs, a.Err)
	}
	return errs
}

// Timeout reports whether an address was silent for too long (net.Error).
func (e *DialError) Timeout() bool {
	for _, a := range e.Addrs {
		var t interface{ Timeout() bool }
		if errors.As(a.Err, &t) && t.Timeout() {
			return true
		}
	}
	return false
}

// Temporary reports whether it may pass.
func (e *DialError) Temporary() bool { return true }

// dialReason is netReason in the words of a connection.
func dialReason(err error) string {
	var t interface{ Timeout() bool }
	if errors.As(err, &t) && t.Timeout() {
		return "no answer in time"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return netReason(err)
}

// maxDials is how many connections to one address one question may have made for it.
const maxDials = 3

// A dialLimit counts the connections of one question, by HOST:PORT.
type dialLimit struct {
	mu sync.Mutex // guards all below
	n  map[string]int
}

type dialLimitKey struct{}

// WithDialLimit returns a context for one question, which a Dialer connects for at most three times to a host and port.
// net/http asks again on a new connection without end, and without a pause, where a server takes leave of each at once
// with a GOAWAY (https://go.dev/issue/52459). It hands the values of a request's context to its dialer.
func WithDialLimit(ctx context.Context) context.Context {
	return context.WithValue(ctx, dialLimitKey{}, &dialLimit{n: map[string]int{}})
}

// A DialLimitError says that a server takes connections and answers nothing on them.
type DialLimitError struct{ Addr string }

func (e *DialLimitError) Error() string {
	return fmt.Sprintf("%s: took %d connections for one request and ended each without an answer (GOAWAY); its server or a load balancer before it is being shut down or is broken", e.Addr, maxDials)
}

// countDial counts a connection for the question of ctx.
func countDial(ctx context.Context, addr string) error {
	l, ok := ctx.Value(dialLimitKey{}).(*dialLimit)
	if !ok {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n[addr]++
	if l.n[addr] > maxDials {
		return &DialLimitError{addr}
	}
	return nil
}

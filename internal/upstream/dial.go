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
	"time"
)

// dialDelay is what one address has before the next is tried beside it (RFC 8305, 5).
const dialDelay = 250 * time.Millisecond

// A Dialer makes connections to hosts, to whichever of their addresses answers first. Its fields are set
// before its first use; DialContext may be called at once by many.
type Dialer struct {
	// Lookup returns the addresses of a host, at least one: Resolver.Lookup.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to one address; nil stands for net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Timeout is how long one address may take; 0 stands for that of DefaultTimeouts.
	Timeout time.Duration
	// OnDial hears of each connection that was made or not. It returns at once.
	OnDial func(host string, err error)
}

// DialContext connects to HOST:PORT. The addresses are tried in turn, IPv6 and IPv4 by turns, each 250 ms after the one
// before or as soon as that failed (RFC 8305). The error is a *DialError that names each address, a *LookupError,
// or that of a limit (WithDialLimit).
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	conn, err := d.connect(ctx, network, host, port)
	if d.OnDial != nil {
		d.OnDial(host, err)
	}
	return conn, err
}

func (d *Dialer) connect(ctx context.Context, network, host, port string) (net.Conn, error) {
	if err := countDial(ctx, net.JoinHostPort(host, port)); err != nil {
		return nil, err
	}
	addrs, err := d.Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	r := race{d: d, ctx: ctx, network: network, port: port, addrs: byTurns(addrs), results: make(chan result, len(addrs))}
	conn, err := r.run()
	var e *DialError
	if errors.As(err, &e) {
		e.Host, e.Port = host, port
	}
	return conn, err
}

// byTurns orders addresses: IPv6 first, then a family after the other, each in its own order (RFC 8305, 4).
func byTurns(addrs []netip.Addr) []netip.Addr {
	var v6, v4, list []netip.Addr
	for _, a := range addrs {
		if a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	for i := range max(len(v6), len(v4)) {
		if i < len(v6) {
			list = append(list, v6[i])
		}
		if i < len(v4) {
			list = append(list, v4[i])
		}
	}
	return list
}

// A race is one dial to several addresses.
type race struct {
	d             *Dialer
	ctx           context.Context
	network, port string
	addrs         []netip.Addr // not tried yet
	results       chan result  // has room for all
	running       int
	failed        []AddrError
}

type result struct {
	addr netip.Addr
	conn net.Conn
	err  error
}

// run returns the first connection. Those that come later are closed.
func (r *race) run() (net.Conn, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	defer func() { go closeLate(r.results, r.running) }()
	next := time.NewTimer(dialDelay)
	defer next.Stop()
	r.start(ctx)
	for r.running > 0 {
		select {
		case got := <-r.results:
			r.running--
			if got.err == nil {
				return got.conn, nil
			}
			r.failed = append(r.failed, AddrError{got.addr, got.err})
		case <-next.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("gave up while connecting: %w", ctx.Err())
		}
		r.start(ctx)
		next.Reset(dialDelay)
	}
	return nil, &DialError{Addrs: r.failed}
}

// start tries the next address, if there is one.
func (r *race) start(ctx context.Context) {
	if len(r.addrs) == 0 || ctx.Err() != nil {
		return
	}
	addr := r.addrs[0]
	r.addrs = r.addrs[1:]
	r.running++
	go func() {
		conn, err := r.d.one(ctx, r.network, netAddr(addr, r.port))
		r.results <- result{addr, conn, err}
	}()
}

func netAddr(a netip.Addr, port string) string { return net.JoinHostPort(a.String(), port) }

// closeLate closes the connections among n results.
func closeLate(results <-chan result, n int) {
	for range n {
		if got := <-results; got.conn != nil {
			got.conn.Close()
		}
	}
}

// one connects to one address.
func (d *Dialer) one(ctx context.Context, network, addr string) (net.Conn, error) {
	timeout := d.Timeout
	if timeout == 0 {
		timeout = DefaultTimeouts.Dial
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if d.Dial != nil {
		return d.Dial(ctx, network, addr)
	}
	n := net.Dialer{KeepAlive: 30 * time.Second}
	return n.DialContext(ctx, network, addr)
}

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

func (e *DialError) Error() string {
	var said []string
	for _, a := range e.Addrs {
		said = append(said, a.Addr.String()+": "+dialReason(a.Err))
	}
	what := "no address answers"
	if len(e.Addrs) == 1 {
		what = "its address does not answer"
	}
	return fmt.Sprintf("%s: %s (%s); %s", net.JoinHostPort(e.Host, e.Port), what, strings.Join(said, "; "), e.advice())
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

// dialReason is reasonOf in the words of a connection.
func dialReason(err error) string {
	var t interface{ Timeout() bool }
	if errors.As(err, &t) && t.Timeout() {
		return "no answer in time"
	}
	return reasonOf(err)
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

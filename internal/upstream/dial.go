package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
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
	r := dialRace{d: d, network: network, port: port, addrs: byTurns(addrs), results: make(chan dialResult, len(addrs))}
	conn, err := r.run(ctx)
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

// A dialRace is one dial to several addresses.
type dialRace struct {
	d             *Dialer
	network, port string
	addrs         []netip.Addr    // not tried yet
	results       chan dialResult // has room for all
	running       int
	failed        []AddrError
}

type dialResult struct {
	addr netip.Addr
	conn net.Conn
	err  error
}

// run returns the first connection. Those that come later are closed.
func (r *dialRace) run(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
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
func (r *dialRace) start(ctx context.Context) {
	if len(r.addrs) == 0 || ctx.Err() != nil {
		return
	}
	addr := r.addrs[0]
	r.addrs = r.addrs[1:]
	r.running++
	go func() {
		conn, err := r.d.one(ctx, r.network, net.JoinHostPort(addr.String(), r.port))
		r.results <- dialResult{addr, conn, err}
	}()
}

// closeLate closes the connections among n results.
func closeLate(results <-chan dialResult, n int) {
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

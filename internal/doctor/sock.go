package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// sockOptions are set before a packet leaves.
type sockOptions struct {
	ttl    int // how many routers packets may pass; 0: the system's own number
	minTTL int // what comes with a lower number is dropped by the kernel; 0: nothing is
	mss    int // the largest segment that either side sends; 0: what the links take
}

// An icmpError is why a router, or the kernel itself, gave a packet up.
type icmpError struct {
	icmp       bool // else the kernel's own
	v6         bool
	kind, code int
	from       netip.Addr
}

// String names the message for people.
func (e icmpError) String() string {
	if !e.icmp {
		return "an error of this machine's own network"
	}
	name := map[[2]int]string{
		{3, 0}: "network unreachable", {3, 1}: "host unreachable", {3, 2}: "protocol unreachable", {3, 3}: "port unreachable", {3, 4}: "packet too large",
		{3, 9}: "network prohibited", {3, 10}: "host prohibited", {3, 13}: "administratively prohibited", {11, 0}: "time exceeded",
	}
	if e.v6 {
		name = map[[2]int]string{
			{1, 0}: "no route", {1, 1}: "administratively prohibited", {1, 3}: "address unreachable", {1, 4}: "port unreachable",
			{1, 5}: "policy", {1, 6}: "route rejected", {3, 0}: "time exceeded", {2, 0}: "packet too large",
		}
	}
	if s := name[[2]int{e.kind, e.code}]; s != "" {
		return fmt.Sprintf("ICMP %s (type %d code %d)", s, e.kind, e.code)
	}
	return fmt.Sprintf("ICMP type %d code %d", e.kind, e.code)
}

// prohibited reports whether only a rule says so.
func (e icmpError) prohibited() bool {
	if e.v6 {
		return e.kind == 1 && (e.code == 1 || e.code == 5 || e.code == 6)
	}
	return e.kind == 3 && (e.code == 9 || e.code == 10 || e.code == 13)
}

// timeExceeded reports whether a router gave the packet up because it had passed too many.
func (e icmpError) timeExceeded() bool {
	return e.icmp && (!e.v6 && e.kind == 11 || e.v6 && e.kind == 3)
}

// portUnreachable is what firewalls reject with unless they are told otherwise.
func (e icmpError) portUnreachable() bool {
	return e.icmp && (!e.v6 && e.kind == 3 && e.code == 3 || e.v6 && e.kind == 1 && e.code == 4)
}

// hostUnreachable is what the last router says of a host that does not answer.
func (e icmpError) hostUnreachable() bool {
	return e.icmp && (!e.v6 && e.kind == 3 && e.code == 1 || e.v6 && e.kind == 1 && e.code == 3)
}

// A flow is what TCP knows of a connection.
type flow struct {
	unacked  int   // segments that were sent and not received
	acked    int64 // bytes that were received at the other end, and one for the SYN
	received int64
	again    int // segments that were sent again
	gaps     int // segments that came before others that did not
}

// An outcome is what became of an attempt to connect.
type outcome string

const (
	connected   outcome = "connected"
	refused     outcome = "refused"
	resetByPeer outcome = "reset"
	unreachable outcome = "unreachable"
	forbidden   outcome = "forbidden" // by this machine
	silent      outcome = "silent"
)

// A dial is one attempt to connect to one address.
type dial struct {
	addr    netip.AddrPort
	outcome outcome
	err     error
	icmp    *icmpError
	took    time.Duration
	again   int // SYNs that were sent again
}

// connect tries one address. The connection, where there is one, is closed.
func connect(ctx context.Context, addr netip.AddrPort, o sockOptions, patience time.Duration) dial {
	conn, d := open(ctx, addr, o, patience)
	if conn != nil {
		conn.Close()
	}
	return d
}

// open tries one address and returns the connection; nil where there is none.
func open(ctx context.Context, addr netip.AddrPort, o sockOptions, patience time.Duration) (*wire, dial) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := new(socket)
	dialer := net.Dialer{Control: s.watch(o), KeepAlive: -1}
	start := time.Now()
	conn, err := dialer.DialContext(ctx, "tcp", addr.String())
	d := dial{addr: addr, outcome: outcomeOf(err), err: err, took: time.Since(start)}
	if f, ok := s.flow(); ok {
		d.again = f.again
	}
	if err == nil {
		return &wire{conn, s}, d
	}
	if m, ok := s.icmp(); ok {
		d.icmp = &m
	}
	s.close()
	return nil, d
}

// A wire is a connection that can be looked at.
type wire struct {
	net.Conn
	sock *socket
}

// Close implements net.Conn.
func (w *wire) Close() error {
	w.sock.close()
	return w.Conn.Close()
}

func outcomeOf(err error) outcome {
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return connected
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return resetByPeer
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return forbidden
	case errors.As(err, &timeout) && timeout.Timeout():
		return silent
	}
	return unreachable
}

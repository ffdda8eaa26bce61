package doctor

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// How long the probes of one address may take. A connection that loses two SYNs is made after 3 seconds.
const (
	connectPatience = 3200 * time.Millisecond
	controlPatience = 1200 * time.Millisecond
	hopPatience     = 900 * time.Millisecond
	maxHops         = 16
)

// tcpFacts are what the probes of one address showed.
type tcpFacts struct {
	target   *target
	dial     dial
	controls []dial       // other ports of the same address
	hops     []netip.Addr // the routers on the way that answered, by their distance; not valid where one did not
	ttl      int          // that answers of the port arrive with; 0: not known
	distance int          // the smallest TTL with which the port is reached; 0: not known
	control  dial         // the port that was compared with
	hostTTL  int          // that answers of that port arrive with; 0: not known
	dropped  bool         // this machine's kernel could not send
	own      bool         // the ICMP message is from an address of this machine
	// closedHere says that the address is this machine's, and no program listens on the port.
	closedHere bool
	samples    int    // further connections that were made, after one that had lost a packet
	lossy      int    // how many of them lost one too
	idle       string // what the connection does when nothing is sent; "" for not tried
}

// examineTCP connects to an address, and where that fails asks what of it answers.
func examineTCP(ctx context.Context, t *target, addr netip.AddrPort) *tcpFacts {
	f := &tcpFacts{target: t, dial: dial{addr: addr, outcome: silent}}
	f.connectOrAsk(ctx)
	if f.dial.icmp != nil {
		f.own = isOwn(f.dial.icmp.from)
	}
	switch {
	case deepProbes && addr.Addr().IsLoopback() && f.dial.outcome == refused:
		f.closedHere = !listensHere(addr.Port())
	case !deepProbes || addr.Addr().IsLoopback():
	case f.dial.outcome == connected && f.dial.again > 0:
		f.sample(ctx)
	case f.dial.outcome == refused && f.dial.icmp == nil:
		f.whoRefuses(ctx)
	case f.dial.outcome == unreachable && f.dial.icmp != nil:
		f.controls = connectAll(ctx, addr, otherPorts(addr))
	}
	return f
}

// suspicious is how long an answer may take before it is asked what else answers: a SYN that was lost is sent again by then.
const suspicious = 1300 * time.Millisecond

// connectOrAsk connects, and meanwhile asks what else of the host answers where that takes long.
func (f *tcpFacts) connectOrAsk(ctx context.Context) {
	done := make(chan dial, 1)
	go func() { done <- connect(ctx, f.dial.addr, sockOptions{}, connectPatience) }()
	if !deepProbes || f.loopback() {
		f.dial = <-done
		return
	}
	timer := time.NewTimer(suspicious)
	defer timer.Stop()
	select {
	case f.dial = <-done:
		return
	case <-timer.C:
	}
	f.whoIsSilent(ctx)
	if f.dial = <-done; f.dial.outcome != silent {
		f.controls, f.hops, f.distance, f.dropped, f.control = nil, nil, 0, false, dial{} // it was only slow
	}
}

// sample makes a few more connections, to see whether the loss of a packet was chance.
func (f *tcpFacts) sample(ctx context.Context) {
	f.samples = 6
	var mu sync.Mutex
	each(f.samples, func(int) {
		d := connect(ctx, f.dial.addr, sockOptions{}, connectPatience)
		mu.Lock()
		defer mu.Unlock()
		if d.again > 0 || d.outcome == silent {
			f.lossy++
		}
	})
}

// whoRefuses compares the refusal with other answers of the host: how far they have come (their TTL, found by having the
// kernel drop what has a lower one), and how far the port is away (found by letting packets pass fewer routers).
func (f *tcpFacts) whoRefuses(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { f.ttl = arrivingTTL(ctx, f.dial) })
	wg.Go(func() { f.trace(ctx) })
	wg.Go(func() {
		f.controls = connectAll(ctx, f.dial.addr, otherPorts(f.dial.addr))
		f.control = comparable(f.controls)
		if f.control.outcome != "" {
			f.hostTTL = arrivingTTL(ctx, f.control)
		}
	})
	wg.Wait()
}

// whoIsSilent asks what else of the host answers, which routers on the way do, and whether
// this machine sends at all.
func (f *tcpFacts) whoIsSilent(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { f.controls = connectAll(ctx, f.dial.addr, otherPorts(f.dial.addr)) })
	wg.Go(func() { f.trace(ctx) })
	wg.Wait()
	f.dropped = dropsHere(ctx, f.dial.addr)
	f.control = answered(f.controls)
}

// trace lets packets pass 1, 2, 3… routers. Where the port answers, its distance is found too.
func (f *tcpFacts) trace(ctx context.Context) {
	found := make([]dial, maxHops)
	each(maxHops, func(i int) { found[i] = connect(ctx, f.dial.addr, sockOptions{ttl: i + 1}, hopPatience) })
	for i, d := range found {
		var hop netip.Addr
		if d.icmp != nil && d.icmp.timeExceeded() {
			hop = d.icmp.from
		} else if d.outcome == f.dial.outcome && d.outcome != silent {
			f.distance = i + 1
			return
		}
		f.hops = append(f.hops, hop)
	}
	for len(f.hops) > 0 && !f.hops[len(f.hops)-1].IsValid() {
		f.hops = f.hops[:len(f.hops)-1]
	}
}

// otherPorts are ports of a host that mostly answer, if only by a refusal.
func otherPorts(addr netip.AddrPort) []uint16 {
	return slices.DeleteFunc([]uint16{443, 80, 22, 9}, func(p uint16) bool { return p == addr.Port() })
}

func connectAll(ctx context.Context, addr netip.AddrPort, ports []uint16) []dial {
	all := make([]dial, len(ports))
	each(len(ports), func(i int) {
		all[i] = connect(ctx, netip.AddrPortFrom(addr.Addr(), ports[i]), sockOptions{}, controlPatience)
	})
	return all
}

// comparable returns the first of some dials that the host itself answered: best a connection, else a refusal.
func comparable(all []dial) dial {
	for _, want := range []outcome{connected, refused} {
		for _, d := range all {
			if d.outcome == want && d.icmp == nil {
				return d
			}
		}
	}
	return dial{}
}

// answered returns the first of some dials that came to the host, by whatever answer of it.
func answered(all []dial) dial {
	if d := comparable(all); d.outcome != "" {
		return d
	}
	for _, d := range all {
		if d.icmp != nil && d.icmp.from == d.addr.Addr() {
			return d
		}
	}
	return dial{}
}

// arrivingTTL returns the TTL that answers of a port arrive with, 0 where it cannot be found. It is
// searched for in halves: the kernel drops what has a lower one than it is told to take.
func arrivingTTL(ctx context.Context, d dial) int {
	patience := min(max(4*d.took, 150*time.Millisecond), 700*time.Millisecond)
	answers := func(least int) bool {
		got := connect(ctx, d.addr, sockOptions{minTTL: least}, patience)
		return got.outcome == d.outcome && got.icmp == nil
	}
	low, high := 1, 256 // it is at least low, and less than high
	for high-low > 1 {
		if mid := (low + high) / 2; answers(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	if low == 1 || ctx.Err() != nil || !answers(low) || answers(low+1) {
		return 0
	}
	return low
}

// routersBack returns how many routers a packet has passed that arrives with a TTL: systems begin with 64, 128 or 255.
func routersBack(ttl int) int {
	for _, begin := range []int{64, 128, 255} {
		if ttl <= begin {
			return begin - ttl
		}
	}
	return 0
}

// isOwn reports whether an address is one of this machine.
func isOwn(a netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil || !a.IsValid() {
		return false
	}
	return slices.ContainsFunc(all, func(n net.Addr) bool {
		p, err := netip.ParsePrefix(n.String())
		return err == nil && p.Addr().Unmap() == a.Unmap()
	})
}

// What a connection does on which nothing is sent.
const (
	idleClosed = "closed at once"
	idleReset  = string(resetByPeer)
	idleBanner = "something is sent"
	idleQuiet  = "quiet"
)

// idle says what a connection does when nothing is sent on it. A server waits; a port
// forwarder without a backend hangs up.
func idle(ctx context.Context, addr netip.AddrPort) string {
	const patience = 700 * time.Millisecond
	conn, d := open(ctx, addr, sockOptions{}, connectPatience)
	if conn == nil {
		if d.outcome == resetByPeer {
			return idleReset
		}
		return ""
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 64)
	n, err := conn.Read(b)
	switch {
	case n > 0:
		return idleBanner
	case outcomeOf(err) == silent:
		return idleQuiet
	case outcomeOf(err) == resetByPeer:
		return idleReset
	}
	return idleClosed
}

// each calls f with 0 to n-1 at once, and returns when all have returned.
func each(n int, f func(int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// systemResolver stands for DNS servers that are not known.
const systemResolver = "of this system"

func (f *dnsFacts) about() *target { return f.target }

// server returns the first server that came to one of some replies.
func (f *dnsFacts) server(of ...reply) *serverFacts {
	for i := range f.servers {
		if slices.Contains(of, f.servers[i].kind()) {
			return &f.servers[i]
		}
	}
	return nil
}

// story is the server whose answer the look-up came to: one that answered goes before one that did not.
func (f *dnsFacts) story() *serverFacts {
	for _, kind := range []reply{gotAddrs, cutOff, nxDomain, noData, servFail, refusesUs, rejectedBy, notAllowed, portClosed, notDNS, noReply, noRoute} {
		if s := f.server(kind); s != nil {
			return s
		}
	}
	return nil
}

func (f *dnsFacts) is(of ...reply) bool {
	s := f.story()
	return len(f.addrs) == 0 && s != nil && slices.Contains(of, s.kind())
}

func (s *serverFacts) overTCP() bool {
	return s != nil && s.tcp != nil && s.tcp.reply != noReply && s.tcp.err == nil
}

// strange is an address that no server outside has.
func strange(a netip.Addr) bool { return a.IsUnspecified() || a.IsLoopback() }

func inside(a netip.Addr) bool { return strange(a) || a.IsPrivate() || a.IsLinkLocalUnicast() }

func (f *dnsFacts) sink() bool {
	name := strings.TrimSuffix(strings.ToLower(f.host), ".")
	return len(f.addrs) > 0 && len(f.hosts) == 0 && !f.literal && name != "localhost" && !strings.HasSuffix(name, ".localhost") &&
		!slices.ContainsFunc(f.addrs, func(a netip.Addr) bool { return !strange(a) })
}

// disagree returns two servers of which one gave an address inside and the other one outside. Other differences are
// usual: the servers of a large site are named to each by what is near.
func (f *dnsFacts) disagree() (a, b *serverFacts) {
	for i := range f.servers {
		s := &f.servers[i]
		if s.a.reply != gotAddrs {
			continue
		}
		if a == nil {
			a = s
		} else if inside(s.a.addrs[0]) != inside(a.a.addrs[0]) {
			return a, s
		}
	}
	return nil, nil
}

// notFound reports whether Go's look-up says that there is no such host; it alone is known where the system does not
// say which DNS servers it has.
func (f *dnsFacts) notFound() bool {
	var e *net.DNSError
	return len(f.addrs) == 0 && errors.As(f.err, &e) && e.IsNotFound
}

// goErr is what Go's look-up says, without the server, which stands elsewhere.
func (f *dnsFacts) goErr() string {
	var e *net.DNSError
	if errors.As(f.err, &e) {
		return oneLine(e.Err)
	}
	return errText(f.err)
}

func (f *dnsFacts) vars() Vars {
	v := f.target.vars().with(Vars{"host": f.host, "count": strconv.Itoa(len(f.servers)), "took": round(f.took), "file": f.hostFile, "resolver": systemResolver})
	if s := f.story(); s != nil {
		v["resolver"], v["answer"], v["waited"] = s.addr.Addr().String(), string(s.kind()), round(s.a.took)
		v["status"] = strings.TrimPrefix(s.a.rcode.String(), "RCode")
		if s.a.icmp != nil {
			v["icmp"], v["box"] = s.a.icmp.String(), s.a.icmp.from.String()
		} else if s.aaaa.icmp != nil {
			v["icmp"], v["box"] = s.aaaa.icmp.String(), s.aaaa.icmp.from.String()
		}
		if s.tcp != nil {
			v["overtcp"] = string(s.tcp.reply)
		}
		if s.a.err != nil {
			v["why"] = errText(s.a.err)
		}
	}
	if s := f.story(); f.is(noRoute) {
		v["ip"] = s.addr.Addr().String()
	}
	if len(f.addrs) > 0 {
		v["ip"] = f.addrs[0].String()
	}
	if len(f.getent) > 0 {
		v["getent"] = join(f.getent)
	}
	if a, b := f.disagree(); a != nil {
		v["resolver"], v["value"], v["other"], v["otherwise"] = a.addr.Addr().String(), join(a.a.addrs), b.addr.Addr().String(), join(b.a.addrs)
	}
	if f.err != nil {
		v["goerr"] = f.goErr()
	}
	return v
}

var dnsEvidence = []string{
	"DNS server {resolver}: {answer}, after {waited}",
	"the refusal is {icmp}, sent by {box}",
	"over TCP the same server says: {overtcp}",
	"Go's own look-up: {goerr}",
	"the C library finds {getent}",
}

// dnsRules say why a name has no address.
var dnsRules = []rule[*dnsFacts]{
	{"MH1208", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(cutOff), Certain) }, dnsEvidence},
	{"MH1201", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(nxDomain), Certain) }, dnsEvidence},
	{"MH1202", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(noData), Certain) }, dnsEvidence},
	{"MH1203", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(servFail), Certain) }, dnsEvidence},
	{"MH1204", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(refusesUs), Certain) }, dnsEvidence},
	{"MH1216", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(rejectedBy), Certain) }, dnsEvidence},
	{"MH1217", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(notAllowed), Certain) }, dnsEvidence},
	{"MH1206", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(portClosed), Certain) }, dnsEvidence},
	{"MH1213", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(notDNS), Certain) }, dnsEvidence},
	{"MH1207", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(noReply) && f.story().overTCP(), Certain) }, dnsEvidence},
	{"MH1205", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(noReply), Likely) }, dnsEvidence},
	{"MH1105", "", func(f *dnsFacts) Confidence { return ifTrue(f.is(noRoute), Certain) }, []string{"DNS server {resolver}: {why}"}},
	{"MH1201", "", func(f *dnsFacts) Confidence { return ifTrue(f.notFound(), Likely) }, []string{"Go's own look-up: {goerr}"}},
	{"MH1205", "", func(f *dnsFacts) Confidence { return ifTrue(len(f.addrs) == 0, Possible) }, []string{"Go's own look-up: {goerr}"}},
}

// dnsWarnings are what is not well with a name that has an address.
var dnsWarnings = []rule[*dnsFacts]{
	{"MH1210", Warn, func(f *dnsFacts) Confidence { a, _ := f.disagree(); return ifTrue(a != nil, Certain) }, nil},
	{"MH1215", Warn, func(f *dnsFacts) Confidence {
		return ifTrue(len(f.servers) > 1 && f.server(gotAddrs) != nil && f.server(noReply, portClosed, rejectedBy) != nil, Certain)
	}, []string{"Go's look-up took {took}"}},
	{"MH1211", Warn, func(f *dnsFacts) Confidence {
		s := f.server(gotAddrs)
		return ifTrue(s != nil && s.a.reply == gotAddrs && s.aaaa.reply == noReply, Certain)
	}, []string{"the question for A was answered in {waited}, that for AAAA was not", "Go's look-up took {took}"}},
	{"MH1212", Warn, func(f *dnsFacts) Confidence {
		s := f.server(gotAddrs)
		return ifTrue(s != nil && s.a.reply == gotAddrs && s.a.took > slowDNS, Certain)
	}, []string{"DNS server {resolver}: {answer}, after {waited}"}},
}

func (f *tcpFacts) about() *target { return f.target }

func (f *tcpFacts) vars() Vars {
	v := f.target.vars().with(Vars{"took": round(f.dial.took), "err": errText(f.dial.err), "outcome": string(f.dial.outcome)})
	if f.dial.addr.IsValid() {
		v["addr"], v["ip"], v["gateway"] = f.dial.addr.String(), f.dial.addr.Addr().String(), gatewayTo(f.dial.addr.Addr())
	}
	if f.dial.icmp != nil {
		v["icmp"], v["why"], v["box"] = f.dial.icmp.String(), f.dial.icmp.String(), f.dial.icmp.from.String()
	}
	if f.control.outcome != "" {
		v["control"] = "port " + strconv.Itoa(int(f.control.addr.Port()))
		v["controlsaid"] = string(f.control.outcome)
	}
	if f.ttl > 0 {
		v["ttl"], v["hops"] = strconv.Itoa(f.ttl), strconv.Itoa(routersBack(f.ttl))
	}
	if f.hostTTL > 0 {
		v["hostttl"], v["hosthops"] = strconv.Itoa(f.hostTTL), strconv.Itoa(routersBack(f.hostTTL))
	}
	if f.distance > 0 {
		v["distance"] = strconv.Itoa(f.distance - 1)
	}
	if last := f.lastHop(); last.IsValid() && f.distance == 0 {
		v["lasthop"] = last.String()
	}
	if f.samples > 0 {
		v["of"], v["count"] = strconv.Itoa(f.samples), strconv.Itoa(f.lossy)
	}
	if f.dial.outcome == unreachable && f.dial.icmp == nil || f.dial.outcome == forbidden {
		v["why"] = errText(f.dial.err)
	}
	return v
}

func (f *tcpFacts) lastHop() netip.Addr {
	if len(f.hops) == 0 {
		return netip.Addr{}
	}
	return f.hops[len(f.hops)-1]
}

// nearer and farther compare how far the refusal has come with how far the host's other answers have.
func (f *tcpFacts) nearer() bool {
	return f.ttl > 0 && f.hostTTL > 0 && routersBack(f.ttl) < routersBack(f.hostTTL)
}

func (f *tcpFacts) farther() bool {
	return f.ttl > 0 && f.hostTTL > 0 && routersBack(f.ttl) > routersBack(f.hostTTL)
}

// byRouter reports whether the refusal has passed fewer routers on its way back than the packet that it
// refuses needed: it is a router on the way that sent it, since a router counts a packet before it filters it.
func (f *tcpFacts) byRouter() bool {
	return f.ttl > 0 && f.distance > 1 && routersBack(f.ttl) < f.distance-1
}

// byHost reports whether the refusal has passed as many routers back as the packet did there, and
// another port of the host is open whose answers come as far.
func (f *tcpFacts) byHost() bool {
	near := f.ttl > 0 && f.distance > 0 && routersBack(f.ttl) == f.distance-1
	alike := f.ttl > 0 && f.ttl == f.hostTTL
	return near && (alike || f.hostTTL == 0) || alike && f.control.outcome == connected
}

func (f *tcpFacts) loopback() bool { return f.dial.addr.Addr().IsLoopback() }

// rejected reports whether an ICMP message refused the connection.
func (f *tcpFacts) rejected() bool {
	return f.dial.icmp != nil && f.dial.icmp.icmp && f.dial.outcome != connected
}

func (f *tcpFacts) fromHost() bool { return f.rejected() && f.dial.icmp.from == f.dial.addr.Addr() }

var tcpEvidence = []string{
	"connecting to {addr}: {outcome} after {took}",
	"{icmp}, sent by {box}",
	"the refusal arrived with TTL {ttl}, so it has passed {hops} routers",
	"answers of the host itself ({control}: {controlsaid}) arrive with TTL {hostttl}, and have passed {hosthops}",
	"a packet needs to pass {distance} routers to be refused",
	"{control} of the same address: {controlsaid}",
	"the last router that answers on the way is {lasthop}",
}

// tcpRules say why an address cannot be connected to.
var tcpRules = []rule[*tcpFacts]{
	{"MH1401", "", func(f *tcpFacts) Confidence {
		return ifTrue(f.dial.outcome == unreachable && f.dial.icmp != nil && (f.own || !f.dial.icmp.icmp) && f.dial.took > 500*time.Millisecond && !f.dial.icmp.portUnreachable() && !f.dial.icmp.prohibited(), Certain)
	}, tcpEvidence},
	{"MH1303", "", func(f *tcpFacts) Confidence { return ifTrue(f.rejected() && f.own && !f.fromHost(), Certain) }, tcpEvidence},
	{"MH1407", "", func(f *tcpFacts) Confidence { return ifTrue(f.rejected() && f.dial.icmp.timeExceeded(), Certain) }, tcpEvidence},
	{"MH1504", "", func(f *tcpFacts) Confidence { return ifTrue(f.fromHost() && f.dial.icmp.hostUnreachable(), Certain) }, tcpEvidence},
	{"MH1310", "", func(f *tcpFacts) Confidence { return ifTrue(f.fromHost(), Certain) }, tcpEvidence},
	{"MH1309", "", func(f *tcpFacts) Confidence { return ifTrue(f.rejected() && f.dial.icmp.prohibited(), Certain) }, tcpEvidence},
	{"MH1301", "", func(f *tcpFacts) Confidence { return ifTrue(f.rejected() && f.dial.icmp.portUnreachable(), Certain) }, tcpEvidence},
	{"MH1504", "", func(f *tcpFacts) Confidence {
		return ifTrue(f.rejected() && f.dial.icmp.hostUnreachable() && f.dial.took > 500*time.Millisecond && answered(f.controls).outcome != "", Likely)
	}, tcpEvidence},
	{"MH1803", "", func(f *tcpFacts) Confidence {
		return ifTrue(f.rejected() && f.dial.icmp.hostUnreachable() && f.dial.took > 500*time.Millisecond, Likely)
	}, tcpEvidence},
	{"MH1301", "", func(f *tcpFacts) Confidence { return ifTrue(f.rejected() && f.dial.icmp.hostUnreachable(), Likely) }, tcpEvidence},
	{"MH1402", "", func(f *tcpFacts) Confidence { return ifTrue(f.rejected(), Likely) }, tcpEvidence},
	{"MH1105", "", func(f *tcpFacts) Confidence {
		return ifTrue(f.dial.outcome == unreachable || f.dial.outcome == forbidden, Certain)
	}, []string{"connecting to {addr}: {why} after {took}, and no packet left"}},
	{"MH1801", "", func(f *tcpFacts) Confidence {
		return ifTrue(f.dial.outcome == refused && f.loopback(), sure(f.closedHere))
	}, tcpEvidence},
	{"MH1302", "", func(f *tcpFacts) Confidence {
		return ifTrue(f.dial.outcome == refused && (f.nearer() || f.byRouter()), sure(f.nearer() && f.control.outcome == connected))
	}, tcpEvidence},
	{"MH1502", "", func(f *tcpFacts) Confidence {
		return ifTrue(f.dial.outcome == refused && f.farther(), sure(f.control.outcome == connected))
	}, tcpEvidence},
	{"MH1801", "", func(f *tcpFacts) Confidence {
		return ifTrue(f.dial.outcome == refused && f.byHost(), Likely)
	}, tcpEvidence},
	{"MH1802", "", func(f *tcpFacts) Confidence { return ifTrue(f.dial.outcome == refused, Likely) }, tcpEvidence},
	{"MH1501", "", func(f *tcpFacts) Confidence { return ifTrue(f.dial.outcome == resetByPeer, Likely) }, tcpEvidence},
	{"MH1306", "", func(f *tcpFacts) Confidence { return ifTrue(f.dial.outcome == silent && f.dropped, Likely) }, []string{
		"connecting to {addr}: {outcome} after {took}", "the kernel could not send what it had to send again (TCPRetransFail)", "{control} of the same address: {controlsaid}"}},
	{"MH1304", "", func(f *tcpFacts) Confidence {
		return ifTrue(f.dial.outcome == silent && f.control.outcome != "", Likely)
	}, tcpEvidence},
	{"MH1305", "", func(f *tcpFacts) Confidence { return ifTrue(f.dial.outcome == silent, Possible) }, tcpEvidence},
}

// tcpWarnings are what is not well with an address that can be connected to.
var tcpWarnings = []rule[*tcpFacts]{
	{"MH1405", Warn, func(f *tcpFacts) Confidence { return ifTrue(f.dial.outcome == connected && f.lossy > 0, Certain) }, nil},
}

func (f *tunnelFacts) about() *target { return f.target }

func (f *tunnelFacts) vars() Vars {
	v := f.target.vars().with(Vars{"status": f.status, "took": round(f.took), "err": errText(f.err), "hint": oneLine(f.header.Get("X-Squid-Error")), "scheme": oneLine(f.header.Get("Proxy-Authenticate")), "server": oneLine(f.header.Get("Server"))})
	v["why"] = "None was sent."
	if f.sent {
		v["why"] = "The one in " + v["name"] + " was refused."
	}
	return v
}

var tunnelEvidence = []string{"asking {proxy} for {host}:{port}: {status}", "its reason: {hint}", "it asks for: {scheme}", "it calls itself {server}", "{err} after {took}"}

// tunnelRules say why an HTTP proxy does not connect to a server.
var tunnelRules = []rule[*tunnelFacts]{
	{"MH1604", "", func(f *tunnelFacts) Confidence { return ifTrue(f.code == 407, Certain) }, tunnelEvidence},
	{"MH1606", "", func(f *tunnelFacts) Confidence { return ifTrue(f.code >= 500, Certain) }, tunnelEvidence},
	{"MH1605", "", func(f *tunnelFacts) Confidence { return ifTrue(f.code != 0, Certain) }, tunnelEvidence},
	{"MH1603", "", func(f *tunnelFacts) Confidence { return ifTrue(outcomeOf(f.err) == silent, Certain) }, tunnelEvidence},
	{"MH1607", "", func(f *tunnelFacts) Confidence { return ifTrue(f.err != nil, Certain) }, tunnelEvidence},
}

func join(addrs []netip.Addr) string {
	var all []string
	for _, a := range addrs {
		all = append(all, a.String())
	}
	return strings.Join(all, ", ")
}

// round returns a time as people write it.
func round(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// gatewayTo returns the next hop to an address, the address itself where it is in this network, as far as can be found.
func gatewayTo(a netip.Addr) string {
	if runtime.GOOS != "linux" || !a.Is4() {
		return a.String()
	}
	if g := routeTo(a); g.IsValid() {
		return g.String()
	}
	return a.String()
}

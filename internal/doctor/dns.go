package doctor

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/modhaven/modhaven/internal/doctor/trace"
)

// How long one try of a question may take, and how often it is asked. Go's own look-up is given up
// when what it waits for is known.
const (
	dnsPatience    = 1400 * time.Millisecond
	dnsTries       = 2
	lookupPatience = 3 * time.Second
	slowDNS        = 800 * time.Millisecond
)

// A reply is what became of a question to one DNS server.
type reply string

const (
	gotAddrs   reply = "addresses"
	noData     reply = "no address" // the name exists
	nxDomain   reply = "NXDOMAIN"
	servFail   reply = "SERVFAIL"
	refusesUs  reply = "REFUSED" // or NOTIMP and the like
	noReply    reply = "no answer"
	portClosed reply = "port closed"
	rejectedBy reply = "rejected"  // by another machine, with ICMP
	notAllowed reply = "forbidden" // by this machine
	noRoute    reply = "no route"
	notDNS     reply = "not an answer"
	cutOff     reply = "too long for UDP"
)

// A dnsAnswer is what one server said to one question.
type dnsAnswer struct {
	reply reply
	rcode dnsmessage.RCode
	addrs []netip.Addr
	icmp  *icmpError
	err   error
	took  time.Duration
}

// serverFacts are what one server said.
type serverFacts struct {
	addr    netip.AddrPort
	a, aaaa dnsAnswer
	tcp     *dnsAnswer // of an A question, where UDP was not enough
}

// dnsFacts are what is known of a host's name.
type dnsFacts struct {
	target   *target
	host     string
	literal  bool // it is an address itself
	hosts    []netip.Addr
	hostFile string
	servers  []serverFacts
	addrs    []netip.Addr // that Go would use, in its order
	err      error        // of Go's look-up
	took     time.Duration
	getent   []netip.Addr
}

// examineDNS looks a host up: as Go does, as the C library does, and at each server by itself.
func examineDNS(ctx context.Context, m *machine, t *target, host string) *dnsFacts {
	f := &dnsFacts{target: t, host: host}
	if a, err := netip.ParseAddr(host); err == nil {
		f.literal, f.addrs = true, []netip.Addr{a.Unmap()}
		return f
	}
	f.hostFile, f.hosts = m.hostsFile, m.hosts[strings.ToLower(strings.TrimSuffix(host, "."))]
	f.servers = make([]serverFacts, len(m.resolvers))
	var wg sync.WaitGroup
	if len(f.hosts) == 0 || m.hostsFile == "" {
		wg.Go(func() { each(len(m.resolvers), func(i int) { f.servers[i] = askServer(ctx, m.resolvers[i], host) }) })
	} else {
		f.servers = nil
	}
	wg.Go(func() { f.lookup(ctx, m) })
	if m.given == "" {
		wg.Go(func() { f.getent = getent(ctx, host) })
	}
	wg.Wait()
	if len(f.addrs) == 0 { // Go would get them, later
		for _, s := range f.servers {
			if f.addrs = slices.Concat(s.a.addrs, s.aaaa.addrs); len(f.addrs) > 0 {
				break
			}
			if s.tcp != nil && len(s.tcp.addrs) > 0 && s.a.reply == cutOff {
				f.addrs = s.tcp.addrs
				break
			}
		}
	}
	return f
}

// lookup asks as the go command does.
func (f *dnsFacts) lookup(ctx context.Context, m *machine) {
	ctx, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()
	start := time.Now()
	addrs, err := m.resolver().LookupNetIP(ctx, "ip", f.host)
	f.took, f.err = time.Since(start), err
	for _, a := range addrs {
		f.addrs = append(f.addrs, a.Unmap())
	}
}

// getent asks as the C library does; nil where that cannot be done.
func getent(ctx context.Context, host string) []netip.Addr {
	name, err := exec.LookPath("getent")
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, "ahosts", host)
	cmd.WaitDelay = 100 * time.Millisecond
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	var all []netip.Addr
	for line := range strings.Lines(string(out)) {
		if w := strings.Fields(line); len(w) > 0 {
			if a, err := netip.ParseAddr(w[0]); err == nil && !slices.Contains(all, a.Unmap()) {
				all = append(all, a.Unmap())
			}
		}
	}
	return all
}

// askServer asks one server for both kinds of addresses, and over TCP where UDP leaves a doubt.
func askServer(ctx context.Context, server netip.AddrPort, host string) serverFacts {
	s := serverFacts{addr: server}
	var wg sync.WaitGroup
	wg.Go(func() { s.a = ask(ctx, server, host, dnsmessage.TypeA) })
	wg.Go(func() { s.aaaa = ask(ctx, server, host, dnsmessage.TypeAAAA) })
	wg.Wait()
	if s.a.reply == noReply || s.a.reply == cutOff || s.a.reply == notDNS {
		a := exchangeDNS(ctx, "tcp", server, host, dnsmessage.TypeA)
		s.tcp = &a
	}
	return s
}

// kind is what the server comes to. An address of either kind is an answer.
func (s serverFacts) kind() reply {
	switch {
	case s.a.reply == gotAddrs || s.aaaa.reply == gotAddrs:
		return gotAddrs
	case s.a.reply == noReply && s.aaaa.reply != noReply: // ICMP is sent once a second, so that one question may go without
		return s.aaaa.reply
	}
	return s.a.reply
}

// ask asks over UDP, again where nothing comes.
func ask(ctx context.Context, server netip.AddrPort, host string, of dnsmessage.Type) (a dnsAnswer) {
	for range dnsTries {
		a = exchangeDNS(ctx, "udp", server, host, of)
		if a.reply != noReply {
			return a
		}
	}
	return a
}

func exchangeDNS(ctx context.Context, network string, server netip.AddrPort, host string, of dnsmessage.Type) (a dnsAnswer) {
	start := time.Now()
	defer func() { a.took = time.Since(start) }()
	ctx, cancel := context.WithTimeout(ctx, dnsPatience)
	defer cancel()
	id := uint16(rand.Uint32())
	q, err := question(id, host, of)
	if err != nil {
		return dnsAnswer{reply: nxDomain, err: err} // what is no name cannot exist
	}
	s := new(socket)
	defer s.close()
	d := net.Dialer{Control: s.watch(sockOptions{})}
	conn, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return noExchange(s, server, err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if network == "tcp" {
		q = append([]byte{byte(len(q) >> 8), byte(len(q))}, q...)
	}
	if _, err := conn.Write(q); err != nil {
		return noExchange(s, server, err)
	}
	return readReply(conn, network, func(err error) dnsAnswer { return noExchange(s, server, err) }, id, of)
}

// readReply reads until the answer to the question comes.
func readReply(conn net.Conn, network string, failed func(error) dnsAnswer, id uint16, of dnsmessage.Type) dnsAnswer {
	b := make([]byte, 64<<10)
	garbage := false
	for range 16 {
		n, err := readMessage(conn, network, b)
		if err != nil {
			if garbage {
				return dnsAnswer{reply: notDNS, err: err}
			}
			return failed(err)
		}
		if a, ok := parseReply(b[:n], id, of); ok {
			return a
		}
		garbage = true
	}
	return dnsAnswer{reply: notDNS}
}

func readMessage(conn net.Conn, network string, b []byte) (int, error) {
	if network == "udp" {
		return conn.Read(b)
	}
	if _, err := io.ReadFull(conn, b[:2]); err != nil {
		return 0, err
	}
	n := int(b[0])<<8 | int(b[1])
	return io.ReadFull(conn, b[:n])
}

// noExchange says why there is no answer.
func noExchange(s *socket, server netip.AddrPort, err error) dnsAnswer {
	a := dnsAnswer{reply: noReply, err: err}
	if m, ok := s.icmp(); ok {
		a.icmp = &m
	}
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		a.reply = notAllowed
	case a.icmp != nil && a.icmp.icmp && a.icmp.from != server.Addr() && isOwn(a.icmp.from) && a.icmp.portUnreachable() && !isOwn(server.Addr()):
		a.reply = notAllowed
	case a.icmp != nil && a.icmp.icmp && a.icmp.from != server.Addr() && !isOwn(a.icmp.from):
		a.reply = rejectedBy
	case errors.Is(err, syscall.ECONNREFUSED):
		a.reply = portClosed
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EINVAL):
		a.reply = noRoute
	}
	return a
}

// question returns a question as Go's resolver sends it.
func question(id uint16, host string, of dnsmessage.Type) ([]byte, error) {
	name, err := dnsmessage.NewName(strings.TrimSuffix(host, ".") + ".")
	if err != nil {
		return nil, err
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true})
	err = errors.Join(b.StartQuestions(), b.Question(dnsmessage.Question{Name: name, Type: of, Class: dnsmessage.ClassINET}), b.StartAdditionals())
	var h dnsmessage.ResourceHeader
	const size = 1232 // https://www.dnsflagday.net/2020/
	err = errors.Join(err, h.SetEDNS0(size, dnsmessage.RCodeSuccess, false), b.OPTResource(h, dnsmessage.OPTResource{}))
	if err != nil {
		return nil, err
	}
	return b.Finish()
}

// parseReply reads a message. It reports false for what is no answer to the question.
func parseReply(b []byte, id uint16, of dnsmessage.Type) (a dnsAnswer, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.ID != id || !h.Response {
		return a, false
	}
	if q, err := p.AllQuestions(); err != nil || len(q) > 0 && q[0].Type != of {
		return a, false
	}
	a.rcode = h.RCode
	switch {
	case h.RCode == dnsmessage.RCodeNameError:
		a.reply = nxDomain
	case h.RCode == dnsmessage.RCodeServerFailure:
		a.reply = servFail
	case h.RCode != dnsmessage.RCodeSuccess:
		a.reply = refusesUs
	case h.Truncated:
		a.reply = cutOff
	default:
		a.addrs = trace.Addresses(&p)
		a.reply = noData
		if len(a.addrs) > 0 {
			a.reply = gotAddrs
		}
	}
	return a, true
}

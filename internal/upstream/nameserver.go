package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
)

const resolvConf = "/etc/resolv.conf"

// maxServers is what the resolvers of the systems use of resolv.conf (resolv.conf(5), MAXNS).
const maxServers = 3

// servers returns the DNS servers to go round, at least one; "" is the system's resolver. The file is read each time:
// a VPN or a new network changes it.
func (r *Resolver) servers() []string {
	if len(r.Servers) > 0 {
		return r.Servers
	}
	switch runtime.GOOS {
	case "windows", "darwin", "ios": // where the file does not say what the system does
		return []string{""}
	}
	b, err := os.ReadFile(resolvConf)
	if err != nil {
		return []string{""}
	}
	if list := nameservers(string(b)); len(list) > 0 {
		return list
	}
	return []string{""}
}

// nameservers returns the servers of a resolv.conf, HOST:PORT.
func nameservers(conf string) (list []string) {
	for line := range strings.Lines(conf) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(list) == maxServers {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			list = append(list, netip.AddrPortFrom(a, 53).String())
		}
	}
	return list
}

// askDNS is one try by Go's own resolver, which knows the hosts file and the search list, at one server. "" is the
// resolver that the system has.
func askDNS(ctx context.Context, server, network, name string) ([]netip.Addr, error) {
	if server == "" {
		return new(net.Resolver).LookupNetIP(ctx, network, name)
	}
	r := net.Resolver{PreferGo: true, Dial: func(dctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(dctx, network, server)
		if err == nil {
			// net waits for a packet until its own deadline, and not for the end of ctx.
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}}
	return r.LookupNetIP(ctx, network, name)
}

// noSuchHost reports whether a server said that there are no such addresses: no such name (NXDOMAIN), or none
// of this family, which net does not tell apart.
func noSuchHost(err error) bool {
	var dns *net.DNSError
	var addr *net.AddrError // the hosts file has the name, in the other family
	return errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &addr)
}

// A LookupError says why the address of a host is not known. It wraps a *net.DNSError, whose Server is the one that
// was asked last.
type LookupError struct {
	Host     string
	NotFound bool // a server says that there is no such host; else none gave an answer
	dns      *net.DNSError
	tries    []dnsTry
}

// lookupError says what came of a look-up without addresses. Trouble with one family outweighs the
// absence of the other.
func lookupError(name string, all []dnsAnswer) *LookupError {
	a := all[0]
	for _, o := range all {
		if a.absent && !o.absent {
			a = o
		}
	}
	last := a.tries[len(a.tries)-1]
	e := &LookupError{Host: name, NotFound: a.absent, tries: a.tries, dns: &net.DNSError{Err: last.err.Error(), IsNotFound: a.absent}}
	var dns *net.DNSError
	if errors.As(last.err, &dns) {
		*e.dns = *dns
	}
	e.dns.Name, e.dns.Server = name, last.server
	return e
}

func (e *LookupError) Error() string {
	var said []string
	for _, t := range e.tries {
		if e.NotFound && !noSuchHost(t.err) {
			continue
		}
		s := serverName(t.server)
		if !e.NotFound {
			s += ": " + netReason(t.err)
		}
		if !slices.Contains(said, s) {
			said = append(said, s)
		}
	}
	if e.NotFound {
		return fmt.Sprintf("%s: no such host, says %s; check the name, and whether only another network (a VPN) knows it", e.Host, strings.Join(said, " and "))
	}
	return fmt.Sprintf("%s: its address could not be looked up (%s); check the network, and the DNS servers that this machine is set up with", e.Host, strings.Join(said, "; "))
}

// Unwrap returns the *net.DNSError.
func (e *LookupError) Unwrap() error { return e.dns }

// Timeout makes it a timeout to whoever asks (net.Error).
func (e *LookupError) Timeout() bool { return e.dns.IsTimeout }

// Temporary reports whether it may pass.
func (e *LookupError) Temporary() bool { return !e.NotFound }

func serverName(server string) string {
	if server == "" {
		return "the system's resolver"
	}
	return "DNS server " + server
}

// netReason returns an error of package net without the addresses, which stand before it.
func netReason(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		if dns.IsTimeout {
			return "no answer in time"
		}
		return dns.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		if op.Timeout() {
			return "no answer in time"
		}
		return op.Err.Error()
	}
	return err.Error()
}

package upstream_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/modhaven/modhaven/internal/upstream"
)

// A reply is what a DNS server says to a question.
type reply struct {
	code   dnsmessage.RCode
	addrs  []netip.Addr // of which those of the asked type are sent
	silent dnsmessage.Type
}

// nameserver answers on a UDP socket with what reply says of a name without its final dot.
func nameserver(t *testing.T, replies func(name string) reply) string {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			r := replies(strings.TrimSuffix(q.Name.String(), "."))
			if r.silent == q.Type || r.silent == dnsmessage.TypeALL {
				continue
			}
			if out, err := answerTo(m, r).Pack(); err == nil {
				conn.WriteToUDPAddrPort(out, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn.LocalAddr().String()
}

func answerTo(m dnsmessage.Message, r reply) *dnsmessage.Message {
	q := m.Questions[0]
	out := &dnsmessage.Message{Questions: m.Questions}
	out.ID, out.Response, out.RecursionAvailable, out.RCode = m.ID, true, true, r.code
	for _, a := range r.addrs {
		head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return out
}

func always(r reply) func(string) reply { return func(string) reply { return r } }

// zone has hosts of each kind.
func zone(name string) reply {
	switch name {
	case "both.test":
		return reply{addrs: []netip.Addr{v4, v6}}
	case "four.test":
		return reply{addrs: []netip.Addr{v4}}
	case "six.test":
		return reply{addrs: []netip.Addr{v6}}
	case "deaf.test":
		return reply{addrs: []netip.Addr{v4, v6}, silent: dnsmessage.TypeAAAA}
	}
	return reply{code: dnsmessage.RCodeNameError}
}

// TestDNS asks real sockets: what a server says, and which server is asked after one that says nothing good.
func TestDNS(t *testing.T) {
	good := nameserver(t, zone)
	sick := nameserver(t, always(reply{code: dnsmessage.RCodeServerFailure}))
	ignorant := nameserver(t, always(reply{code: dnsmessage.RCodeNameError}))
	refusing := nameserver(t, always(reply{code: dnsmessage.RCodeRefused}))
	silent := nameserver(t, always(reply{silent: dnsmessage.TypeALL}))
	var closed string
	t.Run("close", func(t *testing.T) { closed = nameserver(t, zone) }) // its port is nobody's now
	tests := []struct {
		name    string
		host    string
		servers []string
		want    string
		wait    time.Duration // 0: the default
		err     string        // a part; SERVER is the one that is asked
	}{
		{"both", "both.test", []string{good}, "[", 0, ""},
		{"no AAAA", "four.test", []string{good}, "[192.0.2.1]", 0, ""},
		{"no A", "six.test", []string{good}, "[2001:db8::1]", 0, ""},
		{"AAAA is not answered", "deaf.test", []string{good}, "[192.0.2.1]", 300 * time.Millisecond, ""},
		{"NXDOMAIN", "none.test", []string{good}, "[]", 0, "none.test: no such host, says DNS server SERVER; check the name"},
		{"SERVFAIL", "both.test", []string{sick}, "[]", 0, "both.test: its address could not be looked up (DNS server SERVER: server misbehaving); check the network"},
		{"silence", "both.test", []string{silent}, "[]", 50 * time.Millisecond, "(DNS server SERVER: no answer in time)"},
		{"closed", "both.test", []string{closed}, "[]", 0, "both.test: its address could not be looked up (DNS server SERVER: "},
		{"SERVFAIL, then right", "four.test", []string{sick, good}, "[192.0.2.1]", 0, ""},
		{"REFUSED, then right", "four.test", []string{refusing, good}, "[192.0.2.1]", 0, ""},
		{"NXDOMAIN, then right", "four.test", []string{ignorant, good}, "[192.0.2.1]", 0, ""},
		{"silence, then right", "four.test", []string{silent, silent, good}, "[192.0.2.1]", time.Second, ""},
		{"closed, then right", "four.test", []string{closed, good}, "[192.0.2.1]", 0, ""},
		{"the hosts file", "localhost", []string{ignorant}, "127.0.0.1", 0, ""},
		{"the hosts file, as the machine is set up", "localhost", nil, "127.0.0.1", 0, ""},
		{"the hosts file by the system's resolver", "localhost", []string{""}, "127.0.0.1", 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &upstream.Resolver{Servers: test.servers, Timeout: test.wait}
			got, err := r.Lookup(t.Context(), test.host)
			if !strings.Contains(fmt.Sprint(got), test.want) {
				t.Errorf("got %v, want %s", got, test.want)
			}
			want := strings.ReplaceAll(test.err, "SERVER", strings.Join(test.servers, " "))
			if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			var dns *net.DNSError
			if err != nil && !errors.As(err, &dns) {
				t.Errorf("%v is no DNS error", err)
			}
		})
	}
}

package upstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/upstream"
)

// answerAll takes connections and has f do with each what it likes.
func answerAll(t *testing.T, f func(c *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	proxytest.Register(l.Addr().String())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f(c.(*net.TCPConn))
		}
	}()
	return upTest(l.Addr())
}

// firstBytes waits for a request, so that what comes next is an answer to it.
func firstBytes(c net.Conn) { _, _ = c.Read(make([]byte, 4<<10)) }

func resets(c *net.TCPConn) {
	firstBytes(c)
	_ = c.SetLinger(0)
	c.Close()
}

func closes(c *net.TCPConn) {
	firstBytes(c)
	c.Close()
}

// TestWords: what a client reads says which kind of trouble it is, seen over real connections.
func TestWords(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	trusted := goproxy.UpstreamOptions{CA: a.file}
	now := time.Now()
	secure := func(conf *authority, from, to time.Time) string {
		return upTest(serveTLS(t, conf.dated(t, from, to), sayText("v1.0.0\n")).Listener.Addr())
	}
	wants := a.server(t, true)
	wants.MaxVersion = tls.VersionTLS12 // in TLS 1.3 the client believes that the handshake is over before it is refused
	good := secure(a, now.Add(-time.Hour), now.Add(time.Hour))
	plain := proxytest.NewServer(t, sayText("hello"))
	plainAddr := strings.Replace(strings.TrimPrefix(plain.URL, "http://"), "127.0.0.1", "up.test", 1)
	refuses := closedAddr(t)
	proxy := proxytest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	page := proxytest.New(t)
	page.Fail("*", proxytest.HTML())
	cut := proxytest.New(t)
	cut.Fail("*", proxytest.Close(3))
	tests := []struct {
		name, base string
		o          goproxy.UpstreamOptions
		want       string // a regular expression
	}{
		{"refused", "http://" + refuses, trusted, `^connection refused \(nothing listens on 127\.0\.0\.1:\d+, or a firewall rejects it\); check that the server runs`},
		{"reset", "http://" + answerAll(t, resets), trusted, `^connection reset by the server, or by something on the way$`},
		{"closed", "http://" + answerAll(t, closes), trusted, `^the connection was closed too early$`},
		{"unknown authority", "https://" + secure(stranger, now.Add(-time.Hour), now.Add(time.Hour)), trusted, `^its certificate is of an unknown authority \(signed by CN=test authority\); an authority of your own`},
		{"expired", "https://" + secure(a, now.Add(-48*time.Hour), now.Add(-24*time.Hour)), trusted, `^its certificate expired on \d{4}-\d\d-\d\d; its owner`},
		{"not yet valid", "https://" + secure(a, now.Add(24*time.Hour), now.Add(48*time.Hour)), trusted, `^its certificate is not valid before \d{4}-\d\d-\d\d; check`},
		{"another name", "https://" + strings.Replace(good, "up.test", "else.test", 1), trusted, `^its certificate is for another name \(up\.test\)$`},
		{"plain HTTP", "https://" + plainAddr, trusted, `^no TLS: plain HTTP is spoken there; write http://`},
		{"no TLS", "https://" + answerAll(t, func(c *net.TCPConn) { _, _ = c.Write([]byte("SSH-2.0-x\r\n")); closes(c) }), trusted, `^no TLS: something else is spoken there; check the port$`},
		{"an alert", "https://" + upTest(serveTLS(t, wants, sayText("")).Listener.Addr()), trusted, `^the TLS handshake was refused by the server \([a-z ]+\)$`},
		{"the HTTP proxy wants a password", "https://" + good, goproxy.UpstreamOptions{CA: a.file, Proxy: "http://user:planted@" + strings.TrimPrefix(proxy.URL, "http://")}, `407`},
		{"nobody at the HTTP proxy", "https://" + good, goproxy.UpstreamOptions{CA: a.file, Proxy: "http://user:planted@" + strings.Replace(refuses, "up.test", "proxy.test", 1)}, `proxy\.test:\d+: connection refused \(nothing listens on 127\.0\.0\.1:\d+`},
		{"a page", page.URL, trusted, `^an HTML page came, not a module file`},
		{"cut off", cut.URL, trusted, `^the answer broke off after 3 of \d+ bytes: the connection was closed too early$`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := sourceOver(t, tt.base, transport(t, tt.o)).Fetch(t.Context(), plainFile(goproxy.Mod), &sink{})
			check := regexp.MustCompile(tt.want)
			if got := strings.TrimPrefix(err.Error(), tt.base+": "); !check.MatchString(got) || strings.Contains(got, "planted") {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			var u *goproxy.Unavailable
			var w *goproxy.Wrong
			if !errors.As(err, &u) && !errors.As(err, &w) {
				t.Errorf("%T is neither trouble nor a wrong file", err)
			}
		})
	}
}

// closedAddr is an address at up.test where nothing listens.
func closedAddr(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(nil)
	proxytest.Register(s.Listener.Addr().String())
	s.Close()
	return upTest(s.Listener.Addr())
}

// TestWordsOfNames: a name that nobody has and a resolver that fails are told apart.
func TestWordsOfNames(t *testing.T) {
	for _, tt := range []struct {
		name string
		dns  net.DNSError
		want string
	}{
		{"NXDOMAIN", net.DNSError{Err: "no such host", IsNotFound: true}, "up.test: no such host, says DNS server 192.0.2.53:53; check the name"},
		{"SERVFAIL", net.DNSError{Err: "server misbehaving", IsTemporary: true}, "up.test: its address could not be looked up (DNS server 192.0.2.53:53: server misbehaving)"},
		{"silence", net.DNSError{Err: "i/o timeout", IsTimeout: true}, "up.test: its address could not be looked up (DNS server 192.0.2.53:53: no answer in time)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &upstream.Resolver{Servers: []string{"192.0.2.53:53"}, Ask: func(context.Context, string, string, string) ([]netip.Addr, error) { return nil, &tt.dns }}
			d := loopback()
			d.Lookup = r.Lookup
			tr, err := upstream.BuildTransport(upstream.DefaultTimeouts, goproxy.UpstreamOptions{Proxy: "direct"}, d)
			if err != nil {
				t.Fatal(err)
			}
			_, err = sourceOver(t, "http://up.test", tr).List(t.Context(), "example.com/plain")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

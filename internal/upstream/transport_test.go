package upstream_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/upstream"
)

var quiet = log.New(io.Discard, "", 0)

// getFrom asks for an address and returns the protocol and the body, or the error without the address.
func getFrom(t *testing.T, rt http.RoundTripper, addr string) (proto, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(upstream.WithDialLimit(t.Context()), http.MethodGet, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.Proto, string(b), err
}

func sayText(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }
}

// TestTLSFiles: an authority of one's own, a certificate of one's own, HTTP/2.
func TestTLSFiles(t *testing.T) {
	a := newAuthority(t)
	open := serveTLS(t, a.server(t, false), sayText("open"))
	closed := serveTLS(t, a.server(t, true), sayText("closed"))
	old := a.server(t, false)
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 // which is refused
	ancient := serveTLS(t, old, sayText("ancient"))
	cert, key := a.client(t)
	tests := []struct {
		name   string
		o      goproxy.UpstreamOptions
		server *httptest.Server
		want   string
		err    string
	}{
		{"own authority", goproxy.UpstreamOptions{CA: a.file}, open, "HTTP/2.0 open", ""},
		{"unknown authority", goproxy.UpstreamOptions{}, open, "", "certificate"},
		{"client certificate", goproxy.UpstreamOptions{CA: a.file, Cert: cert, Key: key}, closed, "HTTP/2.0 closed", ""},
		{"no client certificate", goproxy.UpstreamOptions{CA: a.file}, closed, "", ""},
		{"TLS 1.1", goproxy.UpstreamOptions{CA: a.file}, ancient, "", "protocol version"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			proto, body, err := getFrom(t, transport(t, test.o), "https://"+upTest(test.server.Listener.Addr()))
			if got := strings.TrimSpace(proto + " " + body); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if (err != nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %v, want %q", err, test.err)
			}
		})
	}
}

// TestWrongOptions: errors name the file or the address, and keep passwords to themselves.
func TestWrongOptions(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.client(t)
	_, otherKey := a.client(t)
	none := filepath.Join(t.TempDir(), "none.pem")
	text := writeFile(t, "text.pem", "hello")
	tests := []struct {
		name string
		o    goproxy.UpstreamOptions
		want []string
	}{
		{"no authorities", goproxy.UpstreamOptions{CA: none}, []string{"certificate authorities", none}},
		{"authorities that are none", goproxy.UpstreamOptions{CA: text}, []string{text, "PEM"}},
		{"no certificate", goproxy.UpstreamOptions{Cert: none, Key: key}, []string{none}},
		{"no key", goproxy.UpstreamOptions{Cert: cert, Key: none}, []string{none}},
		{"another's key", goproxy.UpstreamOptions{Cert: cert, Key: otherKey}, []string{cert, otherKey}},
		{"no key in the file", goproxy.UpstreamOptions{Cert: cert}, []string{cert}},
		{"a key alone", goproxy.UpstreamOptions{Key: key}, []string{key, "set cert too"}},
		{"a proxy's address", goproxy.UpstreamOptions{Proxy: "http://u:secret@%zz"}, []string{"proxy …@%zz"}},
		{"a proxy without a host", goproxy.UpstreamOptions{Proxy: "http://"}, []string{"proxy http://"}},
		{"a proxy's scheme", goproxy.UpstreamOptions{Proxy: "ftp://u:secret@p.test"}, []string{"ftp://…@p.test", "scheme"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := upstream.BuildTransport(upstream.DefaultTimeouts, test.o, loopback())
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(test.want, "") {
				if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

// An httpProxy connects as an HTTP proxy does, or answers with a status.
func httpProxy(t *testing.T, status int, through *atomic.Int32) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		through.Add(1)
		_, port, _ := net.SplitHostPort(r.Host)
		up, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		down, _, _ := w.(http.Hijacker).Hijack()
		io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { io.Copy(up, down); up.Close() }()
		go func() { io.Copy(down, up); down.Close() }()
	}))
	t.Cleanup(s.Close)
	proxytest.Register(s.Listener.Addr().String())
	return s.Listener.Addr().String()
}

func TestHTTPProxy(t *testing.T) {
	a := newAuthority(t)
	up := serveTLS(t, a.server(t, false), sayText("hello"))
	addr := upTest(up.Listener.Addr())
	var through atomic.Int32
	proxy := httpProxy(t, 200, &through)
	for _, p := range []string{"http://u:secret@" + proxy, proxy} {
		if proto, body, err := getFrom(t, transport(t, goproxy.UpstreamOptions{CA: a.file, Proxy: p}), "https://"+addr); body != "hello" || proto != "HTTP/2.0" {
			t.Errorf("%s: %s %q, %v", p, proto, body, err)
		}
	}
	if n := through.Load(); n != 2 {
		t.Errorf("%d went through the proxy", n)
	}
	for status, advice := range map[int]string{407: "user", 403: "allows", 502: "reach", 503: "reach"} {
		proxy := httpProxy(t, status, &through)
		_, _, err := getFrom(t, transport(t, goproxy.UpstreamOptions{CA: a.file, Proxy: "http://u:secret@" + proxy}), "https://"+addr)
		var e *upstream.ProxyError
		if !errors.As(err, &e) {
			t.Errorf("%d: got %v", status, err)
			continue
		}
		if e.Status != status || e.Proxy != proxy || e.Target != addr {
			t.Errorf("%d: %+v", status, e)
		}
		said := err.Error()
		if !strings.HasPrefix(said, "HTTP proxy "+proxy+": ") || !strings.Contains(said, http.StatusText(status)) || !strings.Contains(said, advice) || strings.Contains(said, "secret") {
			t.Errorf("%d: %s", status, said)
		}
	}
}

// goaway is an HTTP/2 server that takes leave of each connection at its first request, as one that is shut down. It
// counts the connections.
func goaway(t *testing.T, conf *tls.Config) (net.Addr, *atomic.Int32) {
	conf.NextProtos = []string{"h2"}
	l, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		t.Fatal(err)
	}
	proxytest.Register(l.Addr().String())
	var conns atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			leave(conn)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr(), &conns
}

func leave(conn net.Conn) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	f.WriteSettings()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		if _, ok := frame.(*http2.HeadersFrame); ok {
			f.WriteGoAway(0, http2.ErrCodeNo, nil)
			return
		}
	}
}

// TestGoawayEnds: net/http goes on for ever (https://go.dev/issue/52459), and hands the values of a request's context to the
// dialer, where the limit ends it.
func TestGoawayEnds(t *testing.T) {
	a := newAuthority(t)
	addr, conns := goaway(t, a.server(t, false))
	_, _, err := getFrom(t, transport(t, goproxy.UpstreamOptions{CA: a.file}), "https://"+upTest(addr))
	var limit *upstream.DialLimitError
	if !errors.As(err, &limit) || limit.Addr != upTest(addr) || !strings.Contains(err.Error(), "GOAWAY") {
		t.Errorf("got %v", err)
	}
	if n := conns.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}

// TestRenew: a request that hangs goes on, the next one has another connection, and none is left at the end.
func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("up.test", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				time.Sleep(time.Minute)
			}
			io.WriteString(w, "hello")
		})
		d := &upstream.Dialer{
			Lookup: loopback().Lookup,
			Dial:   n.dial,
		}
		n.hosts["127.0.0.1:80"] = n.hosts["up.test:80"]
		tr, err := upstream.BuildTransport(upstream.DefaultTimeouts, goproxy.UpstreamOptions{Proxy: "direct"}, d)
		if err != nil {
			t.Fatal(err)
		}
		ask := func(path string) {
			if _, body, err := getFrom(t, tr, "http://up.test"+path); body != "hello" {
				t.Errorf("%s: %q, %v", path, body, err)
			}
			synctest.Wait()
		}
		dials := func(want int) {
			t.Helper()
			if _, dials := n.open(); dials != want {
				t.Errorf("%d connections were made, want %d", dials, want)
			}
		}
		ask("/")
		ask("/")
		dials(1)
		slow := make(chan struct{})
		go func() { defer close(slow); ask("/slow") }()
		synctest.Wait()
		tr.Renew()
		tr.Renew()
		ask("/")
		dials(2)
		tr.Renew() // too early
		ask("/")
		dials(2)
		time.Sleep(time.Second)
		tr.Renew()
		ask("/")
		dials(3)
		<-slow
		synctest.Wait()
		if open, _ := n.open(); open != 1 {
			t.Errorf("%d connections are open", open)
		}
		tr.CloseIdleConnections()
		synctest.Wait()
		if open, _ := n.open(); open != 0 {
			t.Errorf("%d connections are open at the end", open)
		}
	})
}

// TestRenewHTTP2: over HTTP/2 all requests share a connection, and those after a renewal do not.
func TestRenewHTTP2(t *testing.T) {
	a := newAuthority(t)
	release := make(chan struct{})
	slow := make(chan string, 1) // the client's address
	up := serveTLS(t, a.server(t, false), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			slow <- r.RemoteAddr
			<-release
		}
		io.WriteString(w, r.RemoteAddr)
	}))
	tr := transport(t, goproxy.UpstreamOptions{CA: a.file})
	base := "https://" + upTest(up.Listener.Addr())
	_, first, err := getFrom(t, tr, base+"/")
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan string)
	go func() {
		_, body, _ := getFrom(t, tr, base+"/slow")
		answered <- body
	}()
	if addr := <-slow; addr != first {
		t.Errorf("the second request came from %s, the first from %s", addr, first)
	}
	tr.Renew()
	if _, third, err := getFrom(t, tr, base+"/"); err != nil || third == first {
		t.Errorf("after the renewal it came from %s again, %v", third, err)
	}
	close(release)
	if got := <-answered; got != first {
		t.Errorf("the request in flight got %q", got)
	}
}

// TestDialErrorPasses: what the dialer says arrives behind a RoundTripper.
func TestDialErrorPasses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxytest.Register(l.Addr().String())
	l.Close()
	_, _, err = getFrom(t, transport(t, goproxy.UpstreamOptions{}), "http://"+upTest(l.Addr()))
	var e *upstream.DialError
	if !errors.As(err, &e) || e.Host != "up.test" || !strings.Contains(err.Error(), "nothing listens on 127.0.0.1:") {
		t.Errorf("got %v", err)
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		t.Errorf("%v is of the client", err)
	}
}

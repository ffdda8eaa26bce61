package gocmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	// dialTimeout is how long a connection may take to be made.
	dialTimeout = 20 * time.Second
	// patience is how long a host may be silent after it was asked. One that prepares much says so every five seconds (git's uploadpack.keepAlive).
	patience = time.Minute
)

// A guard is the proxy on loopback that a command and its tools connect through. It connects to no address that the host may not have, which
// it sees after names are resolved, and it remembers what could not be reached.
type guard struct {
	srv    *http.Server
	addr   string
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	tunnel sync.WaitGroup

	ca         *authority // nil where the go command's own requests go through tunnels too
	plain, lax *http.Transport
	insecure   string        // patterns of what lax is for: certificates do not count
	left       atomic.Int64  // bytes that may yet come
	full       chan struct{} // closed when there are none left

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
	lines  map[*line]bool   // open tunnels
	failed map[string]error // by host
}

// errForbidden is why a connection was not tried.
type errForbidden struct{ why string }

func (e *errForbidden) Error() string { return e.why }

func (f *Fetcher) newGuard(ctx context.Context) (*guard, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	trust, err := roots(f.env)
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	g := &guard{addr: ln.Addr().String(), dial: f.dial, ca: f.ca, insecure: f.o.Insecure, full: make(chan struct{}),
		conns: map[net.Conn]bool{}, lines: map[*line]bool{}, failed: map[string]error{}}
	g.left.Store(f.o.Disk)
	g.plain = g.transport(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trust})
	g.lax = g.transport(&tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}) //nolint:gosec // what the setting Insecure says
	plain := &httputil.ReverseProxy{
		Rewrite:   func(*httputil.ProxyRequest) {},
		Transport: g.plain,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	g.srv = &http.Server{ReadHeaderTimeout: dialTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter() {
			return
		}
		defer g.tunnel.Done()
		switch {
		case r.Method == http.MethodConnect && g.ca != nil && byGo(r):
			g.intercept(w, r)
		case r.Method == http.MethodConnect:
			g.connect(w, r)
		case r.URL.IsAbs() && byGo(r):
			g.forward(w, r)
		case r.URL.IsAbs():
			plain.ServeHTTP(w, r)
		default:
			http.Error(w, "this is a proxy", http.StatusBadRequest)
		}
	})}
	g.tunnel.Go(func() { _ = g.srv.Serve(ln) })
	return g, nil
}

// env adds to the environment of a command that connections go through the guard: all, or those of SSH.
func (g *guard) env(of []string, all bool) (env []string) {
	env = append(env, envGuard+"="+g.addr)
	if !all {
		return env
	}
	if g.ca != nil {
		env = append(env, g.ca.env(of))
	}
	for _, key := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		env = append(env, key+"=http://"+g.addr)
	}
	return append(env, "NO_PROXY=", "no_proxy=")
}

// close ends all connections and waits for their end.
func (g *guard) close() {
	g.mu.Lock()
	g.closed = true
	for c := range g.conns {
		_ = c.Close()
	}
	g.mu.Unlock()
	_ = g.srv.Close()
	g.tunnel.Wait()
}

// enter counts a request, which close waits for. It reports false where that has begun.
func (g *guard) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.tunnel.Add(1)
	}
	return !g.closed
}

func (g *guard) connect(w http.ResponseWriter, r *http.Request) {
	ssh := r.UserAgent() == agentSSH
	to, err := g.tried(r.Context(), "tcp", r.Host, ssh)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = to.Close()
		return
	}
	if !g.keep(from) {
		_ = to.Close()
		return
	}
	if _, err := io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		g.drop(from, to)
		return
	}
	l := g.open(r.Host)
	spoke := l.heard
	if ssh { // whose server speaks first, and which itself sees to it that a server lives
		l.heard()
		spoke = func() {}
	}
	g.tunnel.Go(func() { copyAndClose(to, heard{buffered, func(int) { spoke() }}) })
	copyAndClose(from, heard{to, func(n int) { l.asked.Store(0); g.count(n) }})
	g.hangUp(l)
	g.drop(from, to)
}

// A line is a tunnel. HTTP/1.1 goes through it, so that who spoke last says who waits.
type line struct {
	host  string
	asked atomic.Int64 // when the client spoke, where it was the last to; else 0
}

// heard is a reader that tells how much was read.
type heard struct {
	r    io.Reader
	tell func(n int)
}

func (h heard) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if n > 0 {
		h.tell(n)
	}
	return n, err
}

func (g *guard) open(addr string) *line {
	l := &line{}
	l.host = (&url.URL{Host: addr}).Hostname()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lines[l] = true
	return l
}

func (g *guard) hangUp(l *line) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.lines, l)
}

// count counts bytes that came. What brings more than there is disk for need not be written there first.
func (g *guard) count(n int) {
	if left := g.left.Add(int64(-n)); left < 0 && left+int64(n) >= 0 {
		close(g.full)
	}
}

// silent returns a host that has not said anything for as long since it was asked, "" where there is none.
func (g *guard) silent(patience time.Duration) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for l := range g.lines {
		if at := l.asked.Load(); at != 0 && time.Since(time.Unix(0, at)) > patience {
			return l.host
		}
	}
	return ""
}

// copyAndClose says the end of what it copied on.
func copyAndClose(to net.Conn, from io.Reader) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
}

// dialed makes a connection, and remembers it or why there is none.
func (g *guard) dialed(ctx context.Context, network, addr string) (net.Conn, error) {
	return g.tried(ctx, network, addr, false)
}

// tried is dialed. Of SSH only what is forbidden says something of a host: it is tried where https did not do, and many have none.
func (g *guard) tried(ctx context.Context, network, addr string, ssh bool) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	var c net.Conn
	if strings.HasPrefix(host, "-") || strings.ContainsAny(host, "=%/\\@ ") {
		err = &errForbidden{"that is no name of a host"}
	} else {
		c, err = g.dial(ctx, network, addr)
	}
	g.mu.Lock()
	switch {
	case err != nil && ssh && !errors.As(err, new(*errForbidden)):
	case err != nil && ctx.Err() == nil:
		g.failed[host] = err
	case err == nil:
		delete(g.failed, host)
	}
	g.mu.Unlock()
	if err == nil && !g.keep(c) {
		return nil, net.ErrClosed
	}
	return c, err
}

// keep has a connection closed with the guard. It reports false, and closes it, where that is closed already.
func (g *guard) keep(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		_ = c.Close()
		return false
	}
	g.conns[c] = true
	return true
}

func (g *guard) drop(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(g.conns, c)
	}
}

// failure returns the host named in text that could not be reached, and why; "" where there is none. With any it may be named or not.
func (g *guard) failure(text string, any bool) (host string, err error) {
	if g == nil {
		return "", nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for h, e := range g.failed {
		if any || strings.Contains(text, h) {
			return h, e
		}
	}
	return "", nil
}

// dialChecked connects to addresses that the host may have.
func (f *Fetcher) dialChecked(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	inside := hostMatches(f.o.Inside, host) || slices.Contains(f.named, host)
	d := net.Dialer{Timeout: dialTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		switch ip := ap.Addr().Unmap(); {
		case permitted(ip, inside):
			return nil
		case permitted(ip, true):
			return &errForbidden{fmt.Sprintf("its address %v is one of the inside; if it is a host of yours, configure it as private", ip)}
		default:
			return &errForbidden{fmt.Sprintf("no host may have the address %v", ip)}
		}
	}}
	return d.DialContext(ctx, network, addr)
}

// shared is the address space of carriers (RFC 6598); clouds have services in it.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// awsMetadata is where Amazon's instances find their credentials, the one such address that is not link-local.
var awsMetadata = netip.MustParseAddr("fd00:ec2::254")

// permitted reports whether a host may have an address; inside says that it is one of the inside.
func permitted(ip netip.Addr, inside bool) bool {
	switch {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified(), ip == awsMetadata:
		return false
	case ip.IsLoopback(), ip.IsPrivate(), shared.Contains(ip):
		return inside
	}
	return true
}

// hostMatches reports whether a host is the first element of one of the patterns.
func hostMatches(patterns, host string) bool {
	for p := range strings.SplitSeq(patterns, ",") {
		first, _, _ := strings.Cut(strings.TrimSpace(p), "/")
		if first != "" && goproxy.MatchesAny(first, host) {
			return true
		}
	}
	return false
}

// hostsOf returns the hosts of the addresses in instead.
func hostsOf(instead map[string]string) (hosts []string) {
	for _, address := range instead {
		if u, err := url.Parse(address); err == nil {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

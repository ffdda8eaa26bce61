package doctor

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// How long a request may take: until the header, and without a byte of the body.
const (
	headerPatience = 5 * time.Second
	bodyPatience   = 2500 * time.Millisecond
	bodyBudget     = 4 * time.Second // for all of a body; a slow one is left then
	maxRedirects   = 10
)

// An end is how a request came to no answer, or its body to no end.
type end string

const (
	hung      end = "hang"
	stalled   end = "stall"
	cutShort  end = "cut"
	hungUp    end = "closed"
	wasReset  end = "reset"
	circle    end = "redirect-loop"
	insecure  end = "insecure-redirect"
	badGzip   end = "gzip"
	malformed end = "malformed"
	notSent   end = "no connection"
	slowly    end = "slow" // it was left before its end
)

// An exchange is one request and what became of it.
type exchange struct {
	target *target
	what   string // the file that was asked for, in words
	url    string // without credentials; the first one
	asked  bool   // for a part
	sent   string // where the credential was from that was sent, "" for none
	status int
	reason string // "404 Not Found"
	header http.Header
	body   []byte
	length int64 // that was announced, negative for none
	got    int64
	moved  []string // where redirects led
	proto  string
	end    end
	err    error
	path   bool // the way to the server is dead: what is sent is not received
	h1     bool // over HTTP/1 it works
	speaks bool // TLS: asked over plain HTTP
	first  time.Duration
	took   time.Duration
}

// A client asks one target, over its own connections.
type client struct {
	t  *target
	tr *http.Transport

	mu   sync.Mutex
	last *wire // guarded by mu
}

func newClient(t *target, http2 bool) *client {
	c := &client{t: t}
	c.tr = &http.Transport{
		Proxy:               t.m.proxyOf,
		DialContext:         c.dial,
		TLSClientConfig:     &tls.Config{RootCAs: t.roots.pool(), MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   http2,
		TLSHandshakeTimeout: tlsPatience,
		DisableCompression:  true, // so that what was sent can be seen
		MaxConnsPerHost:     4,
	}
	if !http2 {
		c.tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return c
}

func (m *machine) proxyOf(r *http.Request) (*url.URL, error) { return m.proxyFor(r.URL) }

// dial connects to the address that was found to answer, or to another host that a redirect led to.
func (c *client) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	var conn *wire
	var d dial
	if t := c.t; t.addr.IsValid() && (t.via == nil && addr == net.JoinHostPort(t.host, t.port) || t.via != nil && addr == hostPort(t.via)) {
		conn, d = open(ctx, t.addr, sockOptions{}, connectPatience)
	} else {
		f := examineHost(ctx, c.t.m, addr)
		if !f.IsValid() {
			return nil, errors.New("no address of " + addr + " answers")
		}
		conn, d = open(ctx, f, sockOptions{}, connectPatience)
	}
	if conn == nil {
		return nil, d.err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = conn
	return conn, nil
}

// get asks for what is at path below the target.
func (c *client) get(ctx context.Context, what, path, byteRange string) *exchange {
	x := &exchange{target: c.t, what: what, asked: byteRange != ""}
	start := time.Now()
	defer func() { x.took = time.Since(start) }()
	u := *c.t.url
	u.Path, u.RawPath, u.User = "", "", nil
	base := strings.TrimRight(c.t.url.EscapedPath(), "/")
	next, err := url.Parse(u.String() + base + path)
	if err != nil {
		x.end, x.err = malformed, err
		return x
	}
	x.url = next.String()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		resp := c.once(ctx, cancel, x, next, byteRange)
		if resp == nil {
			return x
		}
		x.first = time.Since(start)
		to, more := x.redirect(resp, next)
		if !more {
			c.read(x, resp, cancel)
			return x
		}
		resp.Body.Close()
		if to == nil {
			return x
		}
		next = to
	}
}

// once sends a request and returns its answer, nil where there is none.
func (c *client) once(ctx context.Context, cancel func(), x *exchange, u *url.URL, byteRange string) *http.Response {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		x.end, x.err = malformed, err
		return nil
	}
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	if user, password, from := c.t.credential(c.ofTarget(u)); user != "" {
		req.SetBasicAuth(user, password)
		x.sent = from
	}
	dead := make(chan bool, 1)
	late := time.AfterFunc(headerPatience, func() {
		dead <- c.dead()
		cancel()
	})
	resp, err := c.tr.RoundTrip(req)
	inTime := late.Stop()
	if !inTime {
		x.path = <-dead
	}
	if err != nil {
		x.end, x.err = endOf(err), err
		if !inTime || ctx.Err() != nil {
			x.end = hung
		}
		return nil
	}
	x.status, x.reason, x.header, x.length, x.proto = resp.StatusCode, oneLine(resp.Status), resp.Header, resp.ContentLength, resp.Proto
	return resp
}

// ofTarget returns the address with the user of the target where it is of its host.
func (c *client) ofTarget(u *url.URL) *url.URL {
	if u.Host == c.t.url.Host && u.Scheme == c.t.url.Scheme {
		return c.t.url
	}
	return u
}

// redirect says whether an answer leads on, and where to; nil where that is not followed.
func (x *exchange) redirect(resp *http.Response, from *url.URL) (*url.URL, bool) {
	if resp.StatusCode < 300 || resp.StatusCode > 399 || resp.Header.Get("Location") == "" {
		return nil, false
	}
	to, err := from.Parse(resp.Header.Get("Location"))
	if err != nil {
		x.end, x.err = malformed, err
		return nil, true
	}
	clean := *to
	clean.User, clean.RawQuery, clean.Fragment = nil, "", ""
	x.moved = append(x.moved, clean.String())
	switch {
	case len(x.moved) >= maxRedirects:
		x.end = circle
		return nil, true
	case from.Scheme == "https" && to.Scheme != "https":
		x.end = insecure
		return nil, true
	}
	return to, true
}

// maxBody is how much of a body is read: small zips whole, of large ones enough to tell the speed.
const maxBody = 4 << 20

// read takes the body, and sees how it ends.
func (c *client) read(x *exchange, resp *http.Response, cancel func()) {
	defer resp.Body.Close()
	dead := make(chan bool, 1)
	stall := time.AfterFunc(bodyPatience, func() {
		dead <- c.dead()
		cancel()
	})
	budget := time.Now().Add(bodyBudget)
	var b bytes.Buffer
	piece := make([]byte, 32<<10)
	var err error
	inTime := true
	for b.Len() < maxBody && err == nil {
		var n int
		n, err = resp.Body.Read(piece)
		b.Write(piece[:n])
		if n > 0 && err == nil && !stall.Stop() {
			inTime = false // it had stalled already
			break
		} else if n > 0 && err == nil {
			stall.Reset(bodyPatience)
		}
		if err == nil && time.Now().After(budget) {
			x.end = slowly
			break
		}
	}
	if inTime = inTime && stall.Stop(); !inTime {
		x.path = <-dead
	}
	x.got, x.body = int64(b.Len()), b.Bytes()
	switch {
	case !inTime:
		x.end, x.err = stalled, nil
	case err != nil && !errors.Is(err, io.EOF):
		x.end, x.err = cutShort, err
	case err != nil && resp.Header.Get("Content-Encoding") == "gzip":
		x.unpack()
	}
}

// unpack undoes the compression of the answer, which was not asked for and may come all the same.
func (x *exchange) unpack() {
	z, err := gzip.NewReader(bytes.NewReader(x.body))
	if err == nil {
		var b []byte
		if b, err = io.ReadAll(io.LimitReader(z, maxBody)); err == nil {
			x.body = b
			return
		}
	}
	x.end, x.err = badGzip, err
}

// dead reports whether the way to the server is dead: a byte that is sent now is not received. The
// connection is of no further use.
func (c *client) dead() bool {
	c.mu.Lock()
	conn := c.last
	c.mu.Unlock()
	if conn == nil || !deepProbes {
		return false
	}
	if f, ok := conn.sock.flow(); !ok {
		return false
	} else if f.unacked > 0 || f.gaps > 0 {
		return true
	}
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := conn.Conn.Write([]byte{'\n'}); err != nil {
		return false
	}
	for range 8 {
		time.Sleep(100 * time.Millisecond)
		if f, ok := conn.sock.flow(); !ok || f.unacked == 0 {
			return false
		}
	}
	return true
}

// endOf says how a request ended.
func endOf(err error) end {
	var op *net.OpError
	switch o := outcomeOf(err); {
	case errors.As(err, &op) && op.Op == "dial", errors.As(err, &op) && op.Op == "proxyconnect":
		return notSent
	case o == silent:
		return hung
	case o == resetByPeer:
		return wasReset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return hungUp
	}
	return malformed
}

// fronts are known by a header that they add, where they keep their names to themselves.
var fronts = []struct{ header, name string }{
	{"Cf-Ray", "Cloudflare"}, {"X-Amz-Cf-Id", "Amazon CloudFront"}, {"X-Amzn-Trace-Id", "Amazon's load balancer"}, {"X-Azure-Ref", "Azure Front Door"},
	{"X-Akamai-Request-Id", "Akamai"}, {"X-Envoy-Upstream-Service-Time", "Envoy"}, {"X-Cache", "a cache"},
}

// front returns what says of itself that it stands before the server, "" for nothing.
func (x *exchange) front() string {
	for _, name := range []string{"Server", "Via", "X-Served-By"} {
		if v := x.header.Get(name); v != "" {
			return oneLine(v)
		}
	}
	for _, f := range fronts {
		if x.header.Get(f.header) != "" {
			return f.name
		}
	}
	return ""
}

// isHTML reports whether a page came.
func (x *exchange) isHTML() bool {
	b := bytes.TrimLeft(x.body, " \t\r\n\ufeff")
	return len(b) > 0 && b[0] == '<' || len(b) > 0 && strings.HasPrefix(x.header.Get("Content-Type"), "text/html")
}

// words are the first of a plain answer: proxies put the reason there.
func (x *exchange) words() string {
	if x.isHTML() || !strings.HasPrefix(x.header.Get("Content-Type"), "text/plain") {
		return ""
	}
	const most = 200
	return oneLine(scrub(strings.ToValidUTF8(string(x.body[:min(len(x.body), most)]), "")))
}

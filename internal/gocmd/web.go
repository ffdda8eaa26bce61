package gocmd

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// What the go command itself asks over the web is answered by the guard, which asks for it. A tunnel would not do: the go command asks no proxy for
// localhost and loopback addresses, and both a redirect and a page that names a proxy (a go-import tag with "mod") may lead it there. So it is
// given no redirect, and of a page what is clean.

const (
	maxRedirects = 10      // as the go command follows
	maxPage      = 1 << 20 // bytes of a page with go-import tags
	maxDetail    = 4 << 10 // bytes of a page without, which says why
)

// byGo reports whether the go command itself asks, not one of its tools.
func byGo(r *http.Request) bool { return strings.HasPrefix(r.UserAgent(), "Go-http-client/") }

// intercept is connect with the guard at the other end of the tunnel.
func (g *guard) intercept(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil || !g.keep(conn) {
		return
	}
	defer g.drop(conn)
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	host := (&url.URL{Host: r.Host}).Hostname()
	over := tls.Server(conn, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return g.ca.leaf(host) }})
	requests := bufio.NewReader(over)
	for {
		req, err := http.ReadRequest(requests)
		if err != nil {
			return
		}
		req.URL.Scheme, req.URL.Host = "https", strings.TrimSuffix(r.Host, ":443")
		resp := g.web(req)
		err = resp.Write(over)
		_ = resp.Body.Close()
		if err != nil || req.Close || resp.Close {
			return
		}
	}
}

// forward answers a request that came without a tunnel.
func (g *guard) forward(w http.ResponseWriter, r *http.Request) {
	resp := g.web(r)
	defer resp.Body.Close()
	for key, values := range resp.Header {
		w.Header()[key] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// web does what a request asks for. The caller closes the answer's body.
func (g *guard) web(r *http.Request) *http.Response {
	l := g.open(r.URL.Host)
	l.heard()
	resp, err := g.do(r, l)
	if err != nil {
		g.hangUp(l)
		return answerText(r, http.StatusBadGateway, err.Error())
	}
	resp.Body = &lineBody{ReadCloser: resp.Body, l: l, g: g}
	if r.URL.Query().Get("go-get") != "1" {
		return resp
	}
	defer resp.Body.Close()
	return g.page(r, resp)
}

// do follows redirects, each to a host that may be connected to.
func (g *guard) do(r *http.Request, l *line) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return nil, fmt.Errorf("%s is not expected of the go command", r.Method)
	}
	lax := goproxy.MatchesAny(g.insecure, r.URL.Hostname()+r.URL.Path)
	client := http.Client{Transport: g.plain, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" && !lax {
			return fmt.Errorf("redirected from secure URL %s to insecure URL %s", via[0].URL.Redacted(), req.URL.Redacted())
		}
		if len(via) >= maxRedirects {
			return fmt.Errorf("stopped after %d redirects", maxRedirects)
		}
		g.rename(l, req.URL.Hostname())
		return nil
	}}
	if lax {
		client.Transport = g.lax
	}
	get := func(scheme string) (*http.Response, error) {
		at := *r.URL
		at.Scheme = scheme
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, at.String(), nil)
		if err != nil {
			return nil, err
		}
		if auth := r.Header.Values("Authorization"); scheme == "https" && len(auth) > 0 {
			req.Header["Authorization"] = auth
		}
		req.Header.Set("User-Agent", r.UserAgent())
		return client.Do(req)
	}
	resp, err := get(r.URL.Scheme)
	if err != nil && lax && r.URL.Scheme == "https" && !errors.As(err, new(*errForbidden)) {
		return get("http") // as the go command does where that is allowed
	}
	return resp, err
}

// page returns a page of the go-import tags of another, or, where it has none, of its text.
func (g *guard) page(r *http.Request, resp *http.Response) *http.Response {
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return answerText(r, http.StatusBadGateway, err.Error())
	}
	tags := goImports(b)
	for _, tag := range tags {
		if err := leadsInside(tag); err != nil {
			g.note(r.URL.Hostname(), err)
			return answerText(r, http.StatusForbidden, err.Error())
		}
	}
	var page *http.Response
	if len(tags) > 0 {
		page = answerText(r, resp.StatusCode, tagPage(tags))
		page.Header.Set("Content-Type", "text/html; charset=utf-8")
	} else {
		page = answerText(r, resp.StatusCode, strings.ReplaceAll(string(b[:min(len(b), maxDetail)]), "<", "‹"))
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			page.Header.Set("Content-Type", "text/html; charset=utf-8") // no reason to show to people
		}
	}
	if auth := resp.Header.Values("WWW-Authenticate"); len(auth) > 0 {
		page.Header["Www-Authenticate"] = auth
	}
	return page
}

// oddHost is in the name of a host what may mean more than a name to the programs that get it: git, ssh, and the shell that ssh runs a helper with.
var oddHost = has(`[^a-zA-Z0-9.:_-]`)

// leadsInside returns why the go command must not see a tag: it would ask a proxy there past the guard, or give a tool a host that is no name.
func leadsInside(tag []string) error {
	u, err := url.Parse(tag[2])
	if tag[1] != "mod" { // a tool gets it, through the guard
		if err == nil && oddHost.MatchString(u.Hostname()) {
			return &errForbidden{"its go-import tag names a host that can be none"}
		}
		return nil
	}
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return &errForbidden{"its go-import tag names no proxy that may be asked"}
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Hostname() == "" || strings.EqualFold(u.Hostname(), "localhost") || err == nil && !permitted(ip.Unmap(), false) {
		return &errForbidden{fmt.Sprintf("its go-import tag names the proxy %s, which is one of the inside", u.Host)}
	}
	return nil
}

func answerText(r *http.Request, status int, text string) *http.Response {
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		ContentLength: int64(len(text)), Body: io.NopCloser(strings.NewReader(text)),
	}
}

// lineBody is the body of an answer, whose reads say that its host is not silent.
type lineBody struct {
	io.ReadCloser
	l *line
	g *guard
}

func (b *lineBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.l.heard()
		b.g.count(n)
	}
	return n, err
}

func (b *lineBody) Close() error {
	b.g.hangUp(b.l)
	return b.ReadCloser.Close()
}

// heard begins the time that a host may be silent.
func (l *line) heard() { l.asked.Store(time.Now().UnixNano()) }

// rename has a line lead to another host.
func (g *guard) rename(l *line, host string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l.host = host
}

// note remembers why a host is not connected to.
func (g *guard) note(host string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed[host] = err
}

// transport returns one that connects where the guard allows it.
func (g *guard) transport(trust *tls.Config) *http.Transport {
	return &http.Transport{DialContext: g.dialed, DisableKeepAlives: true, ResponseHeaderTimeout: patience, TLSClientConfig: trust}
}

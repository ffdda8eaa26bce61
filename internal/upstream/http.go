package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Timeouts bound progress, never the whole of a transfer that moves.
type Timeouts struct {
	Dial  time.Duration // one address
	TLS   time.Duration // handshake
	First time.Duration // first byte of an answer
	Zip   time.Duration // first byte of a zip, which the upstream may have to make
	Idle  time.Duration // between two bytes of a body
}

// DefaultTimeouts are what a careful client of public proxies waits: a lost SYN is repeated after 1 and 2 s,
// so that 3 s of dialling survive two losses.
var DefaultTimeouts = Timeouts{Dial: 3 * time.Second, TLS: 5 * time.Second, First: 10 * time.Second, Zip: 60 * time.Second, Idle: 15 * time.Second}

// NewTransport returns a transport for any number of upstreams. Proxies in the environment
// (HTTPS_PROXY and such) are used as the go command does.
func NewTransport(t Timeouts) *http.Transport {
	dialer := &net.Dialer{Timeout: t.Dial, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    t.TLS,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    256,
		MaxConnsPerHost:        256,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		ReadBufferSize:         32 << 10,
		MaxResponseHeaderBytes: 64 << 10,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}
}

// HTTP is a Fetcher that asks one proxy over HTTP: one request, no second try.
type HTTP struct {
	base     string // without trailing slash and credentials
	user     *url.Userinfo
	client   *http.Client
	timeouts Timeouts
}

// NewHTTP returns a source that asks the proxy at base, an entry of a list of upstreams.
func NewHTTP(base string, rt http.RoundTripper, t Timeouts) (*HTTP, error) {
	u, err := url.Parse(base)
	if err != nil { // which has the address in it, and with that perhaps a password
		return nil, fmt.Errorf("upstream %s: it cannot be read as an address; in a user or a password everything but letters, digits, - . _ ~ is written as %%XX", goproxy.Redact(base))
	}
	h := &HTTP{user: u.User, timeouts: t}
	u.User = nil
	h.base = strings.TrimRight(u.String(), "/")
	h.client = &http.Client{Transport: rt, CheckRedirect: h.checkRedirect}
	return h, nil
}

// Name returns the address without credentials.
func (h *HTTP) Name() string { return h.base }

const maxRedirects = 10

// checkRedirect follows a redirect as the go command does: ten at most, never from https to http. Credentials
// stay with the scheme, host and port they were given for.
func (h *HTTP) checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	case first.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("refused a redirect from https to %s://%s", req.URL.Scheme, req.URL.Host)
	}
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		req.Header.Del("Authorization")
	}
	req.Header.Del("Referer")
	return nil
}

// List implements goproxy.Fetcher.
func (h *HTTP) List(ctx context.Context, path string) (*goproxy.Content, error) {
	b, err := h.small(ctx, goproxy.ListName(path), goproxy.MaxList)
	if err != nil {
		return nil, err
	}
	clean, err := goproxy.CleanList(b, path)
	return h.content(clean, err)
}

// Query implements goproxy.Fetcher. Where the proxy has no answer to "latest", it is found in the
// list, as the go command does.
func (h *HTTP) Query(ctx context.Context, path, query string) (*goproxy.Content, error) {
	b, err := h.small(ctx, goproxy.QueryName(path, query), goproxy.MaxInfo)
	var absent *goproxy.NotFound
	if query == "latest" && errors.As(err, &absent) {
		list, lerr := h.small(ctx, goproxy.ListName(path), goproxy.MaxList)
		if lerr != nil {
			return nil, lerr
		}
		list, lerr = goproxy.CleanList(list, path)
		if lerr != nil {
			return nil, h.named(lerr)
		}
		version := goproxy.Latest(list)
		if version == "" {
			return nil, absent
		}
		b, err = h.small(ctx, goproxy.QueryName(path, version), goproxy.MaxInfo)
	}
	if err != nil {
		return nil, err
	}
	return h.content(b, goproxy.CheckInfo(b, path, ""))
}

// content makes an answer of b, unless err says that it is wrong.
func (h *HTTP) content(b []byte, err error) (*goproxy.Content, error) {
	if err != nil {
		return nil, h.named(err)
	}
	return goproxy.InMemory(goproxy.Meta{Size: int64(len(b)), From: h.base, Checked: time.Now()}, b), nil
}

// named puts this upstream's name into a *goproxy.Wrong.
func (h *HTTP) named(err error) error {
	var w *goproxy.Wrong
	if errors.As(err, &w) && w.From == "" {
		return &goproxy.Wrong{From: h.base, Reason: w.Reason}
	}
	return err
}

// Stat implements goproxy.Fetcher.
func (h *HTTP) Stat(ctx context.Context, f goproxy.File) (goproxy.Meta, error) {
	resp, err := h.do(ctx, http.MethodHead, f.Name(), h.first(f.Kind))
	if err != nil {
		return goproxy.Meta{}, err
	}
	resp.Body.Close()
	return goproxy.Meta{Size: length(resp), From: h.base}, nil
}

// Fetch implements goproxy.Fetcher.
func (h *HTTP) Fetch(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	resp, err := h.do(ctx, http.MethodGet, f.Name(), h.first(f.Kind))
	if err != nil {
		return goproxy.Meta{}, err
	}
	defer resp.Body.Close()
	size := length(resp)
	if size >= 0 {
		if err := dst.SetSize(size); err != nil {
			return goproxy.Meta{}, h.named(err)
		}
	}
	n, err := h.copy(dst, resp, f.Kind)
	if err != nil {
		return goproxy.Meta{}, h.named(err)
	}
	if err := dst.Check(ctx, h.base); err != nil {
		return goproxy.Meta{}, h.named(err)
	}
	return goproxy.Meta{Size: n, From: h.base}, nil
}

// copy writes the body to dst. What begins unlike a zip is refused before a byte is written.
func (h *HTTP) copy(dst goproxy.Sink, resp *http.Response, kind goproxy.Kind) (n int64, err error) {
	buf := make([]byte, copyBuffer(resp.ContentLength))
	for {
		m, err := readChunk(resp.Body, buf, int(max(1, 2-n)))
		if n == 0 && m > 0 && kind == goproxy.Zip && !strings.HasPrefix(string(buf[:min(m, 2)]), "PK") {
			return 0, &goproxy.Wrong{Reason: fmt.Sprintf("no zip came but %s", kindOfPage(resp, buf[:m]))}
		}
		if m > 0 {
			if _, werr := dst.WriteAt(buf[:m], n); werr != nil {
				return n, werr
			}
			n += int64(m)
		}
		if err == io.EOF { //nolint:errorlint // trouble may wrap io.EOF, and is not the end
			return n, nil
		}
		if err != nil {
			return n, h.failure(err, fmt.Sprintf("the answer broke off after %d%s bytes", n, ofBytes(resp.ContentLength)))
		}
	}
}

func ofBytes(n int64) string {
	if n < 0 {
		return ""
	}
	return " of " + strconv.FormatInt(n, 10)
}

const maxCopyBuffer = 128 << 10

func copyBuffer(size int64) int64 {
	if size >= 0 {
		return min(size+2, maxCopyBuffer)
	}
	return 32 << 10
}

// readChunk reads at least so many bytes, or an error; what comes without waiting comes together.
func readChunk(r io.Reader, b []byte, least int) (n int, err error) {
	for n < least && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

// kindOfPage says for people what came in place of a zip.
func kindOfPage(resp *http.Response, b []byte) string {
	if hasType(resp, "text/html") || goproxy.IsHTML(b) {
		return "an HTML page (a login page or a captive portal?)"
	}
	return fmt.Sprintf("bytes that begin %.16q", b)
}

func (h *HTTP) first(kind goproxy.Kind) time.Duration {
	if kind == goproxy.Zip {
		return h.timeouts.Zip
	}
	return h.timeouts.First
}

// length is the size of the file in an answer, -1 when it cannot be known.
func length(resp *http.Response) int64 {
	if resp.Uncompressed || resp.Header.Get("Content-Encoding") != "" {
		return -1
	}
	return resp.ContentLength
}

// Get returns the file called name below the proxy's address, of at most max bytes. It serves what is no
// module file: a checksum database's answers.
func (h *HTTP) Get(ctx context.Context, name string, max int64) ([]byte, error) {
	return h.small(ctx, name, max)
}

// small fetches a file into memory.
func (h *HTTP) small(ctx context.Context, name string, max int64) ([]byte, error) {
	resp, err := h.do(ctx, http.MethodGet, name, h.timeouts.First)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, max+1))
	if err != nil {
		return nil, h.failure(err, fmt.Sprintf("the answer broke off after %d%s bytes", len(b), ofBytes(resp.ContentLength)))
	}
	if int64(len(b)) > max {
		return nil, &goproxy.Wrong{From: h.base, Reason: fmt.Sprintf("%s has more than %d bytes", name, max)}
	}
	return b, nil
}

package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
	// MinSpeed is how many bytes a second a body has at least, over slowTime: a trickle is a hang. 0 is no bound.
	MinSpeed int
}

// slowTime is over which a body's speed is judged.
const slowTime = 30 * time.Second

// DefaultTimeouts are what a careful client of public proxies waits: a lost SYN is repeated after 1 and 2 s,
// so that 3 s of dialling survive two losses.
var DefaultTimeouts = Timeouts{Dial: 3 * time.Second, TLS: 5 * time.Second, First: 10 * time.Second, Zip: 60 * time.Second, Idle: 15 * time.Second, MinSpeed: 1 << 10}

// site is the HTTP of one proxy: one request, no second try.
type site struct {
	base     string // without trailing slash and credentials
	host     string // in base, without port
	client   *http.Client
	timeouts Timeouts
}

// newSite returns the proxy at base, an entry of a list of upstreams.
func newSite(base string, rt http.RoundTripper, t Timeouts) (*site, error) {
	u, err := url.Parse(base)
	if err != nil { // which has the address in it, and with that perhaps a password
		return nil, fmt.Errorf("upstream %s: it cannot be read as an address; in a user or a password everything but letters, digits, - . _ ~ is written as %%XX", goproxy.Redact(base))
	}
	h := &site{host: u.Hostname(), timeouts: t}
	u.User = nil
	h.base = strings.TrimRight(u.String(), "/")
	h.client = &http.Client{Transport: rt, CheckRedirect: h.checkRedirect}
	return h, nil
}

const maxRedirects = 10

// checkRedirect follows a redirect as the go command does: ten at most, never from https to http. Credentials are no part
// of the request: see Credentials.
func (h *site) checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	case first.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("refused a redirect from https to %s://%s", req.URL.Scheme, req.URL.Host)
	}
	req.Header.Del("Referer")
	return nil
}

// A request is what one attempt asks for.
type request struct {
	method   string
	class    Class
	name     string // below the upstream's address
	max      int64  // bytes of a body that is read whole
	constant bool   // whether the answer is the same for ever
	// check, where set, says of a whole body what is wrong with it.
	check func([]byte) error
	// stream hands out the body as it comes, of a zip.
	stream bool
	// from, to, size and etag ask for the rest of a file of size bytes, whose first from bytes are there; up to to, where
	// that is not 0.
	from, to, size int64
	etag           string
	// segment says that it is asked for beside others of the same file: it takes no place that others wait for, and
	// proves nothing against an upstream. patience is how long it waits for an answer.
	segment  bool
	patience time.Duration
	apart    bool // on a connection of its own
}

// A reply is what an upstream gave to a request.
type reply struct {
	body []byte // whole, unless the request was to stream
	size int64  // of the file; -1 when it cannot be known
	etag string // strong, as the upstream gave it, with its quotes
	from int64  // where in the file the stream begins: what was asked for, or 0
	to   int64  // where the stream ends: at size, unless less was asked for
	// stream is the body as it comes. Call end once, with how many bytes of it came and what was wrong with them.
	stream io.ReadCloser
	end    func(n int64, err error)
	page   *http.Response // that stream belongs to
	by     *Upstream
	first  time.Duration // until the header was there
}

// exchange makes one request. first is called when the answer's header is there.
func (h *site) exchange(ctx context.Context, rq *request, first func()) (*reply, error) {
	resp, err := h.do(ctx, rq)
	if err != nil {
		return nil, err
	}
	first()
	rep := &reply{size: length(resp), page: resp, etag: strongTag(resp)}
	switch {
	case rq.method == http.MethodHead:
		resp.Body.Close()
		return rep, nil
	case rq.stream:
		rep.stream = resp.Body
		rep.to = rep.size
		if resp.StatusCode == http.StatusPartialContent {
			rep.from, rep.to, rep.size = rq.from, cmp.Or(rq.to, rq.size), rq.size
		}
		return rep, nil
	}
	defer resp.Body.Close()
	rep.body, err = h.whole(resp, rq)
	return rep, err
}

// strongTag returns the ETag of an answer, "" for a weak one, which says nothing of bytes.
func strongTag(resp *http.Response) string {
	if tag := resp.Header.Get("Etag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return ""
}

// whole reads a body into memory and checks it.
func (h *site) whole(resp *http.Response, rq *request) ([]byte, error) {
	b, err := readAll(io.LimitReader(resp.Body, rq.max+1), resp.ContentLength)
	if err != nil {
		return nil, h.failure(err, fmt.Sprintf("the answer broke off after %d%s bytes", len(b), ofBytes(resp.ContentLength)))
	}
	if int64(len(b)) > rq.max {
		return nil, &goproxy.Wrong{From: h.base, Reason: fmt.Sprintf("%s has more than the %d bytes that are possible", rq.name, rq.max)}
	}
	if rq.check != nil {
		err = h.named(rq.check(b))
	}
	return b, err
}

// readAll is io.ReadAll for a body that is mostly as long as it says.
func readAll(r io.Reader, size int64) ([]byte, error) {
	const least, most = 512, 1 << 20 // what is announced and never comes costs no more than this
	b := make([]byte, 0, min(max(size+1, least), most))
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// named puts this upstream's name into a *goproxy.Wrong.
func (h *site) named(err error) error {
	var w *goproxy.Wrong
	if errors.As(err, &w) && w.From == "" {
		return &goproxy.Wrong{From: h.base, Reason: w.Reason, HTML: w.HTML}
	}
	return err
}

func ofBytes(n int64) string {
	if n < 0 {
		return ""
	}
	return " of " + strconv.FormatInt(n, 10)
}

// length is the size of the file in an answer, -1 when it cannot be known.
func length(resp *http.Response) int64 {
	if resp.Uncompressed || resp.Header.Get("Content-Encoding") != "" {
		return -1
	}
	return resp.ContentLength
}

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

const (
	maxWords = 4 << 10  // of an upstream's explanation are kept
	maxPage  = 64 << 10 // of one are read, so that the connection can be used again
)

// do sends one request and returns the answer if it is what was asked for: 200, or 206 with the bytes asked for. The
// body ends by lack of progress, by ctx, or when it is closed.
func (h *site) do(ctx context.Context, rq *request) (*http.Response, error) {
	first := h.timeouts.First
	if rq.class == Zip {
		first = h.timeouts.Zip
	}
	if rq.segment {
		first = min(first, rq.patience)
	}
	ctx, cancel := context.WithCancelCause(WithDialLimit(ctx))
	timer := time.AfterFunc(first, func() { cancel(&hung{"no answer", first}) })
	stop := func() { timer.Stop(); cancel(nil) }
	req, err := h.newRequest(ctx, rq)
	if err != nil {
		stop()
		return nil, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		err = h.failure(cause(ctx, err), "")
		stop()
		return nil, err
	}
	if err := h.refusal(resp, rq); err != nil {
		timer.Reset(h.timeouts.Idle) // for the whole body: an explanation is not worth more
		defer stop()
		defer resp.Body.Close()
		return nil, h.explained(resp, err)
	}
	timer.Stop() // until the body is read
	resp.Body = &movingBody{body: resp.Body, ctx: ctx, timer: timer, idle: h.timeouts.Idle, least: h.timeouts.MinSpeed, stop: stop}
	if hasType(resp, "text/html") {
		resp.Body.Close()
		return nil, &goproxy.Wrong{From: h.base, Reason: "an HTML page came, not a module file (a login page or a captive portal?)", HTML: true}
	}
	return resp, nil
}

func (h *site) newRequest(ctx context.Context, rq *request) (*http.Request, error) {
	if rq.apart {
		ctx = context.WithValue(ctx, apartKey{}, true)
	}
	req, err := http.NewRequestWithContext(ctx, rq.method, h.base+"/"+escapeURL(rq.name), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.base, err)
	}
	req.Header.Set("User-Agent", "modhaven")
	if rq.class == Zip {
		req.Header.Set("Accept-Encoding", "identity") // or its length is lost
	}
	if rq.from > 0 {
		last := ""
		if rq.to > 0 {
			last = strconv.FormatInt(rq.to-1, 10)
		}
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%s", rq.from, last))
		if rq.etag != "" {
			req.Header.Set("If-Range", rq.etag)
		}
	}
	return req, nil
}

// errStatus stands for a status that has to be explained by its body.
var errStatus = errors.New("status")

// refusal returns nil for an answer with what was asked for.
func (h *site) refusal(resp *http.Response, rq *request) error {
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode != http.StatusPartialContent || rq.from == 0:
		return errStatus
	}
	want := fmt.Sprintf("bytes %d-%d/%d", rq.from, cmp.Or(rq.to, rq.size)-1, rq.size)
	if got := resp.Header.Get("Content-Range"); got != want {
		return &changed{h.base, fmt.Sprintf("asked for %s it gave %q", want, got)}
	}
	if tag := strongTag(resp); rq.etag != "" && tag != "" && tag != rq.etag {
		return &changed{h.base, fmt.Sprintf("asked for a part of %s it gave one of %s", rq.etag, tag)}
	}
	return nil
}

// changed says that the rest of a file cannot be had: what is there is of another one.
type changed struct{ from, reason string }

func (e *changed) Error() string { return e.from + ": " + e.reason }

// explained makes an error of an answer that is not what was asked for.
func (h *site) explained(resp *http.Response, err error) error {
	switch {
	case !errors.Is(err, errStatus):
		return err
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return &changed{h.base, "the file is shorter there than what has come already"}
	}
	return h.status(resp)
}

// escapeURL escapes a protocol name for a URL as the go command does: "!" becomes %21.
func escapeURL(name string) string {
	return strings.ReplaceAll(url.PathEscape(name), "%2F", "/")
}

// cause returns why ctx ended, where that is why err came.
func cause(ctx context.Context, err error) error {
	var h *hung
	if c := context.Cause(ctx); errors.As(c, &h) {
		return h
	}
	return err
}

// A hung upstream said nothing for too long.
type hung struct {
	what  string
	after time.Duration
}

func (e *hung) Error() string { return fmt.Sprintf("%s within %v", e.what, e.after) }

// Timeout and Temporary make it a timeout to whoever asks (net.Error).
func (e *hung) Timeout() bool   { return true }
func (e *hung) Temporary() bool { return true }

// movingBody is a body that must move while somebody reads it. The time between two reads is the reader's.
type movingBody struct {
	body  io.ReadCloser
	ctx   context.Context
	timer *time.Timer
	idle  time.Duration
	least int // bytes a second, over slowTime
	stop  func()

	waited time.Duration // for bytes, since speed was judged last
	came   int64
}

func (b *movingBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	begin := time.Now()
	n, err := b.body.Read(p)
	b.timer.Stop()
	var h *hung
	if err != nil && err != io.EOF && errors.As(context.Cause(b.ctx), &h) { //nolint:errorlint // trouble may wrap io.EOF, and is not the end
		return n, &hung{"no byte", b.idle} // the timer's own words are those for the first byte
	}
	if err == nil {
		err = b.tooSlow(n, time.Since(begin))
	}
	return n, err
}

// tooSlow reports a body that trickles: whoever resumes it on a new connection may be faster.
func (b *movingBody) tooSlow(n int, waited time.Duration) error {
	b.waited += waited
	b.came += int64(n)
	if b.waited < slowTime {
		return nil
	}
	came := b.came
	b.waited, b.came = 0, 0
	if b.least > 0 && came < int64(b.least)*int64(slowTime/time.Second) {
		return &hung{fmt.Sprintf("only %d bytes", came), slowTime}
	}
	return nil
}

func (b *movingBody) Close() error {
	err := b.body.Close()
	b.stop()
	return err
}

// failure makes an error of the transport one of the vocabulary, with what happened in words.
func (h *site) failure(err error, what string) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the URL: the upstream's name stands before it
	}
	reason := words(err, h.host)
	if what != "" {
		reason = what + ": " + reason
	}
	return &goproxy.Unavailable{From: h.base, Reason: reason, Err: err}
}

// status makes an error of any answer but 200.
func (h *site) status(resp *http.Response) error {
	words := explanation(resp)
	code := resp.StatusCode
	said := fmt.Sprintf("%d %s", code, http.StatusText(code))
	if line := firstLine(words); line != "" {
		said += ": " + line
	}
	switch {
	case code == http.StatusNotFound || code == http.StatusGone:
		return &goproxy.NotFound{Status: code, Body: words, From: h.base}
	case code == http.StatusForbidden:
		if strings.TrimSpace(words) == "" {
			words = h.base + ": " + said
		}
		return &goproxy.Refused{Status: code, Reason: words, From: h.base}
	case code == http.StatusUnauthorized, code == http.StatusProxyAuthRequired, code == http.StatusUnavailableForLegalReasons:
		return &goproxy.Refused{Status: http.StatusForbidden, Reason: h.base + ": " + said, From: h.base}
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return &goproxy.Unavailable{From: h.base, Reason: said, RetryAfter: retryAfter(resp), Err: statusError(code)}
	}
	return &goproxy.Wrong{From: h.base, Reason: "answered " + said}
}

// statusError is the cause of trouble that came as a status.
type statusError int

func (e statusError) Error() string { return strconv.Itoa(int(e)) + " " + http.StatusText(int(e)) }

// explanation returns the text of an error answer, "" where it is not for people's eyes in a terminal.
func explanation(resp *http.Response) string {
	defer func() { _, _ = io.CopyN(io.Discard, resp.Body, maxPage) }() // absence is common, a connection costs more than a page
	if !hasType(resp, "text/plain") {
		return ""
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxWords))
	if err != nil {
		return ""
	}
	return string(b)
}

// hasType compares a media type, which has no case (RFC 9110, 8.3.1).
func hasType(resp *http.Response, want string) bool {
	got, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(got), want)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

const maxRetryAfter = time.Hour

// retryAfter reads Retry-After: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(resp *http.Response) time.Duration {
	v := resp.Header.Get("Retry-After")
	if s, err := strconv.Atoi(v); (err == nil || errors.Is(err, strconv.ErrRange)) && s > 0 {
		return time.Duration(min(s, int(maxRetryAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(time.Until(t), 0), maxRetryAfter)
	}
	return 0
}

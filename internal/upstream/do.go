package upstream

import (
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

// do sends one request and returns the answer if it is 200. The body ends by lack of progress, by ctx, or when
// it is closed.
func (h *HTTP) do(ctx context.Context, method, name string, first time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(first, func() { cancel(&hung{"no answer", first}) })
	stop := func() { timer.Stop(); cancel(nil) }
	req, err := http.NewRequestWithContext(ctx, method, h.base+"/"+escapeURL(name), nil)
	if err != nil {
		stop()
		return nil, fmt.Errorf("%s: %w", h.base, err)
	}
	req.Header.Set("User-Agent", "modhaven")
	if strings.HasSuffix(name, ".zip") {
		req.Header.Set("Accept-Encoding", "identity") // or its length is lost
	}
	if h.user != nil {
		password, _ := h.user.Password()
		req.SetBasicAuth(h.user.Username(), password)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		err = h.failure(cause(ctx, err), "")
		stop()
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		timer.Reset(h.timeouts.Idle) // for the whole body: an explanation is not worth more
		defer stop()
		defer resp.Body.Close()
		return nil, h.status(resp)
	}
	timer.Stop() // until the body is read
	resp.Body = &movingBody{body: resp.Body, ctx: ctx, timer: timer, idle: h.timeouts.Idle, stop: stop}
	if hasType(resp, "text/html") {
		resp.Body.Close()
		return nil, &goproxy.Wrong{From: h.base, Reason: "an HTML page came, not a module file (a login page or a captive portal?)"}
	}
	return resp, nil
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
	stop  func()
}

func (b *movingBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.body.Read(p)
	b.timer.Stop()
	var h *hung
	if err != nil && err != io.EOF && errors.As(context.Cause(b.ctx), &h) {
		err = &hung{"no byte", b.idle} // the timer's own words are those for the first byte
	}
	return n, err
}

func (b *movingBody) Close() error {
	err := b.body.Close()
	b.stop()
	return err
}

// failure makes an error of the transport one of the vocabulary, with what happened in words.
func (h *HTTP) failure(err error, what string) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the URL: the upstream's name stands before it
	}
	reason := err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		reason = "the connection was closed too early"
	}
	if what != "" {
		reason = what + ": " + reason
	}
	return &goproxy.Unavailable{From: h.base, Reason: reason, Err: err}
}

// status makes an error of any answer but 200.
func (h *HTTP) status(resp *http.Response) error {
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
		return &goproxy.Unavailable{From: h.base, Reason: said, RetryAfter: retryAfter(resp)}
	}
	return &goproxy.Wrong{From: h.base, Reason: "answered " + said}
}

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

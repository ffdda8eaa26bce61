package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// The go command prints at most 8 lines of a text/plain answer, and stops at the first empty one.
const (
	maxLines = 8
	maxLine  = 400
)

// challenge goes with each 401, as RFC 9110, section 15.5.2, has it. It is Basic, since that is what a netrc file can answer.
const challenge = `Basic realm="modhaven", charset="UTF-8"`

// statusClientGone is never seen by anyone but logs: the client left.
const statusClientGone = 499

// status is the table from errors to statuses. Only absence is 404 or 410: a client moves past these to its next
// proxy, so that an outage or a refusal that says 404 would be routed around.
func status(err error) (code int, reason string, retry time.Duration) {
	var absent *goproxy.NotFound
	var refused *goproxy.Refused
	var wrong *goproxy.Wrong
	var unavailable *goproxy.Unavailable
	switch {
	case errors.As(err, &absent):
		return absent.Status, absent.Body, 0
	case errors.As(err, &refused):
		return refused.Status, refused.Error(), refused.RetryAfter
	case errors.As(err, &wrong):
		return http.StatusBadGateway, wrong.Error(), 0
	case errors.As(err, &unavailable):
		return http.StatusServiceUnavailable, unavailable.Error(), max(unavailable.RetryAfter, time.Second)
	case errors.Is(err, context.Canceled):
		return statusClientGone, "the client left", 0
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "no answer in time", time.Second
	}
	return http.StatusInternalServerError, err.Error(), 0
}

// writeError answers with an error and returns what was sent.
func writeError(w http.ResponseWriter, r *http.Request, err error) (code int, n int64) {
	code, reason, retry := status(err)
	hd := w.Header()
	hd["Cache-Control"] = noStore
	var absent *goproxy.NotFound
	if errors.As(err, &absent) && absent.From != "" && absent.Body != "" {
		// The upstream's own words, whatever they are: clients compare them.
		return code, writeBody(w, r, code, absent.Body)
	}
	if code == http.StatusUnauthorized {
		hd.Set("WWW-Authenticate", challenge)
	}
	if retry > 0 {
		hd.Set("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
	}
	if reason = readable(reason); reason == "" {
		reason = http.StatusText(code)
	}
	return code, writeText(w, r, code, reason)
}

// readable makes a text one that the go command prints: few short lines, none of them empty, no control characters.
func readable(reason string) string {
	var lines []string
	for line := range strings.Lines(reason) {
		line = strings.Map(func(c rune) rune {
			if !unicode.IsPrint(c) {
				return ' '
			}
			return c
		}, strings.TrimSpace(line))
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(line) > maxLine {
			line = strings.ToValidUTF8(line[:maxLine], "") + "…"
		}
		if lines = append(lines, line); len(lines) == maxLines {
			break
		}
	}
	return strings.Join(lines, "\n")
}

// writeText answers with a line of text.
func writeText(w http.ResponseWriter, r *http.Request, code int, text string) int64 {
	return writeBody(w, r, code, text+"\n")
}

func writeBody(w http.ResponseWriter, r *http.Request, code int, body string) int64 {
	hd := w.Header()
	hd["Content-Type"] = textPlain
	hd["Content-Length"] = []string{strconv.Itoa(len(body))}
	hd.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	if r.Method == http.MethodHead {
		return 0
	}
	n, _ := w.Write([]byte(body)) // the client left: nobody to tell
	return int64(n)
}

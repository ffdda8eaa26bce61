package upstream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// kind names which of the vocabulary's errors err is.
func kind(err error) string {
	switch {
	case errors.As(err, new(*goproxy.Unavailable)):
		return "unavailable"
	case errors.As(err, new(*goproxy.Wrong)):
		return "wrong"
	case errors.As(err, new(*goproxy.Refused)):
		return "refused 403"
	}
	return "unknown"
}

// TestJoinedFailures says which kind of several failures counts, and that each upstream has one line.
func TestJoinedFailures(t *testing.T) {
	down := &goproxy.Unavailable{From: "http://a", Reason: "no answer", RetryAfter: time.Second}
	busy := &goproxy.Unavailable{From: "http://b", Reason: "429 Too Many Requests", RetryAfter: time.Minute}
	wrong := &goproxy.Wrong{From: "http://c", Reason: "an HTML page came"}
	no := &goproxy.Refused{Status: 403, From: "http://d", Reason: "blocked:\n\n  licence\n"}
	unauthorized := &goproxy.Refused{Status: 403, From: "http://e", Reason: "http://e: 401 Unauthorized"}
	const (
		downLine, busyLine, wrongLine = "http://a: no answer", "http://b: 429 Too Many Requests", "http://c: an HTML page came"
		noLine, unauthorizedLine      = "http://d: blocked: licence", "http://e: 401 Unauthorized"
	)
	tests := []struct {
		errs  []error
		kind  string
		lines []string
		retry time.Duration
	}{
		{[]error{down}, "unavailable", []string{downLine}, time.Second},
		{[]error{no}, "refused 403", []string{"blocked:", "", "  licence", ""}, 0}, // alone its words are untouched
		{[]error{down, busy}, "unavailable", []string{downLine, busyLine}, time.Minute},
		{[]error{busy, down}, "unavailable", []string{busyLine, downLine}, time.Minute},
		{[]error{wrong, down}, "unavailable", []string{wrongLine, downLine}, time.Second},
		{[]error{no, down}, "unavailable", []string{noLine, downLine}, time.Second},
		{[]error{no, wrong}, "wrong", []string{noLine, wrongLine}, 0},
		{[]error{wrong, unauthorized}, "wrong", []string{wrongLine, unauthorizedLine}, 0},
		{[]error{no, unauthorized}, "refused 403", []string{noLine, unauthorizedLine}, 0},
	}
	for _, test := range tests {
		err := join(test.errs)
		if kind(err) != test.kind || err.Error() != strings.Join(test.lines, "\n") {
			t.Errorf("%v: got %s %q, want %s %q", test.errs, kind(err), err, test.kind, test.lines)
		}
		var u *goproxy.Unavailable
		if errors.As(err, &u) && u.RetryAfter != test.retry {
			t.Errorf("%v: Retry-After %v, want %v", test.errs, u.RetryAfter, test.retry)
		}
	}
}

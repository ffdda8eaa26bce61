package upstream_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// statuses is the table from what a proxy answers to what that means. Only 404 and 410 are absence: all else that
// is not 200 must stop a list that is joined by commas.
var statuses = map[int]string{
	201: "wrong", 202: "wrong", 203: "wrong", 204: "wrong", 206: "wrong",
	300: "wrong", 304: "wrong",
	400: "wrong", 401: "refused 403", 402: "wrong", 403: "refused 403", 404: "absent 404", 405: "wrong", 406: "wrong",
	407: "refused 403", 408: "unavailable", 409: "wrong", 410: "absent 410", 418: "wrong", 422: "wrong", 425: "unavailable",
	429: "unavailable", 451: "refused 403",
	500: "unavailable", 501: "unavailable", 502: "unavailable", 503: "unavailable", 504: "unavailable", 520: "unavailable", 599: "unavailable",
}

// TestPeer2TrueStatuses: other proxies answer 404 for an upstream's 403, 429, 500 or 503, so that a client with
// "x,direct" goes around the proxy whenever it has trouble. Here only absence is absence, whatever is asked.
func TestPeer2TrueStatuses(t *testing.T) {
	u := proxytest.New(t)
	h := newSource(t, u.URL)
	for code, want := range statuses {
		u.Heal()
		u.Fail("*", proxytest.Status(code, "no luck\n"))
		for _, op := range operations() {
			if got := kind(op.do(t.Context(), h)); got != want {
				t.Errorf("%d to %s: got %s, want %s", code, op.name, got, want)
			}
		}
	}
}

// TestStatusFields has all that an error says, since clients get to see it.
func TestStatusFields(t *testing.T) {
	u := proxytest.New(t)
	h := newSource(t, u.URL)
	long := strings.Repeat("x", 5000)
	tests := []struct {
		name  string
		fault proxytest.Fault
		want  error
	}{
		{"404 keeps the words, spaces too", proxytest.Status(404, "not found: \t no such thing\n\n"),
			&goproxy.NotFound{Status: 404, Body: "not found: \t no such thing\n\n", From: u.URL}},
		{"410 stays 410", proxytest.Status(410, "taken down\n"),
			&goproxy.NotFound{Status: 410, Body: "taken down\n", From: u.URL}},
		{"a page is not the upstream's words", proxytest.Status(404, "<html>lost?</html>").And(proxytest.Header("Content-Type", "text/html")),
			&goproxy.NotFound{Status: 404, From: u.URL}},
		{"words are bounded", proxytest.Status(404, long),
			&goproxy.NotFound{Status: 404, Body: long[:4096], From: u.URL}},
		{"403 keeps its reason", proxytest.Status(403, "blocked: licence\nask legal\n"),
			&goproxy.Refused{Status: 403, Reason: "blocked: licence\nask legal\n", From: u.URL}},
		{"403 without a reason gets one", proxytest.Status(403, " \n").And(proxytest.Header("Content-Type", "text/plain")),
			&goproxy.Refused{Status: 403, Reason: u.URL + ": 403 Forbidden", From: u.URL}},
		{"401 is our credentials' matter, not the client's", proxytest.Status(401, "who are you?\n"),
			&goproxy.Refused{Status: 403, Reason: u.URL + ": 401 Unauthorized: who are you?", From: u.URL}},
		{"503 with its first line", proxytest.Status(503, "\nmaintenance until noon\nsorry\n"),
			&goproxy.Unavailable{From: u.URL, Reason: "503 Service Unavailable: maintenance until noon"}},
		{"429 with its patience", proxytest.Status(429, "slow down\n").And(proxytest.Header("Retry-After", "7")),
			&goproxy.Unavailable{From: u.URL, Reason: "429 Too Many Requests: slow down", RetryAfter: 7 * time.Second}},
		{"400", proxytest.Status(400, "bad path\n"),
			&goproxy.Wrong{From: u.URL, Reason: "answered 400 Bad Request: bad path"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u.Heal()
			u.Fail("*", test.fault)
			_, err := h.List(t.Context(), "example.com/plain")
			if diff := cmp.Diff(test.want, err, cmpopts.IgnoreFields(goproxy.Unavailable{}, "Err")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestBrokenWords has an upstream whose explanation breaks off: the status counts all the same.
func TestBrokenWords(t *testing.T) {
	u := proxytest.New(t)
	u.Fail("*", proxytest.Status(404, "not found: really\n").And(proxytest.Close(4)))
	_, err := newSource(t, u.URL).List(t.Context(), "example.com/plain")
	if got := kind(err); got != "absent 404" {
		t.Errorf("got %s (%v), want absent 404", got, err)
	}
}

func TestRetryAfter(t *testing.T) {
	// The fake clock stands still while an answer is read, so that dates have one right result.
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		date := func(d time.Duration) string { return now.Add(d).UTC().Format(http.TimeFormat) }
		tests := []struct {
			header string
			want   time.Duration
		}{
			{"", 0}, {"1", time.Second}, {"120", 2 * time.Minute}, {"0", 0}, {"-5", 0},
			{"3600", time.Hour}, {"3601", time.Hour}, {"86400", time.Hour},
			{"9223372037", time.Hour},           // in nanoseconds it overflows an int64
			{"99999999999999999999", time.Hour}, // it is none
			{"1.5", 0}, {"soon", 0}, {"10 s", 0}, {"0x10", 0},
			{date(90 * time.Second), 90 * time.Second}, {date(-time.Minute), 0}, {date(48 * time.Hour), time.Hour},
			{now.Add(time.Minute).UTC().Format(time.RFC850), time.Minute},
			{now.Add(time.Minute).UTC().Format(time.ANSIC), time.Minute},
			{now.Add(time.Minute).UTC().Format(time.RFC3339), 0},
		}
		net := newNetwork(t)
		var header string
		net.serve("up.test", func(w http.ResponseWriter, r *http.Request) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		h := net.source("http://up.test")
		for _, test := range tests {
			header = test.header
			_, err := h.List(t.Context(), "example.com/m")
			var u *goproxy.Unavailable
			if !errors.As(err, &u) {
				t.Fatalf("Retry-After %q: got %v, want an Unavailable", test.header, err)
			}
			if u.RetryAfter != test.want {
				t.Errorf("Retry-After %q: got %v, want %v", test.header, u.RetryAfter, test.want)
			}
		}
	})
}

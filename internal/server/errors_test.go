package server_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/server"
)

// checkReason wants a body that the go command prints: text/plain, some lines but at most 8, short ones, none of them
// empty, nothing that is not printable. cmd/go/internal/web drops the whole text otherwise.
func checkReason(t *testing.T, a answer) {
	t.Helper()
	if got := a.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("%d: the type is %q", a.StatusCode, got)
	}
	if got := a.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("%d: X-Content-Type-Options is %q", a.StatusCode, got)
	}
	lines := strings.Split(strings.TrimSuffix(a.body, "\n"), "\n")
	if len(lines) > 8 {
		t.Errorf("%d: %d lines", a.StatusCode, len(lines))
	}
	for _, line := range lines {
		if line == "" || len(line) > 410 {
			t.Errorf("%d: a line of %d bytes: %.80q", a.StatusCode, len(line), line)
		}
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%d: not printable: %q", a.StatusCode, line)
		}
	}
}

// fails is a Source that always fails so.
type fails struct{ err error }

func (f fails) List(context.Context, string) (*goproxy.Content, error)          { return nil, f.err }
func (f fails) Query(context.Context, string, string) (*goproxy.Content, error) { return nil, f.err }
func (f fails) Stat(context.Context, goproxy.File) (goproxy.Meta, error) {
	return goproxy.Meta{}, f.err
}
func (f fails) Open(context.Context, goproxy.File) (*goproxy.Content, error) { return nil, f.err }

// Answer implements server.SumDB.
func (f fails) Answer(context.Context, string) (*goproxy.Content, error) { return nil, f.err }

// ask lets a handler answer without a network.
func ask(h http.Handler, method, path string, headers ...string) answer {
	r := httptest.NewRequest(method, "/"+path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Result(), w.Body.String()}
}

var everything = []string{
	"example.com/m/@v/list", "example.com/m/@latest", "example.com/m/@v/main.info", "example.com/m/@v/v1.0.0.info",
	"example.com/m/@v/v1.0.0.mod", "example.com/m/@v/v1.0.0.zip", "sumdb/sum.example.com/lookup/example.com/m@v1.0.0",
}

// TestPeer2Statuses is the table from errors to statuses. With other proxies an outage, a limit or a refusal becomes 404,
// and a client with "x,direct" goes around the proxy and its rules.
func TestPeer2Statuses(t *testing.T) {
	down := &goproxy.Unavailable{From: "http://up", Reason: "no answer within 10s", Err: context.DeadlineExceeded}
	tests := []struct {
		err        error
		status     int
		body       string
		retryAfter string
	}{
		{&goproxy.NotFound{Status: 404, Body: "not found: m: no such module"}, 404, "not found: m: no such module\n", ""},
		{&goproxy.NotFound{Status: 410, Body: "gone", From: "http://up"}, 410, "gone", ""},
		{fmt.Errorf("wrapped: %w", &goproxy.NotFound{Status: 404, Body: "words", From: "http://up"}), 404, "words", ""},
		{&goproxy.NotFound{Status: 404, From: "http://up"}, 404, "Not Found\n", ""},
		{&goproxy.Refused{Status: 403, Reason: "blocked: licence"}, 403, "blocked: licence\n", ""},
		{&goproxy.Refused{Status: 401, Reason: "who are you?"}, 401, "who are you?\n", ""},
		{&goproxy.Refused{Status: 400, Reason: "tile/x: not a tile"}, 400, "tile/x: not a tile\n", ""},
		{&goproxy.Wrong{From: "http://up", Reason: "no zip came"}, 502, "http://up: no zip came\n", ""},
		{down, 503, "http://up: no answer within 10s\n", "1"},
		{&goproxy.Unavailable{Reason: "busy", RetryAfter: 90 * time.Second}, 503, "busy\n", "90"},
		{&goproxy.Unavailable{Reason: "busy", RetryAfter: 1500 * time.Millisecond}, 503, "busy\n", "2"},
		{&goproxy.Unavailable{Reason: "busy", RetryAfter: time.Millisecond}, 503, "busy\n", "1"},
		{context.DeadlineExceeded, 503, "no answer in time\n", "1"},
		{errors.New("a surprise"), 500, "a surprise\n", ""},
		{fs.ErrNotExist, 500, "file does not exist\n", ""}, // a missing file is no missing module
	}
	for _, test := range tests {
		h := server.New(server.Options{Source: fails{test.err}, SumDB: fails{test.err}, Fresh: time.Minute})
		for _, name := range everything {
			a := ask(h, "GET", name)
			if a.StatusCode != test.status || a.body != test.body || a.Header.Get("Retry-After") != test.retryAfter {
				t.Errorf("%v: %s: got %d %q, Retry-After %q; want %d %q, %q", test.err, name,
					a.StatusCode, a.body, a.Header.Get("Retry-After"), test.status, test.body, test.retryAfter)
			}
			if got := a.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%v: %s: Cache-Control is %q", test.err, name, got)
			}
			checkReason(t, a)
			head := ask(h, "HEAD", name)
			if head.StatusCode != test.status || head.body != "" || head.Header.Get("Content-Length") != fmt.Sprint(len(test.body)) {
				t.Errorf("%v: HEAD %s: got %d, %q", test.err, name, head.StatusCode, head.Header)
			}
		}
	}
}

// TestReasonsAreReadable: whatever a reason holds, what is sent can be printed.
func TestReasonsAreReadable(t *testing.T) {
	for _, reason := range []string{
		"a\n\n\nb\r\n\tc\x1b[31m red\x00\u2028end", strings.Repeat("line\n", 50), strings.Repeat("long ", 1000), strings.Repeat("ü", 1000),
		"\xff\xfe", "", "\n\n", " ", "\x07", "多行\n原因",
	} {
		for _, err := range []error{
			&goproxy.Refused{Status: 403, Reason: reason}, &goproxy.Wrong{Reason: reason}, &goproxy.Unavailable{Reason: reason}, errors.New(reason),
			&goproxy.NotFound{Status: 404, Body: reason},
		} {
			a := ask(server.New(server.Options{Source: fails{err}}), "GET", everything[0])
			t.Run(fmt.Sprintf("%T/%.20q", err, reason), func(t *testing.T) { checkReason(t, a) })
		}
	}
}

// TestTheUpstreamsWords: its 404 comes through as it is, empty lines and all, since clients and their tests compare it.
func TestTheUpstreamsWords(t *testing.T) {
	u := proxytest.New(t)
	hv := newHaven(t, u, nil)
	for _, code := range []int{404, 410} {
		u.Heal()
		words := fmt.Sprintf("not found: %d:\n\n\tno such thing\n", code)
		u.Fail("*", proxytest.Status(code, words))
		for i, name := range everything[:6] {
			name = strings.Replace(name, "/m/", fmt.Sprintf("/m%d%d/", code, i), 1)
			for range 2 { // from the upstream, then remembered
				if a := hv.get(name); a.StatusCode != code || a.body != words {
					t.Errorf("%s: got %d %q, want %d %q", name, a.StatusCode, a.body, code, words)
				}
			}
		}
	}
	if n := u.Requests("*"); n != 14 { // 12, and the list where @latest is absent
		t.Errorf("%d requests, want 14", n)
	}
}

// TestUpstreamTrouble asks for everything while the upstream is in each kind of trouble.
func TestUpstreamTrouble(t *testing.T) {
	tests := []struct {
		name  string
		fault proxytest.Fault
		want  int
		words string
	}{
		{"500", proxytest.Status(500, "oops\n"), 503, "500 Internal Server Error: oops"},
		{"429", proxytest.Status(429, "slow down\n").And(proxytest.Header("Retry-After", "17")), 503, "429 Too Many Requests: slow down"},
		{"403", proxytest.Status(403, "blocked by policy\n"), 403, "blocked by policy"},
		{"401", proxytest.Status(401, "log in\n"), 403, "401 Unauthorized: log in"},
		{"a page", proxytest.HTML(), 502, "HTML page"},
		{"reset", proxytest.Reset(-1), 503, "connection reset"},
		{"cut", proxytest.Close(2), 503, "broke off after 2 of "},
		{"a redirect loop", proxytest.RedirectLoop(), 503, "redirects"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u := proxytest.New(t)
			u.Fail("*", test.fault)
			hv := newHaven(t, u, nil)
			for _, name := range everything[:6] {
				a := hv.get(strings.Replace(name, "/m/", "/plain/", 1))
				if a.StatusCode != test.want || !strings.Contains(a.body, test.words) {
					t.Errorf("%s: got %d %q, want %d and %q", name, a.StatusCode, a.body, test.want, test.words)
				}
				checkReason(t, a)
				if retry := a.Header.Get("Retry-After"); (retry != "") != (test.want == 503) || test.name == "429" && retry != "17" {
					t.Errorf("%s: Retry-After is %q", name, retry)
				}
			}
			hv.settle()
			if files := hv.files(); len(files) != 0 {
				t.Errorf("stored: %q", files)
			}
			u.Heal()
			for _, name := range everything[:6] { // nothing of it sticks
				if a := hv.get(strings.Replace(name, "/m/", "/plain/", 1)); a.StatusCode != 200 {
					t.Errorf("afterwards: %s: %d %q", name, a.StatusCode, a.body)
				}
			}
		})
	}
}

package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/server"
)

// A porter is a Guard that knows people by the user of Basic authentication.
type porter struct{}

func (porter) Admit(r *http.Request) (server.Caller, error) {
	name, _, ok := r.BasicAuth()
	switch {
	case !ok:
		return nil, &goproxy.Refused{Status: http.StatusUnauthorized, Reason: "who are you?"}
	case name == "eager":
		return nil, &goproxy.Refused{Status: http.StatusTooManyRequests, Reason: "too many requests", RetryAfter: 1500 * time.Millisecond}
	}
	return person(name), nil
}

// A person is a Caller. Upper is a module for insiders.
type person string

func (p person) Name() string        { return string(p) }
func (p person) Private(string) bool { return p != "everybody" }
func (p person) PrivateAll() bool    { return p != "everybody" }
func (p person) MayAll() error       { return p.May("example.com/Upper") }
func (p person) May(path string) error {
	if path != "example.com/Upper" || p == "insider" {
		return nil
	}
	if p == "stranger" {
		return goproxy.Absent("not found: example.com/Upper")
	}
	return &goproxy.Refused{Status: http.StatusForbidden, Reason: "example.com/Upper is not for " + string(p)}
}

// TestGuard asks each endpoint as each kind of caller, cold and from the store: who may not know of a module is told the same of it
// whatever is known here, and what is for one alone is kept by no cache on the way.
func TestGuard(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	hv := guarded(t, proxytest.New(t, proxytest.WithSumDB(db)), db, porter{})
	protected := []string{
		"example.com/!upper/@v/list", "example.com/!upper/@latest", "example.com/!upper/@v/v1.0.0.info", "example.com/!upper/@v/v1.0.0.mod",
		"example.com/!upper/@v/v1.0.0.zip", "cached-only/example.com/!upper/@v/v1.0.0.mod", "sumdb/sum.example.com/lookup/example.com/!upper@v1.0.0",
	}
	const records = "sumdb/sum.example.com/tile/8/data/000.p/1" // they name what is protected
	open := []string{"example.com/plain/@v/list", "example.com/plain/@v/v1.0.0.zip", "sumdb/sum.example.com/lookup/example.com/plain@v1.0.0", "sumdb/sum.example.com/latest"}
	ask := func(who, method, path string) answer {
		t.Helper()
		if who == "" {
			return hv.do(method, path)
		}
		r, _ := http.NewRequest(method, "/", nil)
		r.SetBasicAuth(who, "x")
		return hv.do(method, path, "Authorization", r.Header.Get("Authorization"))
	}
	for _, when := range []string{"cold", "stored"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, path := range append(protected, open...) {
				for who, want := range map[string]int{"": 401, "eager": 429, "outsider": 403, "stranger": 404} {
					a := ask(who, method, path)
					if free := who == "outsider" || who == "stranger"; free && !strings.Contains(path, "!upper") {
						continue
					}
					if a.StatusCode != want || a.Header.Get("Cache-Control") != "no-store" {
						t.Errorf("%s %s as %q, %s: got %s, %q", method, path, who, when, a.Status, a.Header.Get("Cache-Control"))
					}
					if got := a.Header.Get("WWW-Authenticate"); (got != "") != (want == 401) {
						t.Errorf("%s as %q: WWW-Authenticate is %q", path, who, got)
					}
					if got := a.Header.Get("Retry-After"); want == 429 && got != "2" {
						t.Errorf("%s as %q: Retry-After is %q", path, who, got)
					}
				}
			}
		}
		for _, path := range append(protected, open...) {
			if strings.HasPrefix(path, "cached-only/") && when == "cold" {
				continue
			}
			for who, want := range map[string]string{"insider": "private, no-store", "everybody": "public"} {
				if who == "everybody" && strings.Contains(path, "!upper") {
					continue
				}
				if a := ask(who, http.MethodGet, path); a.StatusCode != 200 || !strings.HasPrefix(a.Header.Get("Cache-Control"), want) {
					t.Errorf("%s as %q, %s: got %s, %q", path, who, when, a.Status, a.Header.Get("Cache-Control"))
				}
			}
		}
		hv.settle()
	}
	for who, want := range map[string]int{"outsider": 403, "stranger": 404} {
		for _, path := range []string{records, "status", "doctor"} {
			if a := ask(who, http.MethodGet, path); a.StatusCode != want || strings.HasPrefix(a.body, "404 page") {
				t.Errorf("%s as %q: got %s %q, want %d", path, who, a.Status, a.body, want)
			}
		}
	}
	if a := ask("insider", http.MethodGet, "status"); !strings.HasPrefix(a.body, "404 page") { // of the handler that stands in for it
		t.Errorf("status as an insider: got %s %q", a.Status, a.body)
	}
	if a := ask("insider", http.MethodGet, "doctor?module=example.com/m@v1.0.0"); a.body != `{"asked":"example.com/m@v1.0.0"}` || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the doctor to an insider: %s %q", a.Status, a.body)
	}
	if a := ask("insider", http.MethodGet, "doctor?module=bad"); a.StatusCode != 429 || a.Header.Get("Retry-After") != "1" || a.body != "asked too often\n" {
		t.Errorf("the doctor who refuses: %s %q", a.Status, a.body)
	}
	if a := ask("insider", http.MethodHead, "doctor?module=bad"); a.StatusCode != 200 || a.body != "" {
		t.Errorf("HEAD of the doctor: %s %q", a.Status, a.body)
	}
	for path, want := range map[string]int{"healthz": 200, "readyz": 200, "": 401, "nonsense": 401} {
		if a := ask("", http.MethodGet, path); a.StatusCode != want {
			t.Errorf("/%s: got %s, want %d", path, a.Status, want)
		}
	}
}

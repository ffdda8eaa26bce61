package upstream_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// answers are what a proxy does over HTTP, and whether the list goes on after it where a comma stands.
var answers = map[string]struct {
	h      http.HandlerFunc // nil: nobody listens
	absent bool
}{
	"404":     {h: status(404), absent: true},
	"410":     {h: status(410), absent: true},
	"403":     {h: status(403)},
	"500":     {h: status(500)},
	"refused": {},
	"page":    {h: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }},
	"hang":    {h: hang},
	"cut": {h: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "PK")
		panic(http.ErrAbortHandler)
	}},
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// good answers all that operations ask.
func good(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/list"):
		io.WriteString(w, "v1.0.0\n")
	case strings.HasSuffix(r.URL.Path, ".zip"):
		io.WriteString(w, "PK\x03\x04")
	default:
		io.WriteString(w, `{"Version":"v1.0.0"}`)
	}
}

// TestChainOverHTTP has a good proxy behind each kind of bad one, by comma and by pipe: each failure, also one that
// only shows after a while or in the middle of a body, is absence or trouble as for the go command.
func TestChainOverHTTP(t *testing.T) {
	for name, first := range answers {
		for _, pipe := range []bool{false, true} {
			for _, op := range operations() {
				if op.name == "stat" && (name == "page" || name == "cut") {
					continue // a HEAD does not see a body
				}
				if (op.name == "info" || op.name == "mod") && name == "page" {
					continue // the sink sees it
				}
				synctest.Test(t, func(t *testing.T) {
					net := newNetwork(t)
					if first.h != nil {
						net.serve("a.test", first.h)
					}
					b := net.serve("b.test", good)
					c := net.chain(upstream.ChainOptions{End: goproxy.Direct}, once, pipe, "http://a.test", "http://b.test/sub/path/")
					err := op.do(t.Context(), c)
					if want := first.absent || pipe; (err == nil) != want || (len(b.requests()) > 0) != want {
						t.Errorf("%s, a pipe %t, %s: got %v, the second one was asked %q; want it to answer: %t",
							name, pipe, op.name, err, b.requests(), want)
					}
					if strings.HasPrefix(kind(err), "absent") {
						t.Errorf("%s, a pipe %t, %s: got %v, though not all said absent", name, pipe, op.name, err)
					}
					for _, r := range b.requests() {
						if !strings.Contains(r, " /sub/path/example.com/plain/@") {
							t.Errorf("the request was %q", r)
						}
					}
				})
			}
		}
	}
}

// TestPeer12PrivateNamesStay: with other proxies a private name leaves when it is written with capitals. Here a module
// that matches a pattern is asked of no public upstream, in no spelling, by no operation, whatever the list says;
// the upstreams' own logs tell.
func TestPeer12PrivateNamesStay(t *testing.T) {
	tests := []struct {
		patterns, path string
		private        bool
	}{
		{"corp.example", "corp.example/secret", true},
		{"corp.example", "corp.example/Secret/v2", true},
		{"corp.example/secret", "corp.example/SECRET", true},
		{"corp.example/Secret", "corp.example/secret/sub", true},
		{"CORP.example", "corp.example/m", true},
		{"*.corp.example", "git.corp.example/Team/m", true},
		{"x.test, corp.example/*/x", "corp.example/Y/X", false}, // a space is part of a pattern, as for the go command
		{"x.test,corp.example/*/x", "corp.example/Y/X", true},
		{"github.com/my[A-Z]rg", "github.com/myOrg/m", true},
		{"corp.example/", "corp.example/m", true},
		{"corp.example/secret", "corp.example/secretary", false},
		{"corp.example", "corp.example.com/m", false},
		{"", "corp.example/m", false},
	}
	for _, test := range tests {
		for _, failover := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork(t)
				own := net.serve("own.test", status(404))
				public := net.serve("public.test", good)
				p := newPool(t, upstream.PoolOptions{Patience: -1})
				c := p.Chain([]upstream.Entry{
					{Upstream: add(t, p, "http://public.test", net.tr, once), Public: true, AnyError: true},
					{Upstream: add(t, p, "http://own.test", net.tr, once)},
					{Upstream: add(t, p, "http://public.test", net.tr, once), Public: true},
				}, upstream.ChainOptions{Rules: goproxy.NewRules(test.patterns, nil), Failover: failover})
				f := file(test.path, "v1.0.0-Pre", goproxy.Mod)
				if strings.HasSuffix(test.path, "/v2") {
					f.Version.Version = "v2.0.0-Pre"
				}
				_, _ = c.List(t.Context(), test.path)
				_, _ = c.Query(t.Context(), test.path, "latest")
				_, _ = c.Query(t.Context(), test.path, "Main")
				_, _ = c.Stat(t.Context(), f)
				_, _ = c.Fetch(t.Context(), f, &sink{})
				if got := len(public.requests()) == 0; got != test.private {
					t.Errorf("%q, %s, failover %t: the public proxy was asked %q", test.patterns, test.path, failover, public.requests())
				}
				if got := len(own.requests()) > 0; got != test.private {
					t.Errorf("%q, %s: the own proxy was asked %q", test.patterns, test.path, own.requests())
				}
			})
		}
	}
}

// TestPrivateWithoutAHome: where only public proxies are configured, a private module is refused, so that no client goes
// on to the next proxy with it, unless the list says to go direct.
func TestPrivateWithoutAHome(t *testing.T) {
	for end, want := range map[string]string{"": "refused 403", goproxy.Off: "refused 403", goproxy.Direct: "absent 404"} {
		var log []string
		p := newPool(t, upstream.PoolOptions{Patience: -1})
		u := add(t, p, "http://public", says{"public", "ok", &log}, once)
		c := p.Chain([]upstream.Entry{{Upstream: u, Public: true}}, upstream.ChainOptions{Rules: goproxy.NewRules("corp.example", nil), End: end})
		_, err := c.List(t.Context(), "corp.example/Secret")
		if kind(err) != want || len(log) != 0 || !strings.Contains(err.Error(), "corp.example/Secret") {
			t.Errorf("end %q: got %s (%v), asked %q; want %s", end, kind(err), err, log, want)
		}
	}
}

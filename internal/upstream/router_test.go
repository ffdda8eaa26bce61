package upstream_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// crossroads is a Router over three upstreams: a public one for the rest, own for corp.example, and version control.
func crossroads(t *testing.T, log *[]string, private string, leaks upstream.LeakOptions) *upstream.Router {
	t.Helper()
	p := newPool(t, upstream.PoolOptions{Patience: -1})
	public := upstream.Entry{Upstream: add(t, p, "http://public", says{"public", "404", log}, once), Public: true}
	own := upstream.Entry{Upstream: add(t, p, "http://own", says{"own", "404", log}, once)}
	up := func(urls string) (all []goproxy.Upstream) {
		for _, u := range strings.Fields(urls) {
			all = append(all, goproxy.Upstream{URL: u, Public: u == "http://public"})
		}
		return all
	}
	routes := []goproxy.Route{
		{Pattern: "corp.example", Upstreams: up("http://own direct")},
		{Pattern: "corp.example/mixed", Upstreams: up("http://public http://own")},
		{Pattern: "corp.example/open", Upstreams: up("http://public"), Public: true},
		{Pattern: "git.corp.example/*", Upstreams: up("direct")},
		{Pattern: "closed.example", Upstreams: up("off")},
	}
	rules := goproxy.NewRules(private, routes)
	o := upstream.ChainOptions{Rules: rules, Direct: terminal{log}}
	direct, off := o, o
	direct.End, off.End = goproxy.Direct, goproxy.Off
	chains := []*upstream.Chain{
		p.Chain([]upstream.Entry{own}, direct),
		p.Chain([]upstream.Entry{public, own}, o),
		p.Chain([]upstream.Entry{public}, o),
		p.Chain(nil, direct),
		p.Chain(nil, off),
	}
	leaks.Rules = rules
	return upstream.NewRouter(rules, p.Chain([]upstream.Entry{public}, direct), chains, upstream.NewLeakGuard(leaks))
}

// TestRouter: each operation asks those of the module's route, in their order, and no public one for a private name.
func TestRouter(t *testing.T) {
	for path, want := range map[string]string{
		"golang.org/x/text":         "public",
		"corp.example/lib":          "own direct",
		"corp.example/Lib":          "own direct",
		"corp.example":              "own direct",
		"corp.example/mixed/m":      "public own",
		"corp.example/open":         "public",
		"git.corp.example/lib":      "direct",
		"git.corp.example":          "", // above
		"closed.example/m":          "",
		"secret.example/m":          "direct",
		"Secret.example/M":          "direct",
		"corp.example/mixed/secret": "own",
		"corp.example/open/secret":  "",
		"deep.example":              "",
	} {
		for name, do := range map[string]func(*upstream.Router) error{
			"list":  func(r *upstream.Router) error { _, err := r.List(t.Context(), path); return err },
			"query": func(r *upstream.Router) error { _, err := r.Query(t.Context(), path, "main"); return err },
			"stat":  func(r *upstream.Router) error { _, err := r.Stat(t.Context(), fileOf(path)); return err },
			"fetch": func(r *upstream.Router) error { _, err := r.Fetch(t.Context(), fileOf(path), &sink{}); return err },
		} {
			var log []string
			r := crossroads(t, &log, "secret.example,corp.example/mixed/secret,corp.example/open/secret,deep.example/x", upstream.LeakOptions{})
			err := do(r)
			var asked []string
			for _, l := range log {
				who, _, _ := strings.Cut(l, " ")
				asked = append(asked, who)
			}
			if got := strings.Join(slices.Compact(asked), " "); got != want {
				t.Errorf("%s of %s asked %q (%v), want %q", name, path, got, err, want)
			}
			route := r.Route(path)
			var names []string
			for _, g := range route.Groups {
				for _, u := range g {
					names = append(names, strings.TrimPrefix(u.Name(), "http://"))
				}
			}
			if route.Direct {
				names = append(names, "direct")
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%s: Route says %q is asked, want %q", path, got, want)
			}
		}
	}
}

// TestRouterAboveIsAbsent: a client that looks above a private module goes on to the private one.
func TestRouterAboveIsAbsent(t *testing.T) {
	var log []string
	r := crossroads(t, &log, "", upstream.LeakOptions{})
	_, err := r.List(t.Context(), "git.corp.example")
	if kind(err) != "absent 404" || !strings.Contains(err.Error(), "stands above the private git.corp.example/*") {
		t.Errorf("got %s: %v", kind(err), err)
	}
}

// TestRouterOneBreaker: an upstream that is found out of use by one route is so for all.
func TestRouterOneBreaker(t *testing.T) {
	var log []string
	p := newPool(t, upstream.PoolOptions{Patience: -1})
	u := add(t, p, "http://own", says{"own", "unavailable", &log}, goproxy.UpstreamOptions{Attempts: 1, Check: time.Hour})
	routes := []goproxy.Route{{Pattern: "a.example", Upstreams: []goproxy.Upstream{{URL: "http://own"}}}}
	rules := goproxy.NewRules("", routes)
	entries := []upstream.Entry{{Upstream: u}}
	r := upstream.NewRouter(rules, p.Chain(entries, upstream.ChainOptions{Rules: rules}), []*upstream.Chain{p.Chain(entries, upstream.ChainOptions{Rules: rules})}, nil)
	for range 10 {
		_, _ = r.List(t.Context(), "a.example/m")
	}
	asked := len(log)
	if _, err := r.List(t.Context(), "b.example/m"); err == nil || len(log) != asked {
		t.Errorf("another route asked it again: %q, %v", log, err)
	}
	if s := r.Status(); len(s.Upstreams) != 1 || !s.Degraded {
		t.Errorf("status %+v", s)
	}
}

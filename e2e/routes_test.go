package e2e_test

import (
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// TestRoutes: the go command gets each module from where its route says, and nobody else hears of it.
func TestRoutes(t *testing.T) {
	t.Parallel()
	rest, own := proxytest.New(t), proxytest.New(t)
	hv := serve(t, rest.URL, "--routes", "example.com/plain,example.com/graph/* "+own.URL+"; example.com/hello off")
	env := proxytest.GoEnv(t, hv.URL, "off")
	goOK(t, env, "mod", "download", "example.com/plain@v1.1.0", "example.com/major@v1.0.0")
	if _, errs, err := goIn(t, env, "mod", "download", "example.com/hello@v1.0.0"); err == nil || !strings.Contains(errs, "403") {
		t.Errorf("a module of a closed route: %v, %s", err, errs)
	}
	for _, path := range []string{"example.com/!plain/@v/list", "example.com/graph/@v/list", "example.com/@v/list"} {
		hv.get(path)
	}
	for who, u := range map[string]*proxytest.Upstream{"rest": rest, "own": own} {
		for _, r := range u.Log() {
			routed := strings.Contains(strings.ToLower(r.Name), "plain") || strings.Contains(r.Name, "graph/a")
			if strings.Contains(r.Name, "/@v/") && routed != (who == "own") {
				t.Errorf("%s was asked for %s", who, r.Name)
			}
		}
	}
	if n := own.Requests("example.com/!plain/@v/list"); n != 1 {
		t.Errorf("a module in capitals took its route %d times", n)
	}
}

// TestLeakGuardServes: a name that looks internal is refused or sent with a warning, and the status says what to add.
func TestLeakGuardServes(t *testing.T) {
	t.Parallel()
	for guard, want := range map[string]int{"refuse": 403, "warn": 503} {
		hv := serve(t, "default", "--leak-guard", guard, "--own-domains", "corp.example", "--private", "src.example")
		for _, path := range []string{"git.lan/team/m/@v/list", "git.corp.example/m/@v/v1.0.0.zip", "git.lan/team/m/@latest"} {
			if a := hv.get(path); a.StatusCode != want {
				t.Errorf("%s: %s is %s %q, want %d", guard, path, a.Status, a.body, want)
			}
		}
		if a := hv.get("status"); !strings.Contains(a.body, `"add": "private: src.example,git.lan"`) || !strings.Contains(a.body, `"add": "private: src.example,git.corp.example"`) {
			t.Errorf("%s: status %s", guard, a.body)
		}
		if a := hv.get("metrics"); !strings.Contains(a.body, "modhaven_internal_names_total 3\n") || !strings.Contains(a.body, "modhaven_internal_hosts 2\n") {
			t.Errorf("%s: the metrics lack it", guard)
		}
		if log := hv.out.String(); strings.Count(log, "host=git.lan") != 1 || !strings.Contains(log, `add="private: src.example,git.lan"`) {
			t.Errorf("%s: the log is\n%s", guard, log)
		}
	}
}

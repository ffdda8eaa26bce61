package e2e_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// A target is what is asked for, and who may have it.
type target struct {
	name, method, path string
	module             string // what the answer is about; "" for none
	ranged             bool
	ok                 int    // the status for those who may have it
	caching            string // of what everybody may have; "" where it does not matter
	admin              bool   // names all modules
	health             bool   // for everybody, whatever he shows
}

const (
	teamModule   = "corp.example/team"
	opsModule    = "corp.example/ops"
	hiddenModule = "corp.example/hidden"
	publicModule = "example.com/plain"
)

const accessRules = "dev corp.example/team; password:alice corp.example/team; ops corp.example/team; ops corp.example/ops; ops corp.example/hidden hide"

// targets are all endpoints, those of modules for each of them.
func targets(records string) []target {
	const changes, never, day = "public, max-age=0", "public, max-age=604800, immutable", "public, max-age=86400"
	var all []target
	for _, m := range []string{teamModule, opsModule, hiddenModule, publicModule} {
		file := m + "/@v/v1.0.0."
		all = append(all,
			target{name: "list", path: m + "/@v/list", caching: changes},
			target{name: "latest", path: m + "/@latest", caching: changes},
			target{name: "query", path: m + "/@v/main.info", caching: changes},
			target{name: "info", path: file + "info", caching: never},
			target{name: "mod", path: file + "mod", caching: never},
			target{name: "zip", path: file + "zip", caching: never},
			target{name: "HEAD", method: http.MethodHead, path: file + "zip", caching: never},
			target{name: "range", path: file + "zip", ranged: true, ok: http.StatusPartialContent, caching: never},
			target{name: "cached-only", path: "cached-only/" + file + "mod", caching: never},
			target{name: "own lookup", path: "sumdb/" + ownName + "/lookup/" + m + "@v1.0.0", caching: day},
		)
		for i := range all[len(all)-10:] {
			all[len(all)-10+i].module = m
		}
	}
	return append(all,
		target{name: "public lookup", path: "sumdb/" + publicName + "/lookup/" + publicModule + "@v1.0.0", module: publicModule, caching: day},
		target{name: "public lookup of a private module", path: "sumdb/" + publicName + "/lookup/" + teamModule + "@v1.0.0", module: teamModule, ok: http.StatusNotFound},
		target{name: "public latest", path: "sumdb/" + publicName + "/latest", caching: changes},
		target{name: "public supported", path: "sumdb/" + publicName + "/supported", caching: changes},
		target{name: "public tile", path: "sumdb/" + publicName + "/tile/8/0/000.p/1", caching: never},
		target{name: "own latest", path: "sumdb/" + ownName + "/latest", caching: changes},
		target{name: "own supported", path: "sumdb/" + ownName + "/supported", caching: changes},
		target{name: "own tile", path: "sumdb/" + ownName + "/tile/8/0/000.p/1", caching: never},
		target{name: "own records", path: records, admin: true},
		target{name: "status", path: "status", admin: true},
		target{name: "metrics", path: "metrics"},
		target{name: "root", path: ""},
		target{name: "unknown", path: "nothing/here", ok: http.StatusNotFound},
		target{name: "healthz", path: "healthz", health: true},
		target{name: "readyz", path: "readyz", health: true},
	)
}

const publicName = "sum.example.com/db"

// want is the status of an answer, a word of it where it is a refusal, and its Cache-Control, "" for whatever there is.
func (x target) want(who person, open, stale bool) (status int, says, caching string) {
	const alone, none = "private, no-store", "no-store"
	ok := max(x.ok, http.StatusOK)
	switch {
	case x.health:
		return ok, "", none
	case who.bad != "":
		return http.StatusUnauthorized, who.bad, none
	case who.groups == "anonymous" && !open:
		return http.StatusUnauthorized, "needs a credential", none
	case x.admin && who.groups == "admin" && x.name == "own records":
		return ok, "", alone
	case x.admin && who.groups == "admin":
		return ok, "", ""
	case x.admin && who.groups == "anonymous":
		return http.StatusUnauthorized, "needs a credential", none
	case x.admin:
		return http.StatusForbidden, "may not read", none
	case x.module == hiddenModule && who.groups != "admin":
		return http.StatusNotFound, "no such module", none
	case x.module == teamModule && who.groups != "dev" && who.groups != "admin", x.module == opsModule && who.groups != "admin":
		if who.groups == "anonymous" {
			return http.StatusUnauthorized, "needs a credential", none
		}
		return http.StatusForbidden, "may not read it", none
	case ok == http.StatusNotFound:
		return ok, "", none
	case x.caching == "":
		return ok, "", ""
	case x.module != "" && x.module != publicModule, !open:
		return ok, "", alone
	case stale && strings.HasPrefix(x.caching, "public, max-age=0") && x.module != "":
		return ok, "", none
	}
	return ok, "", x.caching
}

// TestAccessTable asks for everything as everybody: before it is known here, when it is, and when its upstream is away. What a refusal says is the
// same each time, and no refusal has an upstream asked.
func TestAccessTable(t *testing.T) {
	t.Parallel()
	for _, open := range []bool{true, false} {
		t.Run(fmt.Sprintf("anonymous=%v", open), func(t *testing.T) {
			t.Parallel()
			tb := newTable(t, open)
			refusals := map[string]string{}
			tb.ask("cold", func(who person, x target) bool {
				status, _, _ := x.want(who, open, false)
				return status >= http.StatusBadRequest
			}, refusals)
			for _, r := range slices.Concat(tb.u.Log(), tb.db.Log()) {
				if r.Name != "" { // a connection is made early
					t.Errorf("a refusal led to a request for %s", r.Name)
				}
			}
			tb.ask("miss", func(who person, x target) bool { return who.groups == "admin" && x.name != "cached-only" }, nil)
			tb.ask("hit", func(person, target) bool { return true }, refusals)
			tb.u.Refuse()
			tb.db.Refuse()
			tb.stale = true
			tb.ask("stale", func(person, target) bool { return true }, refusals)
			tb.hv.stop()
			for _, who := range tb.people {
				_, secret, _ := strings.Cut(who.header, " ")
				if len(secret) > 10 && strings.Contains(tb.hv.out.String(), secret) {
					t.Errorf("what %s shows is in the log", who.name)
				}
			}
		})
	}
}

// A table is a server that knows everybody, in front of an upstream that has everything.
type table struct {
	t           *testing.T
	hv          *haven
	u           *proxytest.Upstream
	db          *proxytest.SumDB
	people      []person
	targets     []target
	clients     map[string]*http.Transport
	open, stale bool
}

func newTable(t *testing.T, open bool) *table {
	t.Helper()
	var mods []proxytest.Module
	for _, path := range []string{teamModule, opsModule, hiddenModule} {
		mods = append(mods, proxytest.Module{Path: path, Version: "v1.0.0", Refs: []string{"main"}, Files: map[string]string{"go.mod": "module " + path + "\n", "a.go": "package a\n"}})
	}
	plain := proxytest.Module{Path: publicModule, Version: "v1.0.0", Refs: []string{"main"}, Files: map[string]string{"go.mod": "module " + publicModule + "\n", "a.go": "package a\n"}}
	tb := &table{t: t, open: open, clients: map[string]*http.Transport{}}
	tb.db = proxytest.NewSumDB(t, publicName, plain)
	tb.u = proxytest.New(t, proxytest.NoFixtures(), proxytest.Modules(append(mods, plain)...))
	tb.u.Inside()
	state := filepath.Join(t.TempDir(), "state")
	all, auth, caFile := people(t)
	if open {
		auth += "; anonymous"
	}
	keyFile, _ := ownKey(t)
	cert, key := certificate(t)
	tb.people = all
	tb.hv = start(t, state, environ(t, "SSL_CERT_FILE="+caFile), "serve", "--listen", "127.0.0.1:0", "--state", state, "--upstreams", tb.u.URL, "--sumdb", tb.db.Spec(),
		"--private", "corp.example", "--sumdb-own", ownName, "--sumdb-own-key", keyFile, "--tls-cert", cert, "--tls-key", key,
		"--fresh", "0s", "--list-refresh", "0s", "--auth", auth, "--access", accessRules)
	for _, who := range all {
		config := &tls.Config{InsecureSkipVerify: true} // whom a client trusts is another test's
		if who.cert != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return who.cert, nil }
		}
		tr := &http.Transport{DialContext: proxytest.Dialer{}.DialContext, TLSClientConfig: config, DisableCompression: true}
		t.Cleanup(tr.CloseIdleConnections)
		tb.clients[who.name] = tr
	}
	tb.targets = targets("sumdb/" + ownName + "/tile/8/data/000.p/1")
	return tb
}

// ask asks as each person for each target that is chosen, and compares refusals with those of before.
func (tb *table) ask(stage string, choose func(person, target) bool, refusals map[string]string) {
	tb.t.Helper()
	for _, who := range tb.people {
		for i, x := range tb.targets {
			if !choose(who, x) || who.few && i%12 != 0 {
				continue
			}
			tb.one(stage, who, x, refusals)
		}
	}
}

func (tb *table) one(stage string, who person, x target, refusals map[string]string) {
	t := tb.t
	t.Helper()
	what := fmt.Sprintf("%s: %s asks for %s %s", stage, who.name, x.name, x.path)
	method := x.method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), method, tb.hv.URL+"/"+x.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if who.header != "" {
		req.Header.Set("Authorization", who.header)
	}
	if x.ranged {
		req.Header.Set("Range", "bytes=0-3")
	}
	resp, err := tb.clients[who.name].RoundTrip(req)
	if who.bad == "handshake" {
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s: got %s over a connection that should not be", what, resp.Status)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	status, says, caching := x.want(who, tb.open, tb.stale)
	got := resp.Header.Get("Cache-Control")
	if err != nil || resp.StatusCode != status || caching != "" && got != caching || method != http.MethodHead && !strings.Contains(string(b), says) {
		t.Errorf("%s: got %s, Cache-Control %q, %.200q, %v; want %d, %q, %q", what, resp.Status, got, b, err, status, caching, says)
	}
	if challenged := resp.Header.Get("WWW-Authenticate") != ""; challenged != (status == http.StatusUnauthorized) {
		t.Errorf("%s: with a challenge: %v, for status %d", what, challenged, status)
	}
	if status < http.StatusBadRequest || refusals == nil {
		return
	}
	hd := resp.Header.Clone()
	hd.Del("Date")
	var lines []string
	for key, values := range hd {
		lines = append(lines, fmt.Sprint(key, values))
	}
	slices.Sort(lines)
	refusal := fmt.Sprint(resp.StatusCode, lines, string(b))
	key := who.name + " " + method + " " + x.name + x.path
	if before, ok := refusals[key]; ok && before != refusal {
		t.Errorf("%s: the refusal is %s, and was %s", what, refusal, before)
	}
	refusals[key] = refusal
}

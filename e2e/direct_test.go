package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

const forgeHost = proxytest.GitHost

// A forge is a host with git repositories that want a user and a password, and the one proxy that leads to it.
type forge struct {
	*proxytest.Git
	t     *testing.T
	proxy *proxytest.GitProxy
	env   []string // of servers, beside what all have
}

func newForge(t *testing.T) *forge {
	t.Helper()
	g := &forge{Git: proxytest.NewGit(t), t: t}
	g.Lock("")
	g.proxy = g.Proxy()
	return g
}

// start starts a server that may reach the forge alone, with the given netrc.
func (g *forge) start(netrc string, args ...string) *haven {
	g.t.Helper()
	name := filepath.Join(g.t.TempDir(), "netrc")
	if err := os.WriteFile(name, []byte(netrc), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return g.startWith(nil, append(args, "--direct-netrc", name)...)
}

// startWith starts a server that may reach the forge alone, with further variables.
func (g *forge) startWith(more []string, args ...string) *haven {
	g.t.Helper()
	state := filepath.Join(g.t.TempDir(), "state")
	env := append(environ(g.t, append([]string{"HTTPS_PROXY=" + g.proxy.URL, "HTTP_PROXY=" + g.proxy.URL, "SSL_CERT_FILE=" + g.CertFile}, more...)...), g.env...)
	env = slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "GOROOT=") }) // its go command is the real one
	return start(g.t, state, env, append([]string{"serve", "--listen", "127.0.0.1:0", "--state", state, "--sumdb", "off"}, args...)...)
}

const rightNetrc = "machine " + forgeHost + " login " + proxytest.GitUser + " password " + proxytest.GitPassword + "\n"

// TestDirect: the unmodified go command builds with private modules that the server fetches from version control, and verifies them with
// the server's own checksum database; then again with the host gone.
func TestDirect(t *testing.T) {
	t.Parallel()
	g := newForge(t)
	g.Module("team/lib", "v1.0.0", "v1.1.0")
	u := proxytest.New(t)
	u.Inside()
	keyFile, key := ownKey(t)
	hv := g.start(rightNetrc, "--upstreams", u.URL+",direct", "--private", forgeHost, "--sumdb-own", ownName, "--sumdb-own-key", keyFile)
	const lib = forgeHost + "/team/lib"
	env := proxytest.GoEnv(t, hv.URL, key)
	if out := goOK(t, env, "list", "-m", "-versions", lib); out != lib+" v1.0.0 v1.1.0\n" {
		t.Errorf("versions: %q", out)
	}
	build := func(env []string) {
		t.Helper()
		dir := proxytest.GoModule(t, "go.mod", "module example.test/main\n\ngo 1.21\n",
			"main.go", "package main\n\nimport lib \""+lib+"\"\n\nfunc main() { println(lib.Version) }\n")
		for _, args := range [][]string{{"get", lib + "@v1.1.0"}, {"mod", "verify"}} {
			if out, stderr, err := proxytest.Go(t, dir, env, args...); err != nil {
				t.Fatalf("go %q: %v\n%s%s\n%s", args, err, out, stderr, hv.out.String())
			}
		}
		if _, stderr, err := proxytest.Go(t, dir, env, "run", "."); err != nil || stderr != "v1.1.0\n" {
			t.Errorf("go run: %v, %q", err, stderr)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "go.sum")); err != nil || bytes.Count(b, []byte(lib+" v1.1.0")) != 2 {
			t.Errorf("go.sum: %q, %v", b, err)
		}
	}
	build(env)
	if err := os.RemoveAll(filepath.Join(g.Root, "team")); err != nil {
		t.Fatal(err)
	}
	build(proxytest.GoEnv(t, hv.URL, key))
	if a := hv.get(forgeHost + "/team/lib/@v/v1.9.9.info"); a.StatusCode != 404 {
		t.Errorf("an absent version: got %s %q", a.Status, a.body)
	}
	if a := hv.get("example.com/absent/@v/list"); a.StatusCode != 404 || u.Requests("example.com/absent/@v/list") != 1 {
		t.Errorf("a public module that no proxy has: got %s", a.Status)
	}
	for _, host := range g.proxy.Hosts() {
		if host != forgeHost+":443" {
			t.Errorf("the server went to %s", host)
		}
	}
}

// TestDirectRefused: a credential that is missing or wrong is a refusal with the host's name, and shows nothing of itself.
func TestDirectRefused(t *testing.T) {
	t.Parallel()
	g := newForge(t)
	g.Module("team/lib", "v1.0.0")
	for what, netrc := range map[string]string{"none": "", "wrong": "machine " + forgeHost + " login robot password mistaken\n"} {
		hv := g.start(netrc, "--upstreams", "direct", "--private", forgeHost)
		a := hv.get(forgeHost + "/team/lib/@v/list")
		if a.StatusCode != 403 || !strings.Contains(a.body, forgeHost) || strings.Contains(a.body+hv.out.String(), "mistaken") {
			t.Errorf("%s: got %s %q\n%s", what, a.Status, a.body, hv.out.String())
		}
	}
}

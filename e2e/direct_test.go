package e2e_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

const forgeHost = "git.example.com"

// A forge is a host with git repositories that want a user and a password, over TLS, and the one proxy that leads to it.
type forge struct {
	t     *testing.T
	root  string // bare repositories
	ca    string
	proxy string // for HTTPS_PROXY; whatever host is asked for through it, the forge answers

	mu    sync.Mutex
	hosts []string // that were asked for
}

func newForge(t *testing.T) *forge {
	t.Helper()
	execPath, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skipf("git is not installed, which serves and fetches the repositories: %v", err)
	}
	backend := filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		t.Skipf("git has no http backend here, which serves the repositories: %v", err)
	}
	g := &forge{t: t, root: t.TempDir()}
	git := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + g.root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + g.root}, Stderr: io.Discard}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, pass, _ := r.BasicAuth(); user != "robot" || pass != "pass-word" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		if r.URL.Query().Get("go-get") == "1" {
			root := forgeHost + r.URL.Path
			fmt.Fprintf(w, `<html><head><meta name="go-import" content="%s git https://%s.git"></head></html>`, root, root)
			return
		}
		git.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	g.ca = filepath.Join(g.root, "ca.pem")
	if err := os.WriteFile(g.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	g.proxy = g.connect(srv.Listener.Addr().String())
	return g
}

// connect starts the proxy.
func (g *forge) connect(to string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT alone", http.StatusBadRequest)
			return
		}
		g.mu.Lock()
		g.hosts = append(g.hosts, r.Host)
		g.mu.Unlock()
		far, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer far.Close()
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer near.Close()
		fmt.Fprint(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { io.Copy(far, near); far.Close() }()
		io.Copy(near, far)
	}))
	g.t.Cleanup(srv.Close)
	proxytest.Register(srv.Listener.Addr().String())
	return srv.URL
}

// repo makes a repository whose module is at git.example.com/name, with a commit and a tag for each version.
func (g *forge) repo(name string, versions ...string) {
	g.t.Helper()
	g.repoOf(name, forgeHost+"/"+name, versions...)
}

// repoOf is repo for a module of another path. One that is there is replaced.
func (g *forge) repoOf(name, module string, versions ...string) {
	g.t.Helper()
	tree := g.t.TempDir()
	git := func(args ...string) {
		g.t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = tree
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=T",
			"GIT_COMMITTER_EMAIL=t@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
		if out, err := cmd.CombinedOutput(); err != nil {
			g.t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	bare := filepath.Join(g.root, name+".git")
	if err := os.RemoveAll(bare); err != nil {
		g.t.Fatal(err)
	}
	git("init", "-q", "--bare", "-b", "main", bare)
	git("init", "-q", "-b", "main", ".")
	for _, v := range versions {
		for file, text := range map[string]string{"go.mod": "module " + module + "\n\ngo 1.21\n", "lib.go": "package lib\n\nconst Version = \"" + v + "\"\n"} {
			if err := os.WriteFile(filepath.Join(tree, file), []byte(text), 0o644); err != nil {
				g.t.Fatal(err)
			}
		}
		git("add", "-A")
		git("commit", "-q", "-m", v)
		git("tag", v)
	}
	git("push", "-q", bare, "main", "--tags")
}

// start starts a server that may reach the forge alone, with the given netrc.
func (g *forge) start(netrc string, args ...string) *haven {
	g.t.Helper()
	name := filepath.Join(g.t.TempDir(), "netrc")
	if err := os.WriteFile(name, []byte(netrc), 0o600); err != nil {
		g.t.Fatal(err)
	}
	state := filepath.Join(g.t.TempDir(), "state")
	env := environ(g.t, "HTTPS_PROXY="+g.proxy, "HTTP_PROXY="+g.proxy, "SSL_CERT_FILE="+g.ca)
	env = slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "GOROOT=") }) // its go command is the real one
	return start(g.t, state, env, append([]string{"serve", "--listen", "127.0.0.1:0", "--state", state, "--sumdb", "off", "--direct-netrc", name}, args...)...)
}

const rightNetrc = "machine " + forgeHost + " login robot password pass-word\n"

// TestDirect: the unmodified go command builds with private modules that the server fetches from version control, and verifies them with
// the server's own checksum database; then again with the host gone.
func TestDirect(t *testing.T) {
	t.Parallel()
	g := newForge(t)
	g.repo("team/lib", "v1.0.0", "v1.1.0")
	u := proxytest.New(t)
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
	if err := os.RemoveAll(filepath.Join(g.root, "team")); err != nil {
		t.Fatal(err)
	}
	build(proxytest.GoEnv(t, hv.URL, key))
	if a := hv.get(forgeHost + "/team/lib/@v/v1.9.9.info"); a.StatusCode != 404 {
		t.Errorf("an absent version: got %s %q", a.Status, a.body)
	}
	if a := hv.get("example.com/absent/@v/list"); a.StatusCode != 404 || u.Requests("example.com/absent/@v/list") != 1 {
		t.Errorf("a public module that no proxy has: got %s", a.Status)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, host := range g.hosts {
		if host != forgeHost+":443" {
			t.Errorf("the server went to %s", host)
		}
	}
}

// TestDirectRefused: a credential that is missing or wrong is a refusal with the host's name, and shows nothing of itself.
func TestDirectRefused(t *testing.T) {
	t.Parallel()
	g := newForge(t)
	g.repo("team/lib", "v1.0.0")
	for what, netrc := range map[string]string{"none": "", "wrong": "machine " + forgeHost + " login robot password mistaken\n"} {
		hv := g.start(netrc, "--upstreams", "direct", "--private", forgeHost)
		a := hv.get(forgeHost + "/team/lib/@v/list")
		if a.StatusCode != 403 || !strings.Contains(a.body, forgeHost) || strings.Contains(a.body+hv.out.String(), "mistaken") {
			t.Errorf("%s: got %s %q\n%s", what, a.Status, a.body, hv.out.String())
		}
	}
}

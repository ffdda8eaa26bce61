package gocmd

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "git" || os.Args[1] == "go") { // as Options.Helper
		if err := Ask(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

const (
	hostName   = "git.example.com"   // the test server, with a certificate
	privateDir = "secret"            // repositories below it need user and password
	downHost   = "down.example.com"  // refuses connections
	goneHost   = "gone.example.com"  // is not known
	hangHost   = "hang.example.com"  // accepts and says nothing
	innerHost  = "inner.example.com" // resolves to a private address
)

// A forge is a host with git repositories, over TLS.
type forge struct {
	tb    testing.TB
	root  string // bare repositories
	srv   *httptest.Server
	plain *httptest.Server // the same over http
	ca    string
	hang  net.Listener
	hung  chan struct{} // a connection to hangHost
	pages sync.Map      // path without slash in front → content of the go-import tag
	codes sync.Map      // path without slash in front → status of every answer
	asked atomic.Int64  // git requests
	clock int           // of commits
}

func newForge(tb testing.TB) *forge {
	tb.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		tb.Skipf("git is not installed, and these tests are about it: %v", err)
	}
	execPath, err := exec.Command("git", "--exec-path").Output()
	backend := filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend")
	if _, serr := os.Stat(backend); err != nil || serr != nil {
		tb.Skipf("git has no git-http-backend here, which serves the repositories: %v %v", err, serr)
	}
	g := &forge{tb: tb, root: tb.TempDir(), hung: make(chan struct{}, 10)}
	git := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + g.root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + g.root}, Stderr: io.Discard}
	g.srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, git) }))
	g.srv.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that leave
	g.srv.StartTLS()
	tb.Cleanup(g.srv.Close)
	g.plain = httptest.NewServer(g.srv.Config.Handler)
	tb.Cleanup(g.plain.Close)
	g.ca = filepath.Join(tb.TempDir(), "ca.pem")
	write(tb, g.ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.srv.Certificate().Raw})))
	g.hang, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := g.hang.Accept()
			if err != nil {
				return
			}
			g.hung <- struct{}{}
			conns.Go(func() { io.Copy(io.Discard, c); c.Close() })
		}
	})
	tb.Cleanup(func() { g.hang.Close(); conns.Wait() })
	return g
}

func (g *forge) serve(w http.ResponseWriter, r *http.Request, git http.Handler) {
	path := strings.Trim(r.URL.Path, "/")
	if strings.HasPrefix(path, privateDir+"/") {
		if user, pass, _ := r.BasicAuth(); user != "user" || pass != "pass-word" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
	}
	first, _, _ := strings.Cut(path, "/")
	if code, ok := g.codes.Load(first); ok {
		http.Error(w, "unknown revision of a 404 Not Found", code.(int))
		return
	}
	if r.URL.Query().Get("go-get") != "1" {
		g.asked.Add(1)
		git.ServeHTTP(w, r)
		return
	}
	for p := path; p != "."; p = filepath.ToSlash(filepath.Dir(p)) {
		if tag, ok := g.pages.Load(p); ok {
			fmt.Fprintf(w, `<html><head><meta name="go-import" content="%s"></head></html>`, tag)
			return
		}
	}
	http.NotFound(w, r)
}

// fetcher returns a Fetcher that reaches the forge, and loopback through no other way.
func (g *forge) fetcher(o Options) *Fetcher {
	g.tb.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(g.tb.TempDir(), "direct")
	}
	o.Env = append(o.Env, "SSL_CERT_FILE="+g.ca, "GIT_SSL_CAINFO="+g.ca)
	for _, key := range proxies {
		if tb, ok := g.tb.(*testing.T); ok {
			tb.Setenv(key, "")
		}
	}
	f, err := New(o)
	if err != nil {
		g.tb.Fatal(err)
	}
	f.surveys.keep = 0
	f.dial = g.dial(f)
	g.tb.Cleanup(func() {
		if err := f.Close(); err != nil {
			g.tb.Error(err)
		}
		removeAll(o.Dir)
	})
	return f
}

// dial stands in for names and addresses.
func (g *forge) dial(f *Fetcher) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, _ := net.SplitHostPort(addr)
		var d net.Dialer
		switch host {
		case hostName:
			if port == "80" {
				return d.DialContext(ctx, network, g.plain.Listener.Addr().String())
			}
			return d.DialContext(ctx, network, g.srv.Listener.Addr().String())
		case hangHost:
			return d.DialContext(ctx, network, g.hang.Addr().String())
		case goneHost:
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		case downHost:
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		case "localhost":
			return f.dialChecked(ctx, network, addr)
		case innerHost:
			return f.dialChecked(ctx, network, net.JoinHostPort("10.1.2.3", port))
		}
		if ip := net.ParseIP(host); ip == nil {
			return nil, fmt.Errorf("dial %s: the test knows no such host", addr)
		}
		return f.dialChecked(ctx, network, addr)
	}
}

// A repo is a repository of a forge, with a work tree.
type repo struct {
	g    *forge
	name string
	tree string
}

// repo makes a repository that is served as HOST/name and is a module's there.
func (g *forge) repo(name string) *repo {
	g.tb.Helper()
	r := &repo{g: g, name: name, tree: filepath.Join(g.tb.TempDir(), "tree")}
	bare := filepath.Join(g.root, name+".git")
	git(g.tb, "", "init", "-q", "--bare", "-b", "main", bare)
	git(g.tb, "", "init", "-q", "-b", "main", r.tree)
	r.git("remote", "add", "origin", bare)
	path := hostName + "/" + name
	g.pages.Store(name, path+" git https://"+path+".git")
	return r
}

func (r *repo) path() string { return hostName + "/" + r.name }

func (r *repo) git(args ...string) string {
	r.g.tb.Helper()
	return git(r.g.tb, r.tree, args...)
}

// commit makes a commit of files, given as name and content in turn, with tags, and publishes all.
func (r *repo) commit(tags []string, nameAndContent ...string) (hash string) {
	r.g.tb.Helper()
	for i := 0; i < len(nameAndContent); i += 2 {
		write(r.g.tb, filepath.Join(r.tree, nameAndContent[i]), nameAndContent[i+1])
	}
	r.g.clock++
	date := fmt.Sprintf("2026-01-02T03:04:%02dZ", r.g.clock%60)
	r.git("add", "-A")
	r.git("-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-q", "--allow-empty", "-m", "c", "--date", date)
	for _, tag := range tags {
		r.git("tag", "-f", tag)
	}
	r.push()
	return strings.TrimSpace(r.git("rev-parse", "HEAD"))
}

func (r *repo) push() {
	r.g.tb.Helper()
	r.git("push", "-q", "-f", "--all", "origin")
	r.git("push", "-q", "-f", "--tags", "origin")
}

func git(tb testing.TB, dir string, args ...string) string {
	tb.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.com",
		"GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("git %q: %v: %s", args, err, errs.String())
	}
	return string(out)
}

func write(tb testing.TB, name, content string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// plainGo runs the go command with GOPROXY=direct, by itself, with a cache of its own in dir.
func (g *forge) plainGo(f *Fetcher, dir string, args ...string) (stdout []byte, err error) {
	g.tb.Helper()
	guard, err := f.newGuard(g.tb.Context())
	if err != nil {
		g.tb.Fatal(err)
	}
	defer guard.close()
	cmd := exec.Command(f.goTool, args...)
	cmd.Dir = g.tb.TempDir()
	cmd.Env = append(append(f.env[:len(f.env):len(f.env)], guard.env()...), "GOMODCACHE="+dir, "TMPDIR="+g.tb.TempDir())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	stdout, err = cmd.Output()
	if err != nil {
		err = fmt.Errorf("%v: %s", err, errs.String())
	}
	return stdout, err
}

// A sink is a Sink in memory.
type sink struct {
	b       []byte
	size    int64
	checked string
}

func (s *sink) SetSize(n int64) error { s.size = n; return nil }

func (s *sink) WriteAt(b []byte, off int64) (int, error) {
	if end := off + int64(len(b)); int64(len(s.b)) < end {
		s.b = append(s.b, make([]byte, end-int64(len(s.b)))...)
	}
	return copy(s.b[off:], b), nil
}

func (s *sink) Reset() error { s.b = nil; return nil }

func (s *sink) Check(_ context.Context, from string) error {
	if int64(len(s.b)) != s.size {
		return fmt.Errorf("%d of %d bytes", len(s.b), s.size)
	}
	s.checked = from
	return nil
}

func file(path, version string, kind goproxy.Kind) goproxy.File {
	return goproxy.File{Version: module.Version{Path: path, Version: version}, Kind: kind}
}

func fetch(f *Fetcher, file goproxy.File) ([]byte, error) {
	var s sink
	m, err := f.Fetch(context.Background(), file, &s)
	if err == nil && (s.checked != From || m.From != From || m.Size != int64(len(s.b))) {
		err = fmt.Errorf("%s: checked %q, %+v of %d bytes", file, s.checked, m, len(s.b))
	}
	return s.b, err
}

func read(c *goproxy.Content, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	return string(b), err
}

// kind names which of the vocabulary's errors err is.
func kind(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, new(*goproxy.NotFound)):
		return "absent"
	case errors.As(err, new(*goproxy.Refused)):
		return "refused"
	case errors.As(err, new(*goproxy.Wrong)):
		return "wrong"
	case errors.As(err, new(*goproxy.Unavailable)):
		return "unavailable"
	}
	return "unknown"
}

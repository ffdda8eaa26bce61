package proxytest

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// GitHost is the name of the host that a Git stands for. It is a private one.
const GitHost = "git.corp.example"

// GitUser and GitPassword are what a Git asks for where a directory of it is locked.
const (
	GitUser     = "robot"
	GitPassword = "pass-word-of-robot"
	GitApp      = "x-access-token" // may come in place of GitUser
)

// A Git is a host with git repositories, over smart HTTP with TLS, and over HTTP without. Nothing resolves its name:
// a client dials Addr or PlainAddr for it, or goes through [Git.Proxy].
type Git struct {
	Root     string // bare repositories, NAME.git
	CertFile string // its certificate
	Addr     string // over TLS
	Plain    string // over HTTP

	t      GitTB
	git    http.Handler
	locked atomic.Pointer[string] // prefix of paths
	secret atomic.Pointer[string]
	pages  sync.Map // path without slash in front → content of the go-import tag
	pieces sync.Map // first element of a path → http.HandlerFunc
	asked  atomic.Int64
	clock  int // of commits
}

// GitTB is a TB that can do without a tool that is not installed.
type GitTB interface {
	TB
	Skipf(format string, args ...any)
}

// NewGit starts a host without repositories. It skips the test where git, or its HTTP backend, is not installed.
func NewGit(t GitTB) *Git {
	t.Helper()
	execPath, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skipf("git is not installed, which serves and fetches the repositories: %v", err)
	}
	backend := filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		t.Skipf("git has no HTTP backend here, which serves the repositories: %v", err)
	}
	g := &Git{t: t, Root: t.TempDir()}
	g.git = &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + g.Root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + g.Root},
		Stderr: io.Discard, Logger: log.New(io.Discard, "", 0)}
	g.SetPassword(GitPassword)
	cert, file := certificate(t, GitHost, "*."+GitHost)
	g.CertFile = file
	over := httptest.NewUnstartedServer(g)
	over.TLS = cert
	over.Config.ErrorLog = log.New(panicsOnly{}, "", 0) // clients that leave
	over.StartTLS()
	t.Cleanup(over.Close)
	g.Addr = over.Listener.Addr().String()
	plain := httptest.NewServer(g)
	t.Cleanup(plain.Close)
	g.Plain = plain.Listener.Addr().String()
	return g
}

// Lock has what is below a directory need GitUser and GitPassword; "" locks all.
func (g *Git) Lock(dir string) { g.locked.Store(&dir) }

// SetPassword has it ask for another password than GitPassword from now on. It is planted ([Plant]).
func (g *Git) SetPassword(password string) {
	Plant(password)
	g.secret.Store(&password)
}

// Page gives a path, and what is below it, a page with a go-import tag of that content.
func (g *Git) Page(path, tag string) { g.pages.Store(path, tag) }

// Answer has all requests whose path begins with the element first answered by h, whatever is locked.
func (g *Git) Answer(first string, h http.HandlerFunc) { g.pieces.Store(first, h) }

// Asked counts the requests of git that came.
func (g *Git) Asked() int64 { return g.asked.Load() }

// ServeHTTP implements http.Handler.
func (g *Git) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.Path, "/")
	first, _, _ := strings.Cut(path, "/")
	if h, ok := g.pieces.Load(first); ok {
		h.(http.HandlerFunc)(w, r)
		return
	}
	if dir := g.locked.Load(); dir != nil && strings.HasPrefix(path, *dir) {
		if user, pass, _ := r.BasicAuth(); user != GitUser && user != GitApp || pass != *g.secret.Load() {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
	}
	if r.URL.Query().Get("go-get") != "1" {
		g.asked.Add(1)
		g.git.ServeHTTP(w, r)
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

package gocmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"git", "go", "ssh"}, os.Args[1]) { // as Options.Helper
		if err := Ask(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

const (
	hostName   = proxytest.GitHost
	privateDir = "secret"            // repositories below it need user and password
	downHost   = "down.example.com"  // refuses connections
	goneHost   = "gone.example.com"  // is not known
	hangHost   = "hang.example.com"  // accepts and says nothing
	innerHost  = "inner.example.com" // resolves to a private address
)

// A forge is a host with git repositories, and names beside it that have troubles.
type forge struct {
	*proxytest.Git
	tb   testing.TB
	hang net.Listener
	hung chan struct{} // a connection to hangHost
}

func newForge(tb testing.TB) *forge {
	tb.Helper()
	g := &forge{Git: proxytest.NewGit(tb), tb: tb, hung: make(chan struct{}, 10)}
	g.Lock(privateDir + "/")
	var err error
	if g.hang, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
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

// status has a forge answer with a status to all that begins with an element.
func (g *forge) status(first string, code int) {
	g.Answer(first, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "unknown revision of a 404 Not Found", code)
	})
}

// fetcher returns a Fetcher that reaches the forge, and loopback through no other way.
func (g *forge) fetcher(o Options) *Fetcher {
	g.tb.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(g.tb.TempDir(), "direct")
	}
	o.Env = append(o.Env, "SSL_CERT_FILE="+g.CertFile, "GIT_SSL_CAINFO="+g.CertFile)
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
				return d.DialContext(ctx, network, g.Plain)
			}
			return d.DialContext(ctx, network, g.Addr)
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
	cmd.Env = append(append(f.env[:len(f.env):len(f.env)], guard.env(f.env, true)...), "GOMODCACHE="+dir, "TMPDIR="+g.tb.TempDir())
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

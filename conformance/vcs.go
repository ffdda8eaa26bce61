package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// With -vcs the scripts that fetch from cmd/go's local version control host (vcweb) run twice: once as they are, once with a go command that
// asks Modhaven where it would go to that host itself. Modhaven fetches with the installed go command, from another vcweb.

// vcsHost is the name that scripts have for the host, and vcsEnv the variable that the edited go command looks at.
const (
	vcsHost = "vcs-test.golang.org"
	vcsEnv  = "MODHAVEN_DIRECT"
)

// slowScript runs hg some hundred times, which takes minutes.
const slowScript = "mod_get_pseudo_hg"

// onlyVCS keeps the scripts that are about the host, but for one: see options.quick.
func onlyVCS(texts map[string]string, quick bool) {
	for name, text := range texts {
		if !strings.Contains(text, vcsHost) || quick && name == slowScript {
			delete(texts, name)
		}
	}
}

// vcsPass runs the scripts once with Modhaven in the place of direct.
func (r *runner) vcsPass(ctx context.Context, base baseline, allowed map[string]string) ([]pass, error) {
	host, err := r.startHost(ctx)
	if err != nil {
		return nil, err
	}
	defer host.stop()
	bin, err := r.modhavenBinary(ctx)
	if err != nil {
		return nil, err
	}
	t, err := r.startDirect(ctx, bin, host)
	if err != nil {
		return nil, err
	}
	p, err := r.throughDirect(ctx, t, base)
	if stopErr := t.stop(); err == nil {
		err = stopErr
	}
	p.comparison = compare(base.Outcome, p.outcome, p.scripts, allowed)
	r.report(p, allowed)
	return []pass{p}, err
}

func (r *runner) throughDirect(ctx context.Context, t target, base baseline) (pass, error) {
	pipes, stop := context.WithCancel(ctx)
	g := newGates()
	defer g.close()
	defer stop()
	changed, err := parseChanged(changedText)
	if err != nil {
		return pass{}, err
	}
	pl := plan{Proxy: map[string]string{}, Lines: changed}
	var scripts []string
	for script := range r.texts {
		ln, err := g.open(script)
		if err != nil {
			return pass{}, err
		}
		g.pipe(pipes, ln, r.upstream.addr)
		pl.Proxy[script] = "http://" + ln.Addr().String() + "/mod"
		scripts = append(scripts, script)
	}
	seen := newGates() // apart from the others: who comes here came for direct
	defer seen.close()
	ln, err := seen.open("direct")
	if err != nil {
		return pass{}, err
	}
	seen.pipe(pipes, ln, t.url.Host)
	pl.Env = map[string]string{vcsEnv: "http://" + ln.Addr().String()}
	o, err := r.run(ctx, "direct", pl, base.limit())
	slices.Sort(scripts)
	return pass{outing: o, name: "direct", scripts: scripts, piped: seen.connections()}, errors.Join(err, t.alive())
}

// modhavenBinary returns the binary to test.
func (r *runner) modhavenBinary(ctx context.Context) (string, error) {
	if r.modhaven != "" {
		return filepath.Abs(r.modhaven)
	}
	bin := filepath.Join(r.dir, "modhaven-binary")
	return bin, buildModhaven(ctx, bin)
}

// startDirect runs a Modhaven that fetches from the host, and from nothing else.
func (r *runner) startDirect(ctx context.Context, bin string, host vcsServer) (target, error) {
	addr, err := freeAddr()
	if err != nil {
		return target{}, err
	}
	home := filepath.Join(r.dir, "direct-home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return target{}, err
	}
	cmd := command(ctx, bin, "serve", "--listen", addr, "--state", filepath.Join(r.dir, "direct-state"), "--upstreams", "direct", "--private", vcsHost, "--sumdb", "off", "--patience", "0s")
	cmd.Dir = home
	cmd.Env = cleanEnv("HOME="+home, "XDG_CACHE_HOME="+home, "XDG_CONFIG_HOME="+home, "GOENV=off", "LANG=C.UTF-8",
		"HTTPS_PROXY="+host.proxy, "HTTP_PROXY="+host.proxy, "http_proxy="+host.proxy, "NO_PROXY=", "SSL_CERT_FILE="+host.cert.certFile)
	t := target{url: &url.URL{Scheme: "http", Host: addr}, client: transport(nil)}
	return startServer(ctx, cmd, filepath.Join(r.dir, "modhaven.log"), t)
}

// A vcsServer is vcweb, and the proxy through which it is the host, over TLS.
type vcsServer struct {
	proxy string // for HTTPS_PROXY
	cert  *certificate
	stop  func()
}

func (r *runner) startHost(ctx context.Context) (vcsServer, error) {
	web, err := r.startVCWeb(ctx)
	if err != nil {
		return vcsServer{}, err
	}
	cert, err := makeCertificate(r.dir, vcsHost)
	if err != nil {
		return vcsServer{}, err
	}
	quiet := log.New(io.Discard, "", 0)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return vcsServer{}, err
	}
	over := &http.Server{ErrorLog: quiet, Handler: &httputil.ReverseProxy{ErrorLog: quiet, FlushInterval: -1, Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(&url.URL{Scheme: "http", Host: web.addr})
	}}}
	go over.ServeTLS(ln, cert.certFile, cert.keyFile)
	near, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return vcsServer{}, err
	}
	connect := &http.Server{ErrorLog: quiet, Handler: tunnelTo(ln.Addr().String())}
	go connect.Serve(near)
	return vcsServer{proxy: "http://" + near.Addr().String(), cert: cert, stop: func() {
		_, _, _ = connect.Close(), over.Close(), web.stop()
	}}, nil
}

// tunnelTo answers CONNECT for the host, and for no other.
func tunnelTo(addr string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != vcsHost+":443" {
			http.Error(w, "there is no such host here", http.StatusForbidden)
			return
		}
		far, err := net.Dial("tcp", addr)
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
		go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
		_, _ = io.Copy(near, far)
	}
}

// startVCWeb builds and runs cmd/go's server of repositories.
func (r *runner) startVCWeb(ctx context.Context) (testProxy, error) {
	bin := filepath.Join(r.binary.dir, "vcstest.test")
	src := filepath.Join(r.tree.cmdgo, "internal", "vcweb", "vcstest")
	if _, err := os.Stat(bin); err != nil {
		if err := compile(ctx, r.tree, src, "", bin, "."); err != nil {
			return testProxy{}, err
		}
	}
	addr, err := freeAddr()
	if err != nil {
		return testProxy{}, err
	}
	_, port, _ := net.SplitHostPort(addr)
	cmd := command(ctx, bin, "-host", "127.0.0.1", "-port", port)
	cmd.Dir = src
	tmp := filepath.Join(r.dir, "vcweb")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return testProxy{}, err
	}
	cmd.Env = cleanEnv("GOTOOLCHAIN=local", "TMPDIR="+tmp)
	c, err := startChild("vcweb", filepath.Join(r.dir, "vcweb.log"), cmd)
	if err != nil {
		return testProxy{}, err
	}
	err = c.waitUntil(ctx, time.Minute, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return testProxy{child: c, addr: addr}, err
}

package proxytest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
)

// A GitProxy is a proxy that leads to a Git and nowhere else: whatever host is asked for through it, the Git answers.
type GitProxy struct {
	URL string // for HTTPS_PROXY

	mu    sync.Mutex
	hosts []string
}

// Hosts returns the HOST:PORT of each connection that was asked for.
func (p *GitProxy) Hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.hosts)
}

// Proxy starts a proxy.
func (g *Git) Proxy() *GitProxy {
	p := &GitProxy{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT alone", http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		p.hosts = append(p.hosts, r.Host)
		p.mu.Unlock()
		join(w, g.Addr)
	}))
	g.t.Cleanup(srv.Close)
	Register(srv.Listener.Addr().String())
	p.URL = srv.URL
	return p
}

// join makes one connection of a request's and a new one to an address.
func join(w http.ResponseWriter, addr string) {
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
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
	_, _ = io.Copy(near, far)
	_ = near.Close()
	back.Wait()
}

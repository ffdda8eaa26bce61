package upstream_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// A network is hosts without sockets, for the fake clock of testing/synctest: nothing in it blocks
// on anything but other goroutines and time.
type network struct {
	t  *testing.T
	tr *http.Transport

	mu    sync.Mutex
	hosts map[string]*host
	conns int // dialled and not closed by the client
	dials int
}

type host struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu  sync.Mutex
	log []string // METHOD PATH of each request
}

func newNetwork(t *testing.T) *network {
	n := &network{t: t, hosts: map[string]*host{}, tr: &http.Transport{}}
	n.tr.DialContext = n.dial
	t.Cleanup(n.tr.CloseIdleConnections)
	return n
}

// source returns a source that asks base in this network.
func (n *network) source(base string) source {
	n.t.Helper()
	return sourceOver(n.t, base, n.tr)
}

// chain returns a list of upstreams of this network, asked with the given options.
func (n *network) chain(c upstream.ChainOptions, o goproxy.UpstreamOptions, pipe bool, bases ...string) *upstream.Chain {
	n.t.Helper()
	p := newPool(n.t, upstream.PoolOptions{Patience: -1})
	var entries []upstream.Entry
	for _, base := range bases {
		entries = append(entries, upstream.Entry{Upstream: add(n.t, p, base, n.tr, o), AnyError: pipe})
	}
	return p.Chain(entries, c)
}

// serve lets h answer for a host name.
func (n *network) serve(name string, h http.HandlerFunc) *host {
	ho := &host{accept: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	n.hosts[name+":80"] = ho
	n.mu.Unlock()
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ho.mu.Lock()
			ho.log = append(ho.log, r.Method+" "+r.URL.EscapedPath())
			ho.mu.Unlock()
			h(w, r)
		}),
		ErrorLog: log.New(io.Discard, "", 0),
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ho) }()
	n.t.Cleanup(func() {
		n.tr.CloseIdleConnections()
		_ = s.Close()
		<-done
	})
	return ho
}

func (h *host) requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.log...)
}

func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.accept:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *host) Close() error   { h.once.Do(func() { close(h.closed) }); return nil }
func (h *host) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

// dial refuses hosts that nobody serves, as a closed port does.
func (n *network) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	ho := n.hosts[addr]
	n.dials++
	n.mu.Unlock()
	if ho == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 80}, Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	select {
	case ho.accept <- server:
	case <-ho.closed:
		return nil, fmt.Errorf("dial %s: closed", addr)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n.mu.Lock()
	n.conns++
	n.mu.Unlock()
	return &clientConn{Conn: client, net: n}, nil
}

type clientConn struct {
	net.Conn
	net  *network
	once sync.Once
}

func (c *clientConn) Close() error {
	c.once.Do(func() {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		c.net.conns--
	})
	return c.Conn.Close()
}

// open returns how many connections are open, and how many there ever were.
func (n *network) open() (open, dials int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.conns, n.dials
}

// hang answers nothing until the client leaves.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

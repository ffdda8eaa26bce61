package main

import (
	"context"
	"io"
	"net"
	"sync"
)

// gates give each script a loopback address of its own, so that whoever
// connects there is known to be that script. Behind an address is either a
// pipe, which passes bytes on unseen and so hides neither TLS nor HTTP/2, or
// the front, which reads requests.
type gates struct {
	mu    sync.Mutex
	lns   []net.Listener
	names map[string]string // script by listening address
	piped map[string]int    // connections that pipes passed on, by script
	wg    sync.WaitGroup
}

func newGates() *gates { return &gates{names: map[string]string{}, piped: map[string]int{}} }

// open listens on a free loopback port for script.
func (g *gates) open(script string) (net.Listener, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lns = append(g.lns, ln)
	g.names[ln.Addr().String()] = script
	return ln, nil
}

// script is the one that addr was opened for.
func (g *gates) script(addr string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.names[addr]
}

// connections is how many connections each script made through its pipe.
func (g *gates) connections() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := make(map[string]int, len(g.piped))
	for script, count := range g.piped {
		n[script] = count
	}
	return n
}

// pipe passes each connection to ln on to addr until ctx ends.
func (g *gates) pipe(ctx context.Context, ln net.Listener, addr string) {
	script := g.script(ln.Addr().String())
	g.wg.Go(func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			g.mu.Lock()
			g.piped[script]++
			g.mu.Unlock()
			g.wg.Go(func() { splice(ctx, from, addr) })
		}
	})
}

// splice copies both ways between from and a new connection to addr until
// both sides have closed or ctx ends.
func splice(ctx context.Context, from net.Conn, addr string) {
	defer from.Close()
	to, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	defer to.Close()
	stop := context.AfterFunc(ctx, func() {
		from.Close()
		to.Close()
	})
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { copyThenClose(to, from) })
	wg.Go(func() { copyThenClose(from, to) })
	wg.Wait()
}

// copyThenClose copies until src ends and tells dst that nothing more comes.
// A broken src breaks dst too: a torn answer must not look like a whole one.
func copyThenClose(dst, src net.Conn) {
	_, err := io.Copy(dst, src)
	if tcp, ok := dst.(*net.TCPConn); ok && err == nil {
		_ = tcp.CloseWrite()
		return
	}
	if tcp, ok := dst.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	dst.Close()
	src.Close()
}

// close stops listening. The caller has ended the context of the pipes.
func (g *gates) close() {
	g.mu.Lock()
	for _, ln := range g.lns {
		ln.Close()
	}
	g.mu.Unlock()
	g.wg.Wait()
}

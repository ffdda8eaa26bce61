package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/server"
)

// TestConnectionLimit: no more than max connections are served at once, and all are in the end.
func TestConnectionLimit(t *testing.T) {
	const limit = 3
	var now, most atomic.Int32
	full := make(chan struct{})
	var once sync.Once
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == limit {
			once.Do(func() { close(full) })
		}
		<-full // so that the limit is reached, and others have the time to exceed it
		io.WriteString(w, "ok")
	})
	ln, err := server.Listen("127.0.0.1:0", limit, server.Stall)
	if err != nil {
		t.Fatal(err)
	}
	client := serve(t, server.NewHTTP(h, nil, quiet), ln)
	client.Transport.(*http.Transport).DisableKeepAlives = true
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			resp, err := client.Get("http://" + ln.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "ok" {
				t.Errorf("got %q, %v", b, err)
			}
		})
	}
	wg.Wait()
	if n := most.Load(); n != limit {
		t.Errorf("%d were served at once, want %d", n, limit)
	}
}

// TestClosedListener: one that waits for a free place can be closed, and its address be used again.
func TestClosedListener(t *testing.T) {
	ln, err := server.Listen("127.0.0.1:0", 1, server.Stall)
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	failed := make(chan error, 1)
	go func() { _, err := ln.Accept(); failed <- err }()
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: got %v", err)
	}
	again, err := server.Listen(ln.Addr().String(), 1, server.Stall)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if _, err := server.Listen("127.0.0.1:http-or-so", 1, server.Stall); err == nil {
		t.Error("a wrong address is listened on")
	}
}

// TestPeer19Drain: another proxy needs a minute to shut down and leaves processes behind. Here a shutdown refuses new
// connections at once, lets the running answers and fills finish, and then ends.
func TestPeer19Drain(t *testing.T) {
	u := withBig(t)
	inner := newHaven(t, u, nil)
	ln, err := server.Listen("127.0.0.1:0", 100, server.Stall)
	if err != nil {
		t.Fatal(err)
	}
	proxytest.Register(ln.Addr().String())
	ctx, shutdown := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, server.NewHTTP(inner.handler, nil, quiet), ln, time.Minute) }()
	hv := &haven{t: t, URL: "http://" + ln.Addr().String(), client: inner.client}

	stream, list := u.Pause(big().Name("zip"), 6<<20), u.Pause("example.com/plain/@v/list", -1)
	answers := make(chan answer, 2)
	for _, path := range []string{big().Name("zip"), "example.com/plain/@v/list"} {
		go func() {
			a, err := hv.try("GET", path)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			answers <- a
		}()
	}
	<-stream.Reached()
	<-list.Reached()
	shutdown()
	for { // until it is refused
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			break
		}
		c.Close()
	}
	select {
	case err := <-ended:
		t.Errorf("it ended before the answers did: %v", err)
	default:
	}
	stream.Resume()
	list.Resume()
	for range 2 {
		if a := <-answers; a.StatusCode != 200 || a.body != string(big().Zip) && !strings.HasPrefix(a.body, "v1.0.0\n") {
			t.Errorf("got %s, %d bytes", a.Status, len(a.body))
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	inner.settle()
	if got := strings.Join(inner.files(), " "); !strings.Contains(got, "modules/example.com/big/@v/v1.0.0.zip") {
		t.Errorf("the file that came during the shutdown is not stored: %s", got)
	}
}

// TestDrainIsBounded: an answer that never ends does not hold the shutdown for ever; the client sees it break off.
func TestDrainIsBounded(t *testing.T) {
	ln, err := server.Listen("127.0.0.1:0", 100, server.Stall)
	if err != nil {
		t.Fatal(err)
	}
	proxytest.Register(ln.Addr().String())
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "something")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, shutdown := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, server.NewHTTP(h, nil, quiet), ln, time.Millisecond) }()
	tr := &http.Transport{DialContext: proxytest.Dialer{}.DialContext}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("http://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	shutdown()
	if b, err := io.ReadAll(resp.Body); err == nil || string(b) != "something" {
		t.Errorf("the client got %q, %v", b, err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "did not finish within") {
		t.Errorf("Serve: got %v", err)
	}
}

// TestServeFails: what ends the server by itself is its error.
func TestServeFails(t *testing.T) {
	ln, err := server.Listen("127.0.0.1:0", 1, server.Stall)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := server.Serve(t.Context(), server.NewHTTP(http.NotFoundHandler(), nil, quiet), ln, time.Minute); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/server"
)

// ample is a Source of one answer that is more than any buffer on the way to a client holds.
type ample struct {
	fails
	body  string
	ended chan error // gets each answer's end, by Access.Err
}

func (s ample) List(context.Context, string) (*goproxy.Content, error) {
	return &goproxy.Content{Meta: goproxy.Meta{Size: int64(len(s.body)), ETag: "x"}, Body: goproxy.NewBytes([]byte(s.body))}, nil
}

// Open answers by a body that is no file and not in memory, as one that still arrives.
func (s ample) Open(context.Context, goproxy.File) (*goproxy.Content, error) {
	return &goproxy.Content{Meta: goproxy.Meta{Size: int64(len(s.body))}, Body: arriving{strings.NewReader(s.body)}}, nil
}

type arriving struct{ io.ReadSeeker }

func (arriving) Close() error { return nil }

// TestStalledClientIsCut: a client that takes nothing any more holds neither a connection nor a stream nor what feeds it,
// by each protocol, from memory and from what arrives.
func TestStalledClientIsCut(t *testing.T) {
	const stall = 50 * time.Millisecond
	src := ample{body: strings.Repeat("v1.0.0\n", 5<<20), ended: make(chan error, 1)}
	h := server.New(server.Options{Source: src, Stall: stall, Observe: func(a server.Access) { src.ended <- a.Err }})
	for name, dial := range clientsOf(t, h, stall) {
		for _, path := range []string{"/example.com/m/@v/list", "/example.com/m/@v/v1.0.0.zip"} {
			t.Run(name+path, func(t *testing.T) {
				url, client := dial(t)
				resp, err := client.Get(url + path)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if err := <-src.ended; err == nil { // nothing is read until the server has given up
					t.Error("all of it was written")
				}
				if n, err := io.Copy(io.Discard, resp.Body); err == nil {
					t.Errorf("the client saw a clean end after %d bytes", n)
				}
			})
		}
	}
}

// TestStalledStreamAlone: an HTTP/2 client that leaves one stream unread loses that one, not the others on its connection.
func TestStalledStreamAlone(t *testing.T) {
	src := ample{body: strings.Repeat("v1.0.0\n", 5<<20), ended: make(chan error, 4)}
	h := server.New(server.Options{Source: src, Stall: 50 * time.Millisecond, Observe: func(a server.Access) { src.ended <- a.Err }})
	url, client := clients(t, h)["h2c"](t)
	left, err := client.Get(url + "/example.com/m/@v/list")
	if err != nil {
		t.Fatal(err)
	}
	defer left.Body.Close()
	if err := <-src.ended; err == nil {
		t.Error("the stream that nobody reads ended well")
	}
	for range 3 {
		a := (&haven{t: t, URL: url, client: client}).get("healthz")
		if a.StatusCode != 200 || a.ProtoMajor != 2 {
			t.Errorf("got %s by %s", a.Status, a.Proto)
		}
	}
}

// TestQuietUpstreamIsNotAStall: a client that waits for bytes which nobody has yet is not to blame, on any protocol.
func TestQuietUpstreamIsNotAStall(t *testing.T) {
	u := withBig(t)
	const stall = 500 * time.Millisecond
	for _, name := range []string{"HTTP/1.1", "h2c"} {
		t.Run(name, func(t *testing.T) {
			inner := newHaven(t, u, nil)
			h := server.New(server.Options{Source: inner.service, Stall: stall})
			gate := u.Pause(big().Name("zip"), 6<<20)
			url, client := clientsOf(t, h, stall)[name](t)
			resp, err := client.Get(url + "/" + big().Name("zip"))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got := make(chan string, 1)
			go func() {
				n, err := io.Copy(io.Discard, resp.Body)
				got <- fmt.Sprint(n, err)
			}()
			<-gate.Reached()
			<-time.After(3 * stall) // the upstream's silence is what is tested
			gate.Resume()
			if got, want := <-got, fmt.Sprint(len(big().Zip), nil); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestStalledClientOfAFile is the same for a stored zip, that the kernel sends.
func TestStalledClientOfAFile(t *testing.T) {
	u := withBig(t)
	inner := newHaven(t, u, nil)
	inner.get(big().Name("zip"))
	inner.settle()
	ln, err := server.Listen("127.0.0.1:0", 1, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, server.NewHTTP(inner.handler, nil, quiet), ln)
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	// Five of them on one connection are more than any buffer on the way holds.
	for range 5 {
		if _, err := io.WriteString(c, "GET /"+big().Name("zip")+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	// There is one place: another client is served as soon as this one, which never reads, is cut.
	other := &haven{t: t, URL: "http://" + ln.Addr().String(), client: inner.client}
	if a := other.get("healthz"); a.StatusCode != 200 {
		t.Errorf("another client: got %s", a.Status)
	}
}

// TestSlowClientIsServed: one that keeps taking bytes gets all of them, however long that takes in all. Here it takes
// several times as long as a client may stand still.
func TestSlowClientIsServed(t *testing.T) {
	u := withBig(t)
	inner := newHaven(t, u, nil)
	inner.get(big().Name("zip"))
	inner.settle()
	const stall = time.Second
	ln, err := server.Listen("127.0.0.1:0", 1, stall)
	if err != nil {
		t.Fatal(err)
	}
	client := serve(t, server.NewHTTP(inner.handler, nil, quiet), ln)
	start := time.Now()
	resp, err := client.Get("http://" + ln.Addr().String() + "/" + big().Name("zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	pace := time.NewTicker(stall / 20)
	defer pace.Stop()
	for n := int64(0); ; {
		m, err := io.CopyN(io.Discard, resp.Body, 200<<10)
		if n += m; err == io.EOF && n == int64(len(big().Zip)) {
			break
		}
		if err != nil {
			t.Fatalf("cut after %d bytes and %v: %v", n, time.Since(start), err)
		}
		<-pace.C
	}
	if took := time.Since(start); took < 2*stall {
		t.Fatalf("the client was not slow: %v", took)
	}
}

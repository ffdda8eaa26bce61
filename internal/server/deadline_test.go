package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// tcpPair returns the two ends of a connection over loopback; the first is one that a listener of this package accepted.
func tcpPair(t *testing.T) (*conn, net.Conn) {
	t.Helper()
	ln, err := Listen("127.0.0.1:0", 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return server.(*conn), client
}

// A reading is a Read under way.
type reading struct {
	c    *conn
	n    int
	err  error
	done chan struct{}
}

func read(c *conn) *reading {
	r := &reading{c: c, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.n, r.err = c.Read(make([]byte, 10))
	}()
	return r
}

// begun waits until it has got as far as the system.
func (r *reading) begun() {
	for {
		r.c.read.mu.Lock()
		n := r.c.read.reading
		r.c.read.mu.Unlock()
		if n > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (r *reading) want(t *testing.T, n int, err error) {
	t.Helper()
	<-r.done
	if r.n != n || !errors.Is(r.err, err) {
		t.Errorf("read %d bytes, %v; want %d, %v", r.n, r.err, n, err)
	}
}

// TestReadDeadlines sets them as net/http does: the past ends a read that waits, and what is set afterwards holds for the next.
func TestReadDeadlines(t *testing.T) {
	c, client := tcpPair(t)
	for range 3 {
		c.SetReadDeadline(time.Time{})
		r := read(c)
		r.begun()
		c.SetReadDeadline(time.Unix(1, 0))
		r.want(t, 0, os.ErrDeadlineExceeded)
		c.SetReadDeadline(time.Time{})
		c.SetReadDeadline(time.Now().Add(time.Minute))
		r = read(c)
		r.begun()
		client.Write([]byte("abc"))
		r.want(t, 3, nil)
	}
	c.SetReadDeadline(time.Unix(1, 0)) // before the read
	read(c).want(t, 0, os.ErrDeadlineExceeded)
	read(c).want(t, 0, os.ErrDeadlineExceeded)
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	read(c).want(t, 0, os.ErrDeadlineExceeded)
}

// TestReadDeadlineMoved: one that is moved while a read waits holds as moved, in both directions.
func TestReadDeadlineMoved(t *testing.T) {
	c, client := tcpPair(t)
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	r := read(c)
	r.begun()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	client.SetReadDeadline(time.Now().Add(40 * time.Millisecond)) // until the first would have ended it
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	client.Write([]byte("ab"))
	r.want(t, 2, nil)
	r = read(c)
	r.begun()
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	r.want(t, 0, os.ErrDeadlineExceeded)
}

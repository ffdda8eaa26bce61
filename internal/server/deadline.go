package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A readDeadline tells the system of a connection's deadline for reading only where it would matter. net/http sets five
// of them for each request and mostly reads once; the system's timers are not free.
//
// What the system has may be earlier than what was asked for: a read that it ends too early begins again.
type readDeadline struct {
	mu      sync.Mutex // guards all below
	want    time.Time  // as asked for; zero for none
	have    time.Time  // as the system has it
	passed  bool       // that one has ended a read, and would end the next at once
	reading int
}

// set is SetReadDeadline.
func (d *readDeadline) set(c *net.TCPConn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = t
	if d.reading == 0 {
		return nil
	}
	return d.shorten(c)
}

// shorten makes the system's deadline no later than the one asked for. The caller holds mu.
func (d *readDeadline) shorten(c *net.TCPConn) error {
	if d.want.IsZero() || !d.have.IsZero() && !d.have.After(d.want) {
		return nil
	}
	d.have = d.want
	return c.SetReadDeadline(d.have)
}

// begin is called before each read.
func (d *readDeadline) begin(c *net.TCPConn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reading++
	if d.passed {
		d.have, d.passed = d.want, false
		return c.SetReadDeadline(d.have)
	}
	return d.shorten(c)
}

// end is called after each read. It reports whether err is a deadline that is not the one asked for.
func (d *readDeadline) end(err error) (early bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reading--
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.passed = true
	return d.want.IsZero() || d.want.After(d.have)
}

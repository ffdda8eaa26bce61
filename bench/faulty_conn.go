package main

import (
	"net"
	"time"
)

// A faultyListener counts connections and resets some in the handshake of TLS.
type faultyListener struct {
	net.Listener
	u *faultyServer
}

func (l faultyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	u := l.u
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats.Conns++
	u.dials++
	u.conns[c] = struct{}{}
	k := &faultyConn{Conn: c, u: u}
	if (key{u.settings.Seed, u.settings.Run, "handshake", u.dials}).rng().Float64() < u.settings.TLSResets {
		u.stats.Faults["TLS reset"]++
		k.doomed = true
	}
	return k, nil
}

// A faultyConn counts and paces what is written.
type faultyConn struct {
	net.Conn
	u      *faultyServer
	doomed bool
}

// NetConn is for proxytest, which cuts what is below.
func (c *faultyConn) NetConn() net.Conn { return c.Conn }

func (c *faultyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.doomed { // what was read is the client's hello
		reset(c.Conn)
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *faultyConn) Write(b []byte) (sum int, err error) {
	for len(b) > 0 && err == nil {
		n := min(len(b), linkChunk)
		now := time.Now()
		if wait := c.u.total.take(n, now).Sub(now); wait > 0 {
			time.Sleep(wait)
		}
		n, err = c.Conn.Write(b[:n])
		sum += n
		b = b[n:]
	}
	c.u.mu.Lock()
	c.u.stats.Bytes += int64(sum)
	c.u.mu.Unlock()
	return sum, err
}

func (c *faultyConn) Close() error {
	c.u.mu.Lock()
	delete(c.u.conns, c.Conn)
	c.u.mu.Unlock()
	return c.Conn.Close()
}

// reset ends a connection by a reset.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	c.Close()
}

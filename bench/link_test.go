package main

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// far returns the client's end and the server's end of a connection behind l.
func far(l link) (client net.Conn, server *linkConn) {
	a, b := net.Pipe()
	return a, newLinkConn(b, l, &pacer{rate: l.Total})
}

func TestLinkDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rtt = 20 * time.Millisecond
		client, server := far(link{RTT: rtt})
		go func() {
			b := make([]byte, 1)
			for {
				if _, err := server.Read(b); err != nil {
					server.Close()
					return
				}
				server.Write(b)
			}
		}()
		for i, want := range []time.Duration{2 * rtt, rtt, rtt} {
			start := time.Now()
			client.Write([]byte{byte(i)})
			io.ReadFull(client, make([]byte, 1))
			if got := time.Since(start); got != want {
				t.Errorf("answer %d after %v, want %v", i, got, want)
			}
		}
		client.Close()
	})
}

func TestLinkPaces(t *testing.T) {
	const size = 3 << 20
	tests := []struct {
		name  string
		link  link
		conns int
		want  time.Duration
	}{
		{"a connection", link{Conn: 1 << 20}, 1, 3 * time.Second},
		{"two connections", link{Conn: 1 << 20}, 2, 3 * time.Second},
		{"two share the total", link{Conn: 1 << 20, Total: 1 << 20}, 2, 6 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				total := &pacer{rate: tt.link.Total}
				start := time.Now()
				done := make(chan error)
				for range tt.conns {
					client, peer := net.Pipe()
					server := newLinkConn(peer, tt.link, total)
					go func() {
						server.Write(make([]byte, size))
						server.Close()
					}()
					go func() {
						n, err := io.Copy(io.Discard, client)
						if err == nil && n != size {
							err = io.ErrUnexpectedEOF
						}
						done <- err
					}()
				}
				for range tt.conns {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				got := time.Since(start)
				if slack := 2*linkBurst + 40*time.Millisecond; got < tt.want-slack || got > tt.want {
					t.Errorf("took %v, want %v less at most %v", got, tt.want, slack)
				}
			})
		})
	}
}

func TestLinkFirstByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := far(link{RTT: time.Second})
		start := time.Now()
		var left []time.Duration
		server.markNext(func(at time.Time) { left = append(left, at.Sub(start)) })
		go func() {
			server.Write([]byte("a"))
			server.Write([]byte("b"))
			server.Close()
		}()
		if _, err := io.Copy(io.Discard, client); err != nil {
			t.Fatal(err)
		}
		if len(left) != 1 || left[0] != time.Second {
			t.Errorf("the first byte left at %v, want once, after 1s", left)
		}
	})
}

func TestLinkPeerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := far(link{})
		client.Close()
		big := make([]byte, 2*linkBuffer)
		_, first := server.Write(big)
		_, second := server.Write(big)
		if first != nil || second == nil {
			t.Errorf("writes to a peer that is gone: %v, %v; want the second to fail", first, second)
		}
		server.Close()
	})
}

// TestLinkCuts: a connection that is drawn for it breaks within its first megabytes, others do not, and all that was written counts.
func TestLinkCuts(t *testing.T) {
	for share, want := range map[float64]bool{0: false, 1: true} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := newLinkListener(ln, link{Cuts: share})
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write(make([]byte, 2*cutWithin))
			c.Close()
		}()
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, c)
		if (err != nil) != want || (n < 2*cutWithin) != want || n > 2*cutWithin {
			t.Errorf("share %v: %d bytes, %v", share, n, err)
		}
		if l.wrote.Load() != 2*cutWithin {
			t.Errorf("share %v: %d bytes counted", share, l.wrote.Load())
		}
		c.Close()
		l.Close()
	}
}

package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/upstream"
)

// paths are what a test wants to happen with each address. Those that it does not name are silent.
type paths struct {
	began time.Time

	mu     sync.Mutex
	how    map[string]fate
	dialed []string // "address after"
	open   int
}

type fate struct {
	after time.Duration
	err   error
	deaf  bool // does not end with its context
}

func (p *paths) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(addr)
	p.mu.Lock()
	p.dialed = append(p.dialed, fmt.Sprintf("%s %v", host, time.Since(p.began)))
	how, ok := p.how[host]
	p.mu.Unlock()
	if !ok {
		how.after = time.Hour
	}
	done := ctx.Done()
	if how.deaf {
		done = nil
	}
	select {
	case <-time.After(how.after):
	case <-done:
		err := ctx.Err()
		if errors.Is(err, context.DeadlineExceeded) {
			err = os.ErrDeadlineExceeded
		}
		return nil, &net.OpError{Op: "dial", Net: network, Addr: &net.TCPAddr{}, Err: err}
	}
	if how.err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: &net.TCPAddr{}, Err: how.err}
	}
	client, server := net.Pipe()
	server.Close()
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	return &countedConn{Conn: client, p: p, host: host}, nil
}

type countedConn struct {
	net.Conn
	p    *paths
	host string
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		c.p.open--
	})
	return c.Conn.Close()
}

func (p *paths) dialer(addrs ...netip.Addr) *upstream.Dialer {
	p.began = time.Now()
	return &upstream.Dialer{
		Dial:   p.dial,
		Lookup: func(context.Context, string) ([]netip.Addr, error) { return addrs, nil },
	}
}

func TestDial(t *testing.T) {
	refused := os.NewSyscallError("connect", syscall.ECONNREFUSED)
	unreachable := os.NewSyscallError("connect", syscall.ENETUNREACH)
	tests := []struct {
		name   string
		addrs  []netip.Addr
		how    map[string]fate
		won    string // the address
		after  time.Duration
		dialed []string
		err    string
	}{
		{
			"the first answers", []netip.Addr{v4, v4b, v6, v6b}, map[string]fate{v6.String(): {after: 100 * time.Millisecond}},
			v6.String(), 100 * time.Millisecond, []string{"2001:db8::1 0s"}, "",
		}, {
			"silence: families by turns", []netip.Addr{v4, v4b, v6}, nil,
			"", 3500 * time.Millisecond, []string{"2001:db8::1 0s", "192.0.2.1 250ms", "192.0.2.2 500ms"},
			"up.test:443: no connection ([2001:db8::1]:443: no answer in time; 192.0.2.1:443: no answer in time; 192.0.2.2:443: no answer in time); check whether a firewall is in the way, or an HTTP proxy must be used",
		}, {
			"no IPv6 here", []netip.Addr{v4, v6}, map[string]fate{v6.String(): {err: unreachable}, v4.String(): {}},
			v4.String(), 0, []string{"2001:db8::1 0s", "192.0.2.1 0s"}, "",
		}, {
			"IPv6 is broken", []netip.Addr{v4, v6}, map[string]fate{v4.String(): {after: 10 * time.Millisecond}},
			v4.String(), 260 * time.Millisecond, []string{"2001:db8::1 0s", "192.0.2.1 250ms"}, "",
		}, {
			"refused", []netip.Addr{v4}, map[string]fate{v4.String(): {err: refused}},
			"", 0, []string{"192.0.2.1 0s"}, "up.test:443: connection refused (nothing listens on 192.0.2.1:443, or a firewall rejects it); check that the server runs",
		}, {
			"one refused, one silent", []netip.Addr{v4, v4b}, map[string]fate{v4.String(): {err: refused}},
			"", 3 * time.Second, []string{"192.0.2.1 0s", "192.0.2.2 0s"}, "(192.0.2.1:443: connection refused; 192.0.2.2:443: no answer in time)",
		}, {
			"no route", []netip.Addr{v4}, map[string]fate{v4.String(): {err: unreachable}},
			"", 0, []string{"192.0.2.1 0s"}, "check this machine's network and routes",
		}, {
			"late ones are closed", []netip.Addr{v4, v4b}, map[string]fate{v4.String(): {after: 300 * time.Millisecond, deaf: true}, v4b.String(): {after: 20 * time.Millisecond}},
			v4b.String(), 270 * time.Millisecond, []string{"192.0.2.1 0s", "192.0.2.2 250ms"}, "",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &paths{how: test.how}
				d := p.dialer(test.addrs...)
				var heard error
				d.OnDial = func(host string, err error) {
					if host != "up.test" {
						t.Errorf("heard of %q", host)
					}
					heard = err
				}
				conn, err := d.DialContext(t.Context(), "tcp", "up.test:443")
				after := time.Since(p.began)
				if after != test.after || !slices.Equal(p.dialed, test.dialed) {
					t.Errorf("after %v, want %v; dialed %q, want %q", after, test.after, p.dialed, test.dialed)
				}
				if !errors.Is(heard, err) {
					t.Errorf("heard %v, got %v", heard, err)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if test.won == "" {
					if err == nil || !strings.Contains(err.Error(), test.err) {
						t.Errorf("got %v, want %q", err, test.err)
					}
					if p.open != 0 {
						t.Errorf("%d connections are open", p.open)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := conn.(*countedConn).host; got != test.won || p.open != 1 {
					t.Errorf("%s won, want %s; %d connections are open", got, test.won, p.open)
				}
				conn.Close()
			})
		})
	}
}

// TestDialSockets uses real ones: of two addresses one listens.
func TestDialSockets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	d := upstream.Dialer{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}, nil
	}}
	conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort("up.test", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.RemoteAddr().String(); got != l.Addr().String() {
		t.Errorf("connected to %s", got)
	}
}

func TestDialErrorWrapsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &paths{how: map[string]fate{v4.String(): {err: syscall.ECONNREFUSED}}}
		_, err := p.dialer(v4, v4b).DialContext(t.Context(), "tcp", "up.test:443")
		var e *upstream.DialError
		var timeout net.Error
		switch {
		case !errors.As(err, &e) || e.Host != "up.test" || e.Port != "443" || len(e.Addrs) != 2:
			t.Errorf("%#v", err)
		case !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, os.ErrDeadlineExceeded):
			t.Errorf("%v does not wrap each", err)
		case !errors.As(err, &timeout) || !timeout.Timeout() || !e.Temporary():
			t.Errorf("%v is no timeout", err)
		}
	})
}

func TestDialEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &paths{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d := p.dialer(v4, v6, v4b, v6b)
		if _, err := d.DialContext(ctx, "tcp", "up.test:443"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if after := time.Since(p.began); after != time.Second {
			t.Errorf("after %v", after)
		}
	})
}

func TestDialSaysWhatLookupSays(t *testing.T) {
	want := errors.New("no name")
	var heard error
	d := upstream.Dialer{
		Lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, want },
		OnDial: func(_ string, err error) { heard = err },
	}
	if _, err := d.DialContext(t.Context(), "tcp", "up.test:443"); !errors.Is(err, want) || !errors.Is(heard, want) {
		t.Errorf("got %v, heard %v", err, heard)
	}
	if _, err := d.DialContext(t.Context(), "tcp", "up.test"); err == nil {
		t.Error("no error without a port")
	}
}

// TestDialLimit: three connections for a question to each host and port, as many as one likes without one.
func TestDialLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &paths{how: map[string]fate{v4.String(): {}}}
		d := p.dialer(v4)
		dial := func(ctx context.Context, addr string) error {
			conn, err := d.DialContext(ctx, "tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err
		}
		ctx := upstream.WithDialLimit(t.Context())
		for i := range 6 {
			var limit *upstream.DialLimitError
			if err := dial(ctx, "up.test:443"); errors.As(err, &limit) != (i >= 3) {
				t.Errorf("%d: %v", i+1, err)
			}
			if err := dial(t.Context(), "up.test:443"); err != nil {
				t.Errorf("without a limit: %v", err)
			}
		}
		for _, err := range []error{dial(ctx, "other.test:443"), dial(upstream.WithDialLimit(ctx), "up.test:443")} {
			if err != nil {
				t.Errorf("another question, another host: %v", err)
			}
		}
	})
}

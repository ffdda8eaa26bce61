package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// A server is a running process and where it answers.
type server struct {
	*process
	addr string // host:port
}

func (s *server) url() string { return "http://" + s.addr }

// withEmpty runs f with a new Modhaven that has an empty state, the given upstream, and flags.
func (l *lab) withEmpty(ctx context.Context, upstream string, f func(*server) error, flags ...string) error {
	state, err := l.emptyState()
	if err != nil {
		return err
	}
	defer os.RemoveAll(state)
	return l.withState(ctx, state, upstream, f, flags...)
}

// withState runs f with a new Modhaven over state. An error of f has the end of the server's log with it.
func (l *lab) withState(ctx context.Context, state, upstream string, f func(*server) error, flags ...string) error {
	m, err := l.startModhaven(ctx, state, upstream, flags...)
	if err != nil {
		return err
	}
	defer m.stop()
	if err := f(m); err != nil {
		return fmt.Errorf("%w\n%w", err, m.failure("the server's log ends with"))
	}
	return nil
}

// startModhaven starts an empty or filled Modhaven over state and waits until it is ready.
func (l *lab) startModhaven(ctx context.Context, state, upstream string, flags ...string) (*server, error) {
	s, err := l.execModhaven(state, upstream, flags...)
	if err != nil {
		return nil, err
	}
	if err := s.until(ctx, "/readyz", time.Millisecond, 10*time.Second, s.ready); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// execModhaven starts Modhaven and does not wait.
func (l *lab) execModhaven(state, upstream string, flags ...string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	argv := append([]string{l.modhaven, "serve",
		"--listen", addr, "--state", state, "--upstreams", upstream, "--sumdb", "off"}, flags...)
	p, err := l.spawn("modhaven", nil, argv...)
	if err != nil {
		return nil, err
	}
	return &server{p, addr}, nil
}

// ready reports whether /readyz answers 200 now. It uses a connection of its own.
func (s *server) ready() bool {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return false
	}
	conn.Close()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	resp, err := c.Get(s.url() + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

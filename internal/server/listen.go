package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of what a client may do to a connection.
const (
	headerTime = 10 * time.Second
	idleTime   = 120 * time.Second // longer than the go command keeps a connection (90 s), so that it is never the one reset
	maxHeader  = 32 << 10
	maxStreams = 250 // of one HTTP/2 connection
)

// Listen returns a listener on addr for at most max open connections; further ones wait in the system's queue.
func Listen(addr string, max int) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &limited{TCPListener: ln.(*net.TCPListener), slots: make(chan struct{}, max), closed: make(chan struct{})}, nil
}

// limited bounds open connections. Its connections embed *net.TCPConn, so that sendfile survives.
type limited struct {
	*net.TCPListener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.TCPListener.AcceptTCP()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{TCPConn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.TCPListener.Close()
}

type limitedConn struct {
	*net.TCPConn
	release func()
}

func (c *limitedConn) Close() error {
	c.release()
	return c.TCPConn.Close()
}

// NewHTTP returns a server for h: HTTP/1.1 and HTTP/2, the latter also without TLS. certs may be nil.
func NewHTTP(h http.Handler, certs *Certs, log *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{
		Handler:           h,
		Protocols:         &protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	if certs != nil {
		s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certs.Get}
	}
	return s
}

// Serve runs s on ln until ctx ends. Then new connections are refused and running answers may finish within drain.
func Serve(ctx context.Context, s *http.Server, ln net.Listener, drain time.Duration) error {
	failed := make(chan error, 1)
	go func() {
		if s.TLSConfig != nil {
			failed <- s.ServeTLS(ln, "", "")
		} else {
			failed <- s.Serve(ln)
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := s.Shutdown(late)
	if errors.Is(err, context.DeadlineExceeded) {
		s.Close()
		err = fmt.Errorf("some answers did not finish within %v and were cut", drain)
	}
	<-failed
	return err
}

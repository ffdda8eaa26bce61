package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Limits of what a client may do to a connection.
const (
	headerTime = 10 * time.Second
	idleTime   = 120 * time.Second // longer than the go command keeps a connection (90 s), so that it is never the one reset
	maxHeader  = 32 << 10
	maxStreams = 250 // of one HTTP/2 connection
)

// Stall is how long a client may take none of the bytes that are ready for it.
const Stall = time.Minute

// Listen returns a listener on addr for at most max open connections; further ones wait in the system's
// queue. A connection whose client takes no bytes for the time of stall is cut.
func Listen(addr string, max int, stall time.Duration) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &listener{TCPListener: ln.(*net.TCPListener), stall: stall, slots: make(chan struct{}, max), closed: make(chan struct{})}, nil
}

// A listener bounds open connections.
type listener struct {
	*net.TCPListener
	stall  time.Duration
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
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
	return &conn{TCPConn: c, stall: l.stall, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.TCPListener.Close()
}

// A conn must move when it writes, whatever writes: an answer, sendfile, TLS, an HTTP/2 frame. There is no
// limit on the time of a whole answer.
type conn struct {
	*net.TCPConn
	stall   time.Duration
	renewAt atomic.Int64 // when the deadline is due to be moved, in Unix nanoseconds
	read    readDeadline
	release func()
}

// step is how many bytes go out under one deadline.
const step = 256 << 10

func (c *conn) Close() error {
	c.release()
	return c.TCPConn.Close()
}

// moving moves the deadline, not at every write but often enough that stall is always left.
func (c *conn) moving() {
	now := time.Now()
	if now.UnixNano() < c.renewAt.Load() {
		return
	}
	c.renewAt.Store(now.Add(c.stall / 4).UnixNano())
	_ = c.TCPConn.SetWriteDeadline(now.Add(c.stall + c.stall/4)) // an error shows in the write
}

// SetWriteDeadline is called by net/http around a TLS handshake, and with no time at all after every answer. What it
// sets holds until the next write, which sets ours anew; that there is none is never so.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	defer c.renewAt.Store(0)
	return c.TCPConn.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { return c.read.set(c.TCPConn, t) }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) Read(b []byte) (int, error) {
	for {
		if err := c.read.begin(c.TCPConn); err != nil {
			return 0, err
		}
		n, err := c.TCPConn.Read(b)
		if early := c.read.end(err); n > 0 || !early {
			return n, err
		}
	}
}

func (c *conn) Write(b []byte) (n int, err error) {
	for {
		c.moving()
		m, err := c.TCPConn.Write(b[:min(len(b), step)])
		n += m
		if b = b[m:]; err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// ReadFrom lets net/http send files without copying them.
func (c *conn) ReadFrom(src io.Reader) (n int64, err error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, src)
	}
	for limited.N > 0 {
		c.moving()
		part := &io.LimitedReader{R: limited.R, N: min(limited.N, step)}
		m, err := c.TCPConn.ReadFrom(part)
		n += m
		limited.N -= m
		if err != nil || m == 0 {
			return n, err
		}
	}
	return n, nil
}

// NewHTTP returns a server for h: HTTP/1.1 and HTTP/2, the latter also without TLS. certificate is
// tls.Config.GetCertificate; nil for no TLS.
func NewHTTP(h http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), log *slog.Logger) *http.Server {
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
		ConnContext:       withClient,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	if certificate != nil {
		s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate}
	}
	return s
}

func withClient(ctx context.Context, c net.Conn) context.Context {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return ctx
	}
	return goproxy.WithClient(ctx, host)
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
	if ended := <-failed; err == nil && !errors.Is(ended, http.ErrServerClosed) {
		err = ended
	}
	return err
}

package proxytest

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A writer is the ResponseWriter that carries out a plan.
type writer struct {
	w      http.ResponseWriter
	r      *http.Request
	plan   *plan
	closed <-chan struct{} // the server is being closed

	off     int64 // bytes of the body that the handler has written
	limit   int64 // of which only these are sent; negative: all
	started bool  // the header has been sent
	begin   time.Time
}

type connKey struct{}

// ConnContext is for the field of that name of an http.Server whose handler is a [Faulty].
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// Faulty answers as next does, with the fault that choose gives to each request. It is
// for servers that no test owns; tests have [Server.FailFunc].
func Faulty(next http.Handler, choose func(*http.Request) Fault) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		newWriter(w, r, newPlan(choose(r)), nil).serve(next)
	})
}

func newWriter(w http.ResponseWriter, r *http.Request, p *plan, closed <-chan struct{}) *writer {
	slices.SortStableFunc(p.events, func(a, b event) int { return int(min(1, max(-1, a.at-b.at))) })
	return &writer{w: w, r: r, plan: p, closed: closed, limit: p.limit}
}

// serve answers by h, or by what the plan has in its place.
func (w *writer) serve(h http.Handler) {
	w.due(-1)
	if w.plan.instead != nil {
		h = w.plan.instead
	}
	h.ServeHTTP(w, w.r)
	w.WriteHeader(http.StatusOK)
	w.due(w.off)
}

// due runs the events up to that offset.
func (w *writer) due(off int64) {
	for len(w.plan.events) > 0 && w.plan.events[0].at <= off {
		e := w.plan.events[0]
		w.plan.events = w.plan.events[1:]
		if w.started {
			w.Flush()
		}
		e.do(w)
	}
}

func (w *writer) Header() http.Header { return w.w.Header() }

func (w *writer) WriteHeader(status int) {
	if w.started {
		return
	}
	w.started = true
	h := w.w.Header()
	w.announce(h)
	maps.Copy(h, w.plan.header)
	w.w.WriteHeader(status)
	if w.plan.noLength {
		w.Flush() // else net/http adds the length of a short body
	}
}

func (w *writer) announce(h http.Header) {
	length, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	known := err == nil
	if w.limit >= 0 && known {
		length = min(length, w.limit)
	}
	if w.plan.length >= 0 {
		length, known = w.plan.length, true
		if w.limit < 0 || w.limit > length {
			w.limit = length
		}
	}
	h.Del("Content-Length")
	if known && !w.plan.noLength {
		h.Set("Content-Length", strconv.FormatInt(length, 10))
	}
}

// Write writes p in pieces, so that each event happens at its offset.
func (w *writer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	total := len(p)
	for len(p) > 0 {
		w.due(w.off)
		n := int64(len(p))
		if len(w.plan.events) > 0 {
			n = min(n, w.plan.events[0].at-w.off)
		}
		if w.plan.every > 0 {
			n = min(n, int64(w.plan.piece))
		}
		if err := w.send(p[:n]); err != nil {
			return total - len(p), err
		}
		p = p[n:]
		w.off += n
		w.pace()
	}
	return total, nil
}

// send writes b, which stands at w.off, as far as the limit allows.
func (w *writer) send(b []byte) error {
	if i := w.plan.flip - w.off; w.plan.flip >= 0 && i >= 0 && i < int64(len(b)) {
		b = slices.Clone(b)
		b[i] ^= 1
	}
	if w.limit >= 0 {
		b = b[:max(0, min(int64(len(b)), w.limit-w.off))]
	}
	if len(b) == 0 {
		return nil
	}
	_, err := w.w.Write(b)
	return err
}

// pace waits until the bytes that were written are due at the plan's speed.
func (w *writer) pace() {
	if w.plan.every == 0 {
		return
	}
	if w.begin.IsZero() {
		w.begin = time.Now()
	}
	w.Flush()
	sent := w.off
	if w.limit >= 0 {
		sent = min(sent, w.limit)
	}
	due := time.Duration(float64(sent) / float64(w.plan.piece) * float64(w.plan.every))
	w.wait(time.Until(w.begin.Add(due)))
}

// Flush sends what has been written.
func (w *writer) Flush() {
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w.w).Flush() // an error comes again with the next write
}

// wait ends the handler if the client leaves or the server is closed before d is over.
func (w *writer) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	w.until(t.C)
}

func (w *writer) hang() { w.until(nil) }

func (w *writer) until(c <-chan time.Time) {
	select {
	case <-c:
	case <-w.r.Context().Done():
		panic(http.ErrAbortHandler)
	case <-w.closed:
		panic(http.ErrAbortHandler)
	}
}

// conn is the TCP connection under whatever is above it.
func (w *writer) conn() net.Conn {
	c, _ := w.r.Context().Value(connKey{}).(net.Conn)
	for {
		above, ok := c.(interface{ NetConn() net.Conn }) // *tls.Conn is one
		if !ok {
			return c
		}
		c = above.NetConn()
	}
}

func (w *writer) reset() {
	if c, ok := w.conn().(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	w.conn().Close()
	panic(http.ErrAbortHandler)
}

// cut leaves other streams alone, since net/http's client drops what it has buffered of
// a stream when the connection under it ends.
func (w *writer) cut() {
	if w.r.ProtoMajor == 1 {
		w.conn().Close()
	}
	panic(http.ErrAbortHandler)
}

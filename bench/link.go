package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A link is a model of the way to a far server, put on the server's listener.
//
// Every byte the server writes arrives RTT after it was written, and the first request
// of a connection is read RTT after the connection was made: the handshake. So the first
// answer on a connection comes after two RTT and any other after one. Bytes leave at
// no more than Conn bytes a second on each connection and Total on all together, with
// bursts of linkBurst. There is no slow start and no loss but that of Cuts.
type link struct {
	RTT         time.Duration
	Conn, Total int // bytes a second; 0 is no limit

	// Cuts is the share of connections that are reset, each somewhere in its first cutWithin bytes. Which, and where, is
	// drawn from Seed and the number of the connection.
	Cuts float64
	Seed uint64
}

// cutWithin is less than most connections bring of a large file, so that a cut hits.
const cutWithin = 4 << 20

const (
	linkBurst  = 4 * time.Millisecond // what the pacing may catch up after a late wake
	linkChunk  = 16 << 10             // paced at once
	linkBuffer = 1 << 20              // written and not yet arrived: a generous socket buffer
)

// A pacer hands out times to send at, so that rate is kept over any longer stretch.
type pacer struct {
	mu   sync.Mutex
	rate int
	next time.Time
}

// take returns when n bytes may leave that are there to be sent at due.
func (p *pacer) take(n int, due time.Time) time.Time {
	if p == nil || p.rate == 0 {
		return due
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if early := due.Add(-linkBurst); p.next.Before(early) {
		p.next = early
	}
	at := p.next
	p.next = at.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	if at.Before(due) {
		return due
	}
	return at
}

// A linkListener puts every accepted connection behind the link.
type linkListener struct {
	next  net.Listener
	link  link
	total *pacer
	conns atomic.Int64
	wrote atomic.Int64 // bytes, on all connections
}

func newLinkListener(next net.Listener, l link) *linkListener {
	return &linkListener{next: next, link: l, total: &pacer{rate: l.Total}}
}

func (l *linkListener) Accept() (net.Conn, error) {
	c, err := l.next.Accept()
	if err != nil {
		return nil, err
	}
	k := newLinkConn(c, l.link, l.total)
	k.wrote = &l.wrote
	if rng := (key{l.link.Seed, 0, "connection", int(l.conns.Add(1))}).rng(); rng.Float64() < l.link.Cuts {
		k.cut.Store(1 + rng.Int64N(cutWithin))
	}
	return k, nil
}

func (l *linkListener) Close() error   { return l.next.Close() }
func (l *linkListener) Addr() net.Addr { return l.next.Addr() }

// A linkConn is the server's end of a connection behind a link. Writes are put in a
// queue that one goroutine empties at the link's pace.
type linkConn struct {
	next        net.Conn
	link        link
	conn, total *pacer
	open        time.Time     // when the first request may be read
	drained     chan struct{} // closed when the sender has ended
	wrote       *atomic.Int64 // nil: not counted
	cut         atomic.Int64  // bytes until it is reset; 0: never

	mu     sync.Mutex
	wake   sync.Cond
	queue  []parcel
	size   int
	closed bool
	err    error // of the sender
	mark   func(time.Time)
}

// A parcel is bytes that were written at once.
type parcel struct {
	data []byte
	due  time.Time
	sent func(time.Time) // called when its first byte has left; may be nil
}

func newLinkConn(c net.Conn, l link, total *pacer) *linkConn {
	k := &linkConn{next: c, link: l, conn: &pacer{rate: l.Conn}, total: total,
		open: time.Now().Add(l.RTT), drained: make(chan struct{})}
	k.wake.L = &k.mu
	go k.send()
	return k
}

// markNext has f called with the time at which the next byte written leaves the link.
func (k *linkConn) markNext(f func(time.Time)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mark = f
}

func (k *linkConn) Read(b []byte) (int, error) {
	if wait := time.Until(k.open); wait > 0 {
		time.Sleep(wait)
	}
	return k.next.Read(b)
}

func (k *linkConn) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.size > linkBuffer && !k.closed && k.err == nil {
		k.wake.Wait()
	}
	if k.closed {
		return 0, net.ErrClosed
	}
	if k.err != nil {
		return 0, k.err
	}
	k.queue = append(k.queue, parcel{append([]byte(nil), b...), time.Now().Add(k.link.RTT), k.mark})
	k.mark = nil
	k.size += len(b)
	if k.wrote != nil {
		k.wrote.Add(int64(len(b)))
	}
	k.wake.Broadcast()
	return len(b), nil
}

// send empties the queue until it is empty and closed, or the peer is gone.
func (k *linkConn) send() {
	defer close(k.drained)
	for {
		p, ok := k.take()
		if !ok {
			return
		}
		err := k.deliver(p)
		k.mu.Lock()
		k.size -= len(p.data)
		k.err = err
		k.wake.Broadcast()
		k.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (k *linkConn) take() (parcel, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.queue) == 0 {
		if k.closed {
			return parcel{}, false
		}
		k.wake.Wait()
	}
	p := k.queue[0]
	k.queue = k.queue[1:]
	return p, true
}

func (k *linkConn) deliver(p parcel) error {
	for rest := p.data; len(rest) > 0; {
		n := min(len(rest), linkChunk)
		at := k.total.take(n, k.conn.take(n, p.due))
		if wait := time.Until(at); wait > 0 {
			time.Sleep(wait)
		}
		if p.sent != nil {
			p.sent(time.Now())
			p.sent = nil
		}
		if left := k.cut.Load(); left > 0 {
			if n = min(n, int(left)); left == int64(n) {
				reset(k.next)
				return net.ErrClosed
			}
			k.cut.Store(left - int64(n))
		}
		if _, err := k.next.Write(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// Close lets what was written arrive, and then closes; it does not wait for that.
func (k *linkConn) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil
	}
	k.closed = true
	k.wake.Broadcast()
	go func() {
		<-k.drained
		k.next.Close()
	}()
	return nil
}

func (k *linkConn) LocalAddr() net.Addr                { return k.next.LocalAddr() }
func (k *linkConn) RemoteAddr() net.Addr               { return k.next.RemoteAddr() }
func (k *linkConn) SetDeadline(t time.Time) error      { return k.next.SetDeadline(t) }
func (k *linkConn) SetReadDeadline(t time.Time) error  { return k.next.SetReadDeadline(t) }
func (k *linkConn) SetWriteDeadline(t time.Time) error { return k.next.SetWriteDeadline(t) }

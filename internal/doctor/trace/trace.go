// Package trace follows what is in a capture: TCP connections with the TLS and HTTP on them, look-ups in the
// DNS, and the messages of routers about them.
//
// It says what was seen and judges nothing. Memory is bounded whatever the capture holds: so many
// connections, so many bytes of what was said first on them.
package trace

import (
	"errors"
	"io"
	"net/netip"
	"slices"

	"github.com/modhaven/modhaven/internal/pcap"
)

// Bounds of what is kept of one capture.
const (
	maxConns   = 40_000
	maxLookups = 20_000
	maxHosts   = 50_000
	sweepEvery = 100_000  // packets
	maxHeads   = 24 << 20 // bytes of what was said on connections that are not understood yet
)

// A Trace is what one capture showed. Times are nanoseconds since 1970.
type Trace struct {
	Format      string
	Packets     int64
	Bytes       int64
	First, Last int64
	Conns       []*Conn // in the order of their first packets
	Well        int     // connections that came to a good end and are not kept
	Missed      int     // packets of connections that are not kept, since there were too many
	Lookups     []*Lookup
	Hosts       map[netip.Addr]*Host
	Strange     int64 // packets of a link that cannot be decoded
	Cut         int64 // packets of which too little was kept to read their headers or what is behind
	Parts       int64 // fragments
	Dropped     int64 // packets that were lost before they could be written
	Wrong       error // why the file was not read to its end; nil where it was

	only   func(a, b netip.AddrPort) bool
	conns  map[pair]*Conn
	asked  map[question]*Lookup
	heads  int
	again  int64 // the packet from which on sweeping is worth it again
	layers pcap.Layers
}

// A Host is an address that packets came from, or that was looked for.
type Host struct {
	TTL      uint8 // that its packets arrive with; 0 where none did
	Sent     bool  // packets came from it
	Sought   int   // how often its hardware address was asked for
	Answered bool  // that was answered
}

type pair struct{ a, b netip.AddrPort }

// Read reads a capture to its end. Where only is not nil, connections for which it does not hold are left out.
// What of the file is wrong is in Wrong: what stands before it is good.
func Read(r *pcap.Reader, only func(a, b netip.AddrPort) bool) *Trace {
	t := New(only)
	t.Format = r.Format()
	for {
		p, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Wrong = err
			}
			break
		}
		t.Add(p)
	}
	t.Dropped = r.Dropped()
	return t
}

// New returns a trace of nothing yet.
func New(only func(a, b netip.AddrPort) bool) *Trace {
	return &Trace{Hosts: map[netip.Addr]*Host{}, only: only, conns: map[pair]*Conn{}, asked: map[question]*Lookup{}}
}

// Add takes the next packet.
func (t *Trace) Add(p pcap.Packet) {
	t.Packets++
	t.Bytes += int64(p.Size)
	if t.First == 0 || p.Time < t.First {
		t.First = p.Time
	}
	t.Last = max(t.Last, p.Time)
	if !p.Link.Known() {
		t.Strange++
		return
	}
	l := &t.layers
	l.Decode(p)
	switch l.Kind {
	case pcap.TCP:
		if len(l.Payload) < l.Length {
			t.Cut++
		}
		t.seen(l)
		t.tcp(l, p.Time)
	case pcap.UDP:
		t.seen(l)
		t.udp(l, p.Time)
	case pcap.ICMP:
		t.icmp(l, p.Time)
	case pcap.ARP:
		t.arp(l)
	case pcap.Part:
		t.Parts++
	case pcap.Other:
		if len(p.Data) < p.Size {
			t.Cut++
		}
	}
}

// host returns the entry of an address; one that is not kept where there are too many.
func (t *Trace) host(a netip.Addr) *Host {
	h := t.Hosts[a]
	if h == nil {
		h = new(Host)
		if len(t.Hosts) < maxHosts {
			t.Hosts[a] = h
		}
	}
	return h
}

// seen remembers how far a host's packets come from. A reset may be of somebody else.
func (t *Trace) seen(l *pcap.Layers) {
	if l.Kind == pcap.TCP && l.Flags&pcap.RST != 0 {
		return
	}
	h := t.host(l.Src.Addr())
	h.TTL, h.Sent = l.TTL, true
}

func (t *Trace) arp(l *pcap.Layers) {
	if l.Reply {
		t.host(l.Src.Addr()).Answered = true
		return
	}
	t.host(l.Dst.Addr()).Sought++
	t.host(l.Src.Addr()).Answered = true
}

func (t *Trace) tcp(l *pcap.Layers, at int64) {
	if t.only != nil && !t.only(l.Src, l.Dst) {
		return
	}
	c := t.conn(l, at)
	if c == nil {
		t.Missed++
		return
	}
	before := c.kept()
	c.segment(l, at, t.heads < maxHeads)
	t.heads += c.kept() - before
}

// conn returns the connection that a segment is of, nil where there is no room for it.
func (t *Trace) conn(l *pcap.Layers, at int64) *Conn {
	key := pair{l.Src, l.Dst}
	c := t.conns[key]
	if c == nil {
		key = pair{l.Dst, l.Src}
		c = t.conns[key]
	}
	opens := l.Flags&(pcap.SYN|pcap.ACK) == pcap.SYN
	if c != nil && !(opens && c.another(l)) {
		return c
	}
	if c != nil {
		t.heads -= c.kept()
		c.forget()
		delete(t.conns, key)
	}
	if len(t.Conns) >= maxConns && !t.sweep() {
		return nil
	}
	c = newConn(l, at)
	t.Conns = append(t.Conns, c)
	t.conns[pair{c.Client, c.Server}] = c
	return c
}

// sweep forgets connections of which there is nothing to say. It reports whether that made room.
func (t *Trace) sweep() bool {
	if t.Packets < t.again {
		return false
	}
	t.again = t.Packets + sweepEvery
	t.Conns = slices.DeleteFunc(t.Conns, func(c *Conn) bool {
		if !c.well() {
			return false
		}
		t.Well++
		t.heads -= c.kept()
		if key := (pair{c.Client, c.Server}); t.conns[key] == c {
			delete(t.conns, key)
		}
		return true
	})
	return len(t.Conns) < maxConns*9/10
}

// icmp gives a router's message to what it is about.
func (t *Trace) icmp(l *pcap.Layers, at int64) {
	q := l.Quoted
	if q == nil {
		return
	}
	r := Reject{At: at, From: l.Src.Addr(), Type: l.Type, Code: l.Code, V6: l.V6, MTU: l.MTU, Seq: q.Seq}
	switch q.Kind {
	case pcap.TCP:
		if t.only != nil && !t.only(q.Src, q.Dst) {
			return
		}
		if c := t.conns[pair{q.Src, q.Dst}]; c != nil {
			c.reject(r)
		} else if c := t.conns[pair{q.Dst, q.Src}]; c != nil {
			r.ToServer = true
			c.reject(r)
		}
	case pcap.UDP:
		if q.Dst.Port() == dnsPort {
			t.rejectLookup(q, r)
		}
	}
}

// A Reject is an ICMP message that says why a packet was given up.
type Reject struct {
	At         int64
	From       netip.Addr
	Type, Code uint8
	V6         bool
	MTU        int  // where the packet was too large for the next link
	ToServer   bool // the packet was one of the server's, and it is the server that was told
	Seq        uint32
}

// TooLarge reports whether the packet was larger than the next link takes: the sender is to send smaller ones.
func (r Reject) TooLarge() bool { return !r.V6 && r.Type == 3 && r.Code == 4 || r.V6 && r.Type == 2 }

package trace

import (
	"net/netip"

	"github.com/modhaven/modhaven/internal/pcap"
)

const maxRejects = 4

// A Conn is a TCP connection, or what was seen of it.
type Conn struct {
	Client, Server netip.AddrPort
	Whole          bool  // its first packet is in the capture
	Start, Last    int64 // when its first and last packets were seen
	Opened         int64 // when the server's answer to the SYN was seen; 0 for not
	Made           int64 // when the client's answer to that was; 0 for not
	SYNs           []int64
	SYNACKs        int
	C, S           Side // what the client and the server sent
	Reset          *Reset
	Rejects        []Reject
	Talk
}

// A Reset is the first RST of a connection.
type Reset struct {
	At         int64
	FromServer bool // it says that it is
	TTL        uint8
	Seq        uint32
	ToSYN      bool // nothing but SYNs had been seen
	GoesOn     int  // packets that its sender sent afterwards, as if it knew nothing of it
}

// A Side is what one end of a connection sent.
type Side struct {
	ISN      uint32
	Known    bool   // something of it was seen
	TTL      uint8  // of its packets but resets
	Packets  int    // with or without data
	Data     int    // packets with data, those sent again not counted
	Bytes    int64  // of data, those sent again not counted
	Again    int    // packets with data that were sent again
	Gaps     int    // packets that were seen before others that they follow
	Filled   int    // packets that came into a gap: sent again after a loss before this place, or overtaken
	Largest  int    // bytes of data in the largest packet
	MSS      uint16 // that it said it takes
	First    int64  // when it first sent data; 0 for never
	Latest   int64  // when it last sent new data
	Fin      int64  // when it said that it has nothing more to send; 0 for not
	FinAck   uint32 // up to where it had received then
	Edge     int    // how often it sent the first packet that was not acknowledged again
	EdgeSize int    // bytes of data in that packet
	Behind   bool   // the other end says that it has something behind what it misses
	Zero     int    // how often it said that it can take nothing more
	Since    int64  // since when it says so; 0 where it takes again
	Closed   int64  // how long it took nothing, all in all

	next   uint32 // behind the last byte that it sent
	whole  uint32 // up to where all of it is in the capture
	acked  uint32 // up to where the other end has it
	scale  int8
	late   [8]span // what is behind a gap; unused ones are empty
	queued []byte  // of late[0], where it is wanted
}

type span struct{ from, to uint32 }

// before compares numbers that wrap around (RFC 9293, 3.4).
func before(a, b uint32) bool { return int32(a-b) < 0 }

// Unacked is how many bytes it sent that the other end has not acknowledged.
func (s *Side) Unacked() int {
	if !s.Known || before(s.next, s.acked) {
		return 0
	}
	return int(s.next - s.acked)
}

// Acked is how many bytes of data the other end has acknowledged, where the connection is whole.
func (s *Side) Acked() int64 {
	if !before(s.ISN+1, s.acked) {
		return 0
	}
	return int64(s.acked - s.ISN - 1)
}

// Missing is how many bytes behind the first gap were seen, while what is in the gap was not.
func (s *Side) Missing() int {
	if !before(s.whole, s.next) {
		return 0
	}
	return int(s.next - s.whole)
}

// Hole is how many bytes the first gap has, behind which others were seen; 0 where there is none.
func (s *Side) Hole() int {
	least := 0
	for _, l := range s.late {
		if n := int(l.from - s.whole); l.from != l.to && n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}

// Contiguous is up to which number of a byte all that it sent is in the capture.
func (s *Side) Contiguous() uint32 { return s.whole }

// Next is the number of the byte behind the last one that it sent.
func (s *Side) Next() uint32 { return s.next }

// newConn is one whose first packet is l.
func newConn(l *pcap.Layers, at int64) *Conn {
	c := &Conn{Client: l.Src, Server: l.Dst, Start: at}
	if l.Flags&pcap.SYN != 0 && l.Flags&pcap.ACK != 0 || l.Flags&pcap.SYN == 0 && l.Src.Port() < l.Dst.Port() {
		c.Client, c.Server = l.Dst, l.Src
	}
	c.Whole = l.Flags&(pcap.SYN|pcap.ACK) == pcap.SYN
	return c
}

// another reports whether a SYN opens another connection between the same ports.
func (c *Conn) another(l *pcap.Layers) bool {
	return l.Src != c.Client || !c.Whole || l.Seq != c.C.ISN
}

// sides returns who sent a segment, and the other end.
func (c *Conn) sides(l *pcap.Layers) (from, to *Side) {
	if l.Src == c.Client {
		return &c.C, &c.S
	}
	return &c.S, &c.C
}

// segment takes a packet. Where listen does not hold, no more bytes are kept than are.
func (c *Conn) segment(l *pcap.Layers, at int64, listen bool) {
	c.Last, c.at = max(c.Last, at), at
	from, to := c.sides(l)
	if l.Flags&pcap.RST != 0 {
		c.reset(l, at, from)
		return
	}
	if r := c.Reset; r != nil && r.FromServer == (from == &c.S) && l.Flags&pcap.ACK != 0 {
		r.GoesOn++
	}
	from.start(l)
	if l.Flags&pcap.SYN != 0 {
		c.syn(l, at, from)
		return
	}
	if c.Opened != 0 && c.Made == 0 && from == &c.C && l.Flags&pcap.ACK != 0 {
		c.Made = at
	}
	if l.Flags&pcap.ACK != 0 && to.acknowledged(l) {
		c.Gone = true
		c.forget()
	}
	from.window(l, at)
	if l.Length > 0 {
		c.data(l, at, from, listen)
	}
	if l.Flags&pcap.FIN != 0 && from.Fin == 0 {
		from.Fin, from.FinAck = at, l.Ack
	}
}

func (s *Side) start(l *pcap.Layers) {
	s.Packets++
	if s.TTL == 0 {
		s.TTL = l.TTL
	}
	if !s.Known {
		s.Known = true
		s.ISN, s.next, s.whole, s.acked = l.Seq-1, l.Seq, l.Seq, l.Seq
	}
}

func (c *Conn) syn(l *pcap.Layers, at int64, from *Side) {
	from.ISN, from.MSS = l.Seq, l.MSS
	if from.Data == 0 {
		from.next, from.whole, from.acked = l.Seq+1, l.Seq+1, l.Seq+1
	}
	from.scale = max(0, l.Scale)
	if l.Flags&pcap.ACK != 0 {
		c.SYNACKs++
		if c.Opened == 0 {
			c.Opened = at
		}
		return
	}
	const most = 16
	if len(c.SYNs) < most {
		c.SYNs = append(c.SYNs, at)
	}
}

func (c *Conn) reset(l *pcap.Layers, at int64, from *Side) {
	if c.Reset == nil {
		c.Reset = &Reset{At: at, FromServer: from == &c.S, TTL: l.TTL, Seq: l.Seq, ToSYN: c.Opened == 0 && c.S.Packets == 0}
	}
}

func (c *Conn) reject(r Reject) {
	if len(c.Rejects) < maxRejects {
		c.Rejects = append(c.Rejects, r)
	}
	c.Last = max(c.Last, r.At)
}

// acknowledged takes what the other end says that it has of s. It reports whether some of that is not in the capture.
func (s *Side) acknowledged(l *pcap.Layers) (lost bool) {
	if !s.Known {
		return false
	}
	if before(s.acked, l.Ack) {
		s.acked, s.Edge, s.Behind = l.Ack, 0, false
	}
	if l.Sacked && before(l.Ack, l.SackRight) {
		s.Behind = true
	}
	if fin := s.Fin != 0 && l.Ack == s.whole+1; !fin && before(s.whole, l.Ack) && int32(l.Ack-s.whole) < 1<<26 {
		s.whole, lost = l.Ack, true
		if before(s.next, l.Ack) {
			s.next = l.Ack
		}
	}
	return lost
}

func (s *Side) window(l *pcap.Layers, at int64) {
	switch zero := l.Window == 0; {
	case zero && s.Since == 0:
		s.Zero++
		s.Since = at
	case !zero && s.Since != 0:
		s.Closed += at - s.Since
		s.Since = 0
	}
}

// data takes the bytes of a packet: what is new of them is heard in their order.
func (c *Conn) data(l *pcap.Layers, at int64, s *Side, listen bool) {
	from, to := l.Seq, l.Seq+uint32(l.Length)
	probe := l.Length <= 1 && from == s.next-1 // a keep-alive
	s.Largest = max(s.Largest, l.Length)
	if s.First == 0 {
		s.First = at
	}
	if !before(s.whole, to) || !before(s.next, to) && s.captured(from, to) {
		if !probe {
			s.Again++
			if from == s.acked {
				s.Edge++
				s.EdgeSize = l.Length
			}
		}
		return
	}
	s.Data++
	if !before(s.next, to) {
		s.Filled++
	} else {
		s.Bytes += int64(to - s.next)
		s.Latest = at
		if before(s.next, from) {
			s.Gaps++
		}
		s.next = to
	}
	c.arrive(l, s, from, to, listen)
}

// captured reports whether bytes behind a gap were seen before.
func (s *Side) captured(from, to uint32) bool {
	for _, l := range s.late {
		if l.from != l.to && !before(from, l.from) && !before(l.to, to) {
			return true
		}
	}
	return false
}

// arrive moves up to where all bytes are there, and has them heard.
func (c *Conn) arrive(l *pcap.Layers, s *Side, from, to uint32, listen bool) {
	if before(s.whole, from) {
		s.keepLate(from, to)
		if s.late[0] == (span{from, to}) && listen && c.wants() && len(s.queued) == 0 && len(l.Payload) == l.Length {
			s.queued = append([]byte(nil), l.Payload...)
		}
		return
	}
	fresh := l.Payload[min(len(l.Payload), int(s.whole-from)):]
	s.whole = to
	c.hear(s == &c.C, fresh, l.Length-len(l.Payload), listen)
	for i := 0; i < len(s.late); i++ {
		next := s.late[i]
		if next.from == next.to || before(s.whole, next.from) {
			continue
		}
		if before(s.whole, next.to) {
			said := s.queued
			if i > 0 {
				said = nil
			}
			skip := int(s.whole - next.from)
			c.hear(s == &c.C, said[min(len(said), skip):], int(next.to-next.from)-max(len(said), skip), listen)
			s.whole = next.to
		}
		if i == 0 {
			s.queued = nil
		}
		s.late[i] = span{}
		i = -1
	}
}

// keepLate remembers what is behind a gap: the first span, and spans that go on from one, or are at other places.
func (s *Side) keepLate(from, to uint32) {
	for i := range s.late {
		l := &s.late[i]
		switch {
		case l.from == l.to:
			*l = span{from, to}
			return
		case from == l.to && i > 0:
			l.to = to
			return
		}
	}
}

// well reports whether a connection came to a good end.
func (c *Conn) well() bool {
	if !c.Whole || c.Made == 0 || c.C.Fin == 0 && c.S.Fin == 0 || c.Reset != nil && c.Reset.FromServer || len(c.Rejects) > 0 {
		return false
	}
	return c.S.Data > 1 && c.S.Again+c.S.Filled < 3 && c.C.Again+c.C.Filled < 3 && c.C.Zero+c.S.Zero == 0 && c.spokeWell()
}

// kept is how many bytes are kept of what was said.
func (c *Conn) kept() int {
	return cap(c.C.queued) + cap(c.S.queued) + c.talkKept()
}

// forget lets what was said go.
func (c *Conn) forget() {
	c.C.queued, c.S.queued = nil, nil
	c.deaf()
}

package pcap

import (
	"encoding/binary"
	"net/netip"
)

// A Kind is what a packet carries.
type Kind uint8

// The kinds. Other packets are of no use here.
const (
	Other Kind = iota
	TCP
	UDP
	ICMP // of IPv4 or IPv6
	ARP
	Part // a fragment that is not the first of its packet
)

// Flags of TCP.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Layers are what a packet says. Payload is part of the packet's bytes.
type Layers struct {
	Kind     Kind
	Src, Dst netip.AddrPort // ports are 0 where there are none
	TTL      uint8
	Fragment bool // the first fragment of a packet

	// TCP
	Seq, Ack  uint32
	Flags     uint8
	Window    uint16
	MSS       uint16
	Scale     int8 // of the window; -1 where the packet does not say
	Sacked    bool // the receiver has something behind what it misses
	SackRight uint32
	Payload   []byte // of TCP and UDP: what was kept of it
	Length    int    // how long it was

	// ICMP, in the numbers of its version
	Type, Code uint8
	V6         bool
	MTU        int     // of the next link, where a packet was too large for it; else 0
	Quoted     *Quoted // the packet that the message is about; nil for none

	// ARP: Src asks for Dst, or tells it
	Reply bool
}

// A Quoted is the beginning of a packet that came back in an ICMP message.
type Quoted struct {
	Kind     Kind // TCP, UDP or Other
	Src, Dst netip.AddrPort
	Seq      uint32
}

// Decode reads the headers of a packet into l. What is cut off or damaged is of kind Other.
func (l *Layers) Decode(p Packet) {
	*l = Layers{Scale: -1}
	b, proto := p.Data, 0
	switch p.Link {
	case Ethernet:
		b, proto = ethernet(b)
	case SLL:
		if len(b) >= 16 {
			b, proto = vlan(b[16:], int(binary.BigEndian.Uint16(b[14:])))
		}
	case SLL2:
		if len(b) >= 20 {
			b, proto = vlan(b[20:], int(binary.BigEndian.Uint16(b)))
		}
	case Null, Loop:
		if len(b) >= 4 {
			b, proto = b[4:], version(b[4:]) // the family differs from system to system, the version does not
		}
	case Raw, Raw12, Raw14, IPv4, IPv6:
		proto = version(b)
	}
	switch proto {
	case typeIPv4:
		l.ip4(b)
	case typeIPv6:
		l.ip6(b)
	case typeARP:
		l.arp(b)
	}
}

// Known reports whether packets of a link can be decoded.
func (k Link) Known() bool {
	switch k {
	case Null, Ethernet, Raw12, Raw14, Raw, Loop, SLL, IPv4, IPv6, SLL2:
		return true
	}
	return false
}

// Types of Ethernet.
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeVLAN = 0x8100
	typeQinQ = 0x88a8
	typeOldQ = 0x9100
	typeIPv6 = 0x86dd
)

func ethernet(b []byte) ([]byte, int) {
	if len(b) < 14 {
		return nil, 0
	}
	return vlan(b[14:], int(binary.BigEndian.Uint16(b[12:])))
}

// vlan passes over tags (IEEE 802.1Q), of which there may be several.
func vlan(b []byte, proto int) ([]byte, int) {
	for (proto == typeVLAN || proto == typeQinQ || proto == typeOldQ) && len(b) >= 4 {
		b, proto = b[4:], int(binary.BigEndian.Uint16(b[2:]))
	}
	return b, proto
}

func version(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] >> 4 {
	case 4:
		return typeIPv4
	case 6:
		return typeIPv6
	}
	return 0
}

func (l *Layers) arp(b []byte) {
	if len(b) < 28 || b[4] != 6 || b[5] != 4 || binary.BigEndian.Uint16(b[2:]) != typeIPv4 {
		return
	}
	l.Kind, l.Reply = ARP, b[7] == 2
	l.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[14:18])), 0)
	l.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[24:28])), 0)
}

// An ipHeader is what is needed of one.
type ipHeader struct {
	src, dst netip.Addr
	proto    uint8
	ttl      uint8
	part     bool // not the first fragment
	first    bool // the first of several
	body     []byte
	length   int // of the body as it was sent
	v6       bool
}

// Numbers of protocols.
const (
	protoHop      = 0
	protoICMP     = 1
	protoTCP      = 6
	protoUDP      = 17
	protoRouting  = 43
	protoFragment = 44
	protoAuth     = 51
	protoICMP6    = 58
	protoOptions  = 60
)

func parseIP4(b []byte) (h ipHeader, ok bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return h, false
	}
	n := int(b[0]&15) * 4
	if n < 20 || n > len(b) {
		return h, false
	}
	fragment := binary.BigEndian.Uint16(b[6:])
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // the card cuts it into packets later
		total = len(b)
	}
	h = ipHeader{
		src: netip.AddrFrom4([4]byte(b[12:16])), dst: netip.AddrFrom4([4]byte(b[16:20])), proto: b[9], ttl: b[8],
		part: fragment&0x1fff != 0, first: fragment&0x3fff == 0x2000, body: b[n:min(len(b), max(n, total))], length: max(0, total-n),
	}
	return h, true
}

func parseIP6(b []byte) (h ipHeader, ok bool) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return h, false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 {
		length = len(b) - 40
	}
	h = ipHeader{src: netip.AddrFrom16([16]byte(b[8:24])), dst: netip.AddrFrom16([16]byte(b[24:40])), proto: b[6], ttl: b[7], length: length, v6: true}
	h.body = b[40:min(len(b), 40+length)]
	for range 16 { // what is longer is meant to be odd
		n := 0
		switch h.proto {
		case protoHop, protoRouting, protoOptions:
			if len(h.body) >= 2 {
				n = 8 + int(h.body[1])*8
			}
		case protoAuth:
			if len(h.body) >= 2 {
				n = 8 + int(h.body[1])*4
			}
		case protoFragment:
			if n = 8; len(h.body) >= 8 {
				at := binary.BigEndian.Uint16(h.body[2:])
				h.part, h.first = at&0xfff8 != 0, at&0xfff8 == 0 && at&1 != 0
			}
		default:
			return h, true
		}
		if n == 0 || n > len(h.body) || h.part {
			return h, h.part
		}
		h.proto, h.body, h.length = h.body[0], h.body[n:], max(0, h.length-n)
	}
	return h, false
}

func (l *Layers) ip4(b []byte) {
	if h, ok := parseIP4(b); ok {
		l.transport(h)
	}
}

func (l *Layers) ip6(b []byte) {
	if h, ok := parseIP6(b); ok {
		l.transport(h)
	}
}

func (l *Layers) transport(h ipHeader) {
	l.TTL, l.Fragment, l.V6 = h.ttl, h.first, h.v6
	l.Src, l.Dst = netip.AddrPortFrom(h.src, 0), netip.AddrPortFrom(h.dst, 0)
	if h.part {
		l.Kind = Part
		return
	}
	switch h.proto {
	case protoTCP:
		l.tcp(h)
	case protoUDP:
		if len(h.body) >= 8 {
			l.Kind = UDP
			l.ports(h)
			l.Payload, l.Length = h.body[8:], max(0, h.length-8)
		}
	case protoICMP:
		l.icmp(h, false)
	case protoICMP6:
		l.icmp(h, true)
	}
}

func (l *Layers) ports(h ipHeader) {
	l.Src = netip.AddrPortFrom(h.src, binary.BigEndian.Uint16(h.body))
	l.Dst = netip.AddrPortFrom(h.dst, binary.BigEndian.Uint16(h.body[2:]))
}

func (l *Layers) tcp(h ipHeader) {
	b := h.body
	if len(b) < 20 {
		return
	}
	n := int(b[12]>>4) * 4
	if n < 20 || n > h.length {
		return
	}
	l.Kind = TCP
	l.ports(h)
	l.Seq, l.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	l.Flags, l.Window = b[13]&31, binary.BigEndian.Uint16(b[14:])
	l.Length = h.length - n
	if n <= len(b) {
		l.Payload = b[n:]
	}
	l.tcpOptions(b[20:min(n, len(b))])
}

// Options of TCP.
const (
	optionEnd    = 0
	optionNop    = 1
	optionMSS    = 2
	optionScale  = 3
	optionSacked = 5
)

func (l *Layers) tcpOptions(b []byte) {
	for len(b) > 0 {
		if b[0] == optionEnd {
			return
		}
		if b[0] == optionNop {
			b = b[1:]
			continue
		}
		if len(b) < 2 || int(b[1]) < 2 || int(b[1]) > len(b) {
			return
		}
		switch v := b[2:b[1]]; {
		case b[0] == optionMSS && len(v) == 2:
			l.MSS = binary.BigEndian.Uint16(v)
		case b[0] == optionScale && len(v) == 1:
			l.Scale = int8(min(v[0], 14)) // RFC 7323, 2.3
		case b[0] == optionSacked && len(v) >= 8:
			l.Sacked, l.SackRight = true, binary.BigEndian.Uint32(v[4:])
		}
		b = b[b[1]:]
	}
}

func (l *Layers) icmp(h ipHeader, v6 bool) {
	b := h.body
	if len(b) < 8 {
		return
	}
	l.Kind, l.Type, l.Code, l.V6 = ICMP, b[0], b[1], v6
	quotes := !v6 && (b[0] == 3 || b[0] == 11 || b[0] == 12) || v6 && b[0] >= 1 && b[0] <= 4
	if !quotes {
		return
	}
	switch {
	case !v6 && b[0] == 3 && b[1] == 4:
		l.MTU = int(binary.BigEndian.Uint16(b[6:]))
	case v6 && b[0] == 2:
		l.MTU = int(min(binary.BigEndian.Uint32(b[4:]), 1<<16))
	}
	parse := parseIP4
	if v6 {
		parse = parseIP6
	}
	q, ok := parse(b[8:])
	if !ok || q.part || len(q.body) < 8 {
		return
	}
	l.Quoted = &Quoted{
		Src: netip.AddrPortFrom(q.src, binary.BigEndian.Uint16(q.body)), Dst: netip.AddrPortFrom(q.dst, binary.BigEndian.Uint16(q.body[2:])),
		Seq: binary.BigEndian.Uint32(q.body[4:]),
	}
	switch q.proto {
	case protoTCP:
		l.Quoted.Kind = TCP
	case protoUDP:
		l.Quoted.Kind = UDP
	}
}

package pcap

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// The blocks of a pcapng file that are read (draft-ietf-opsawg-pcapng, 4). Others are passed over.
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockPacket     = 2 // of old files
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
)

// Options of blocks.
const (
	optEnd        = 0
	optResolution = 9
	optOffset     = 14
	optDropped    = 5 // in statistics
)

// nextBlock reads blocks up to one with a packet.
func (c *Reader) nextBlock() (Packet, error) {
	for {
		if err := c.skip(c.rest); err != nil {
			return Packet{}, err
		}
		c.rest = 0
		if done, err := c.end(); done || err != nil {
			if done {
				err = io.EOF
			}
			return Packet{}, err
		}
		var h [8]byte
		if err := c.read(h[:]); err != nil {
			return Packet{}, err
		}
		if h[0] == 0x0a && h[1] == 0x0d && h[2] == 0x0d && h[3] == 0x0a {
			if err := c.section(h); err != nil {
				return Packet{}, err
			}
			continue
		}
		if c.order == nil {
			return Packet{}, c.wrong("the file does not begin with a section")
		}
		kind, total := c.order.Uint32(h[:]), c.order.Uint32(h[4:])
		if total < 12 || total%4 != 0 || total > maxBlock && kind != blockSimple {
			return Packet{}, c.wrong("a block of type %d has the length %d, which cannot be: the file is damaged", kind, total)
		}
		body := int(total) - 12
		p, ok, err := c.block(kind, body)
		if err != nil {
			return Packet{}, err
		}
		if ok {
			return p, nil
		}
	}
}

// section reads the header of a section, which says in what order bytes are from there.
func (c *Reader) section(h [8]byte) error {
	var b [4]byte
	if err := c.read(b[:]); err != nil {
		return err
	}
	switch binary.LittleEndian.Uint32(b[:]) {
	case 0x1a2b3c4d:
		c.order = binary.LittleEndian
	case 0x4d3c2b1a:
		c.order = binary.BigEndian
	default:
		return c.wrong("a section that says in no known order its bytes are: % x", b)
	}
	total := c.order.Uint32(h[4:])
	if total < 28 || total%4 != 0 || total > maxBlock {
		return c.wrong("a section header of %d bytes cannot be: the file is damaged", total)
	}
	c.ifaces = nil
	return c.skip(int(total) - 12)
}

// block reads the rest of one block. It reports whether it was a packet.
func (c *Reader) block(kind uint32, body int) (p Packet, ok bool, err error) {
	switch kind {
	case blockEnhanced, blockPacket:
		p, err = c.enhanced(kind, body)
		return p, true, err
	case blockSimple:
		p, err = c.simple(body)
		return p, true, err
	case blockInterface, blockStatistics:
		b := make([]byte, body+4)
		if err := c.read(b); err != nil {
			return p, false, err
		}
		if kind == blockInterface {
			return p, false, c.iface(b[:body])
		}
		if body >= 12 {
			c.options(b[12:body], func(code uint16, v []byte) {
				if code == optDropped && len(v) >= 8 {
					c.dropped += int64(c.order.Uint64(v) & (1<<62 - 1))
				}
			})
		}
		return p, false, nil
	}
	return p, false, c.skip(body + 4)
}

func (c *Reader) iface(b []byte) error {
	if len(b) < 8 {
		return c.wrong("an interface block of %d bytes is too short", len(b))
	}
	if len(c.ifaces) >= maxInterfaces {
		return c.wrong("there are more than %d interfaces", maxInterfaces)
	}
	i := iface{link: Link(c.order.Uint16(b)), snap: c.order.Uint32(b[4:]), perSecond: 1e6}
	c.options(b[8:], func(code uint16, v []byte) {
		switch {
		case code == optResolution && len(v) >= 1:
			i.perSecond = resolution(v[0])
		case code == optOffset && len(v) >= 8:
			i.offset = int64(c.order.Uint64(v))
		}
	})
	if i.perSecond == 0 {
		return c.wrong("an interface has times in a unit that cannot be")
	}
	c.ifaces = append(c.ifaces, i)
	return nil
}

// resolution returns how many ticks a second has; 0 where that is no sensible number.
func resolution(v byte) uint64 {
	n := int(v & 0x7f)
	if v&0x80 != 0 {
		if n > 62 {
			return 0
		}
		return 1 << n
	}
	if n > 18 {
		return 0
	}
	per := uint64(1)
	for range n {
		per *= 10
	}
	return per
}

// options calls f with each option of a block.
func (c *Reader) options(b []byte, f func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, n := c.order.Uint16(b), int(c.order.Uint16(b[2:]))
		if code == optEnd || n > len(b)-4 {
			return
		}
		f(code, b[4:4+n])
		b = b[min(len(b), 4+(n+3)&^3):]
	}
}

// enhanced reads a packet with a time and an interface. The old block has the number of the interface in two bytes.
func (c *Reader) enhanced(kind uint32, body int) (Packet, error) {
	if body < 20 {
		return Packet{}, c.wrong("a packet block of %d bytes is too short", body)
	}
	var h [20]byte
	if err := c.read(h[:]); err != nil {
		return Packet{}, err
	}
	id := c.order.Uint32(h[:])
	if kind == blockPacket {
		id = uint32(c.order.Uint16(h[:]))
	}
	if int64(id) >= int64(len(c.ifaces)) {
		return Packet{}, c.wrong("it is of interface %d, which the file has not described", id)
	}
	i := c.ifaces[id]
	ticks := uint64(c.order.Uint32(h[4:]))<<32 | uint64(c.order.Uint32(h[8:]))
	kept, size := c.order.Uint32(h[12:]), c.order.Uint32(h[16:])
	if kept > maxPacket || int64(kept) > int64(body-20) {
		return Packet{}, c.wrong("a packet of %d bytes in a block of %d: the file is damaged", kept, body+12)
	}
	c.rest = body - 20 - int(kept) + 4
	return c.packet(i.link, i.nanoseconds(ticks), int(kept), size)
}

func (i iface) nanoseconds(ticks uint64) int64 {
	sec, rest := ticks/i.perSecond, ticks%i.perSecond
	high, low := bits.Mul64(rest, 1e9)
	part, _ := bits.Div64(high, low, i.perSecond)
	return (int64(sec)+i.offset)*1e9 + int64(part)
}

// simple reads a packet that has nothing but its bytes: it is of the first interface, and has no time.
func (c *Reader) simple(body int) (Packet, error) {
	if len(c.ifaces) == 0 {
		return Packet{}, c.wrong("a packet stands before any interface")
	}
	if body < 4 || body > maxBlock {
		return Packet{}, c.wrong("a packet block of %d bytes cannot be: the file is damaged", body)
	}
	var h [4]byte
	if err := c.read(h[:]); err != nil {
		return Packet{}, err
	}
	size, kept := c.order.Uint32(h[:]), uint32(body-4)
	kept = min(kept, size)
	if s := c.ifaces[0].snap; s > 0 {
		kept = min(kept, s)
	}
	if kept > maxPacket {
		return Packet{}, c.wrong("a packet of %d bytes cannot be: the file is damaged", kept)
	}
	c.rest = body - 4 - int(kept) + 4
	return c.packet(c.ifaces[0].link, 0, int(kept), size)
}

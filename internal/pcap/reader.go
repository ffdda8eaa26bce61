// Package pcap reads and writes captures of network traffic: the files of tcpdump, in the format of libpcap
// and in pcapng, and what an interface of this machine sees.
//
// It decodes packets up to TCP, UDP and ICMP, and follows nothing: what packets mean together is for
// internal/doctor/trace. It trusts no length in a file; memory is bounded by one packet.
package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Limits of one packet and of one block. No interface carries more than 64 KiB but offloading ones, of which libpcap takes 256.
const (
	maxPacket     = 256 << 10
	maxBlock      = 1 << 20
	maxInterfaces = 1024
)

// A Link is what the first bytes of a packet are (https://www.tcpdump.org/linktypes.html).
type Link uint32

// The links that can be decoded.
const (
	Null     Link = 0 // loopback of BSD: the family in the order of whoever wrote it
	Ethernet Link = 1
	Raw12    Link = 12 // raw IP, as some systems number it
	Raw14    Link = 14
	Raw      Link = 101
	Loop     Link = 108 // as Null, in network order
	SLL      Link = 113 // "any" of Linux
	IPv4     Link = 228
	IPv6     Link = 229
	SLL2     Link = 276
)

// A Packet is one that was captured.
type Packet struct {
	Number int64 // from 1, as other tools count
	Time   int64 // nanoseconds since 1970
	Link   Link
	Data   []byte // what was kept of it; until the next call of Next
	Size   int    // how long it was
}

// A FormatError says where a file is not what it should be.
type FormatError struct {
	Offset int64 // in the file
	Packet int64 // the packet it would be, from 1; 0 before any
	Reason string
}

// Error implements error.
func (e *FormatError) Error() string {
	if e.Packet == 0 {
		return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason)
	}
	return fmt.Sprintf("at byte %d, packet %d: %s", e.Offset, e.Packet, e.Reason)
}

// ErrCut is what a FormatError matches where the file ends in the middle of a packet: what was read before is good.
var ErrCut = errors.New("the file is cut off")

// Is implements the interface of errors.Is.
func (e *FormatError) Is(target error) bool { return target == ErrCut && e.Reason == cutReason }

const cutReason = "the file ends in the middle of a packet: it was cut off, or is still being written"

// A Reader reads the packets of a file one after the other. It is for one goroutine.
type Reader struct {
	r       *bufio.Reader
	order   binary.ByteOrder
	ng      bool
	unit    int64 // nanoseconds in the small part of a time
	ifaces  []iface
	link    Link
	offset  int64
	number  int64
	buf     []byte
	format  string
	dropped int64
	rest    int // of the block that the last packet was in
}

type iface struct {
	link Link
	snap uint32
	// A time is ticks of 1/perSecond s, plus offset seconds.
	perSecond uint64
	offset    int64
}

// NewReader reads the header of a capture. The error is a *FormatError where it is none.
func NewReader(r io.Reader) (*Reader, error) {
	c := &Reader{r: bufio.NewReaderSize(r, 256<<10)}
	magic, err := c.r.Peek(4)
	if err != nil {
		if err == io.EOF {
			return nil, c.wrong("the file is empty or too short to be a capture")
		}
		return nil, err
	}
	switch binary.LittleEndian.Uint32(magic) {
	case 0xa1b2c3d4:
		c.order, c.unit = binary.LittleEndian, 1000
	case 0xa1b23c4d:
		c.order, c.unit = binary.LittleEndian, 1
	case 0xd4c3b2a1:
		c.order, c.unit = binary.BigEndian, 1000
	case 0x4d3cb2a1:
		c.order, c.unit = binary.BigEndian, 1
	case 0x0a0d0d0a:
		c.ng, c.format = true, "pcapng"
		return c, nil
	default:
		return nil, c.wrong("%s", notCapture(magic))
	}
	c.format = "pcap"
	return c, c.header()
}

// notCapture says what a file is instead, where that can be told.
func notCapture(magic []byte) string {
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return "this is a gzip file: unpack it first (gunzip FILE)"
	case string(magic) == "PK\x03\x04":
		return "this is a zip file: unpack it first"
	case string(magic) == "(\xb5/\xfd":
		return "this is a zstd file: unpack it first (zstd -d FILE)"
	case string(magic) == "snoo":
		return "this is a capture of snoop: convert it first (editcap -F pcapng FILE FILE.pcapng)"
	}
	return fmt.Sprintf("this is no capture: it begins with % x, and neither pcap nor pcapng does", magic)
}

// Format is "pcap" or "pcapng".
func (c *Reader) Format() string { return c.format }

// Dropped is how many packets the file says were lost before they could be written. It is known at the end of a pcapng.
func (c *Reader) Dropped() int64 { return c.dropped }

func (c *Reader) wrong(format string, args ...any) error {
	n := c.number
	if c.format != "" {
		n++
	}
	return &FormatError{c.offset, n, fmt.Sprintf(format, args...)}
}

// read fills b, and counts.
func (c *Reader) read(b []byte) error {
	n, err := io.ReadFull(c.r, b)
	c.offset += int64(n)
	switch {
	case err == io.ErrUnexpectedEOF, err == io.EOF && n == 0 && len(b) > 0:
		return c.wrong(cutReason)
	}
	return err
}

// skip passes over n bytes.
func (c *Reader) skip(n int) error {
	done, err := c.r.Discard(n)
	c.offset += int64(done)
	if err == io.EOF {
		return c.wrong(cutReason)
	}
	return err
}

// end reports whether there is nothing more.
func (c *Reader) end() (bool, error) {
	_, err := c.r.Peek(1)
	if err == io.EOF {
		return true, nil
	}
	return false, err
}

func (c *Reader) header() error {
	var h [24]byte
	if err := c.read(h[:]); err != nil {
		return err
	}
	if major := c.order.Uint16(h[4:]); major != 2 {
		return c.wrong("version %d of the pcap format is not known", major)
	}
	c.link = Link(c.order.Uint32(h[20:]) & 0x0fffffff) // above are the length of a frame check sequence
	return nil
}

// Next returns the next packet, io.EOF behind the last one. An error is a *FormatError where the file is to
// blame, and nothing can be read behind it.
func (c *Reader) Next() (Packet, error) {
	if c.ng {
		return c.nextBlock()
	}
	if done, err := c.end(); done || err != nil {
		if done {
			err = io.EOF
		}
		return Packet{}, err
	}
	var h [16]byte
	if err := c.read(h[:]); err != nil {
		return Packet{}, err
	}
	kept, size := c.order.Uint32(h[8:]), c.order.Uint32(h[12:])
	if kept > maxPacket {
		return Packet{}, c.wrong("a packet of %d bytes cannot be: the file is damaged", kept)
	}
	sec, part := int64(c.order.Uint32(h[:])), int64(c.order.Uint32(h[4:]))
	return c.packet(c.link, sec*int64(time.Second)+part*c.unit, int(kept), size)
}

// packet reads the bytes of one.
func (c *Reader) packet(link Link, at int64, kept int, size uint32) (Packet, error) {
	if cap(c.buf) < kept {
		c.buf = make([]byte, max(kept, 4<<10))
	}
	b := c.buf[:kept]
	if err := c.read(b); err != nil {
		return Packet{}, err
	}
	c.number++
	return Packet{c.number, at, link, b, int(max(size, uint32(kept)))}, nil
}

package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// syn is a TCP SYN from 192.0.2.2:40000 to 198.51.100.10:443 with an MSS of 1460 and a window scale of 7.
func syn() []byte {
	ip := []byte{0x45, 0, 0, 48, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 2, 198, 51, 100, 10}
	tcp := []byte{0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 100, 0, 0, 0, 0, 0x70, SYN, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5, 0xb4, 3, 3, 7, 0}
	return append(ip, tcp...)
}

// udp6 is a datagram from port 5353 to port 53 with a hop-by-hop header before it.
func udp6() []byte {
	b := []byte{0x60, 0, 0, 0, 0, 18, protoHop, 64}
	b = append(b, netip.MustParseAddr("2001:db8::2").AsSlice()...)
	b = append(b, netip.MustParseAddr("2001:db8::53").AsSlice()...)
	b = append(b, protoUDP, 0, 1, 4, 0, 0, 0, 0)
	return append(b, 0x14, 0xe9, 0, 53, 0, 10, 0, 0, 'h', 'i')
}

func decode(link Link, b []byte) (l Layers) {
	l.Decode(Packet{Link: link, Data: b, Size: len(b)})
	return l
}

func TestDecodeLinks(t *testing.T) {
	want := Layers{
		Kind: TCP, Src: netip.MustParseAddrPort("192.0.2.2:40000"), Dst: netip.MustParseAddrPort("198.51.100.10:443"),
		TTL: 64, Seq: 100, Flags: SYN, Window: 64240, MSS: 1460, Scale: 7, Payload: []byte{},
	}
	before := func(head ...byte) []byte { return append(head, syn()...) }
	pad := func(n int, tail ...byte) []byte { return append(make([]byte, n), tail...) }
	for name, tt := range map[string]struct {
		link Link
		b    []byte
	}{
		"ethernet":         {Ethernet, before(pad(12, 8, 0)...)},
		"ethernet, VLAN":   {Ethernet, before(pad(12, 0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0)...)},
		"ethernet, padded": {Ethernet, append(before(pad(12, 8, 0)...), 0, 0, 0, 0)},
		"raw":              {Raw, syn()},
		"null":             {Null, before(2, 0, 0, 0)},
		"loop":             {Loop, before(0, 0, 0, 2)},
		"SLL":              {SLL, before(pad(14, 8, 0)...)},
		"SLL2":             {SLL2, before(append([]byte{8, 0}, pad(18)...)...)},
	} {
		if diff := cmp.Diff(want, decode(tt.link, tt.b), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDecodeOthers(t *testing.T) {
	l := decode(Raw, udp6())
	if l.Kind != UDP || string(l.Payload) != "hi" || l.Dst != netip.MustParseAddrPort("[2001:db8::53]:53") {
		t.Errorf("UDP behind a hop-by-hop header: %+v", l)
	}

	message := append([]byte{0x45, 0, 0, 76, 0, 1, 0, 0, 63, 1, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 3, 13, 0, 0, 0, 0, 0, 0}, syn()...)
	l = decode(Raw, message)
	if l.Kind != ICMP || l.Type != 3 || l.Code != 13 || l.Quoted == nil || l.Quoted.Seq != 100 || l.Quoted.Dst.Port() != 443 || l.Quoted.Kind != TCP {
		t.Errorf("ICMP with a quoted packet: %+v, %+v", l, l.Quoted)
	}

	fragment := syn()
	fragment[6] = 0x20 // more fragments
	if l = decode(Raw, fragment); l.Kind != TCP || !l.Fragment {
		t.Errorf("the first fragment: %+v", l)
	}
	fragment[6], fragment[7] = 0, 9
	if l = decode(Raw, fragment); l.Kind != Part {
		t.Errorf("a later fragment: %+v", l)
	}

	sack := append(syn()[:40:40], 1, 1, optionSacked, 10, 0, 0, 1, 0, 0, 0, 2, 0)
	sack[3], sack[32] = byte(len(sack)), 0x80
	if l = decode(Raw, sack); !l.Sacked || l.SackRight != 512 {
		t.Errorf("a selective acknowledgement: %+v", l)
	}
}

// TestCutPackets decodes every beginning of packets: what is cut is of no kind, or has less of its payload.
func TestCutPackets(t *testing.T) {
	for _, whole := range [][]byte{syn(), udp6()} {
		for n := range whole {
			if l := decode(Raw, whole[:n]); l.Kind != Other && len(l.Payload) > l.Length {
				t.Errorf("%d of %d bytes: %+v", n, len(whole), l)
			}
		}
	}
}

// read returns all packets of a file.
func read(b []byte) (all []Packet, err error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		p.Data = bytes.Clone(p.Data)
		all = append(all, p)
	}
}

// classic writes a file in the format of libpcap in any order of bytes.
func classic(order binary.AppendByteOrder, magic uint32, packets ...Packet) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = order.AppendUint64(b, 0)
	b = order.AppendUint32(b, 65535)
	b = order.AppendUint32(b, uint32(Raw))
	for _, p := range packets {
		part := p.Time % 1e9
		if magic == 0xa1b2c3d4 {
			part /= 1000
		}
		for _, v := range []uint32{uint32(p.Time / 1e9), uint32(part), uint32(len(p.Data)), uint32(p.Size)} {
			b = order.AppendUint32(b, v)
		}
		b = append(b, p.Data...)
	}
	return b
}

// block returns a block of pcapng.
func block(order binary.AppendByteOrder, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	b := order.AppendUint32(nil, kind)
	b = order.AppendUint32(b, uint32(len(body)+12))
	b = append(b, body...)
	return order.AppendUint32(b, uint32(len(body)+12))
}

// modern writes a pcapng with two interfaces, of which the second has times in nanoseconds and another link.
func modern(order binary.AppendByteOrder, packets ...Packet) []byte {
	section := order.AppendUint32(nil, 0x1a2b3c4d)
	section = append(order.AppendUint16(section, 1), 0, 0)
	section = order.AppendUint64(section, 1<<64-1)
	b := block(order, blockSection, section)
	first := append(order.AppendUint16(nil, uint16(Ethernet)), 0, 0, 0, 0, 0, 0)
	b = append(b, block(order, blockInterface, first)...)
	second := append(order.AppendUint16(nil, uint16(Raw)), 0, 0, 0, 0, 0, 0)
	second = order.AppendUint16(second, optResolution)
	second = append(order.AppendUint16(second, 1), 9, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, block(order, blockInterface, second)...)
	b = append(b, block(order, 0x0bad, []byte("a block of another kind"))...)
	for _, p := range packets {
		var body []byte
		for _, v := range []uint32{1, uint32(p.Time >> 32), uint32(p.Time), uint32(len(p.Data)), uint32(p.Size)} {
			body = order.AppendUint32(body, v)
		}
		b = append(b, block(order, blockEnhanced, append(body, p.Data...))...)
	}
	statistics := append(make([]byte, 12), order.AppendUint16(order.AppendUint16(nil, optDropped), 8)...)
	return append(b, block(order, blockStatistics, order.AppendUint64(statistics, 7))...)
}

func samples() []Packet {
	return []Packet{
		{1, 1700000000_123456000, Raw, syn(), len(syn())},
		{2, 1700000001_000001000, Raw, udp6()[:50], 58},
	}
}

func files() map[string][]byte {
	var own bytes.Buffer
	w, _ := NewWriter(&own, Raw) // a buffer does not fail
	for _, p := range samples() {
		_ = w.Write(p)
	}
	return map[string][]byte{
		"little": classic(binary.LittleEndian, 0xa1b2c3d4, samples()...), "big": classic(binary.BigEndian, 0xa1b2c3d4, samples()...),
		"little, ns": classic(binary.LittleEndian, 0xa1b23c4d, samples()...), "big, ns": classic(binary.BigEndian, 0xa1b23c4d, samples()...),
		"pcapng, little": modern(binary.LittleEndian, samples()...), "pcapng, big": modern(binary.BigEndian, samples()...),
		"two sections": append(modern(binary.LittleEndian, samples()[0]), modern(binary.BigEndian, samples()[1])...),
		"own":          own.Bytes(),
	}
}

func TestFiles(t *testing.T) {
	for name, b := range files() {
		got, err := read(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(samples(), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	r, err := NewReader(bytes.NewReader(modern(binary.BigEndian)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != io.EOF || r.Dropped() != 7 {
		t.Errorf("%v, and %d packets dropped; want 7", err, r.Dropped())
	}
}

// TestCutFiles reads every beginning of files: it is what it is cut to, with an error that says so, or a whole one.
func TestCutFiles(t *testing.T) {
	for name, b := range files() {
		for n := range b {
			all, err := read(b[:n])
			var wrong *FormatError
			switch {
			case err == nil && n > 20: // between two packets
			case !errors.As(err, &wrong), n >= 4 && !errors.Is(err, ErrCut), wrong.Offset > int64(n), wrong.Packet > int64(len(all)+1):
				t.Errorf("%s: %d of %d bytes: %d packets, %v", name, n, len(b), len(all), err)
			}
		}
	}
}

func TestWrongFiles(t *testing.T) {
	big := classic(binary.LittleEndian, 0xa1b2c3d4, Packet{Data: syn(), Size: 48})
	binary.LittleEndian.PutUint32(big[24+8:], 1<<30)
	strange := modern(binary.LittleEndian, samples()...)
	binary.LittleEndian.PutUint32(strange[28+4:], 13)
	unknown := modern(binary.LittleEndian, samples()...)
	unknown[bytes.Index(unknown, []byte{6, 0, 0, 0})+8] = 9
	for name, tt := range map[string]struct{ file, want string }{
		"empty":       {"", "at byte 0: the file is empty"},
		"text":        {"10:00:00.000 IP 192.0.2.2 > 198.51.100.10", "at byte 0: this is no capture: it begins with 31 30 3a 30"},
		"gzip":        {"\x1f\x8b\x08\x00", "gunzip FILE"},
		"packet size": {string(big), "at byte 40, packet 1: a packet of 1073741824 bytes cannot be"},
		"block size":  {string(strange), "has the length 13, which cannot be"},
		"interface":   {string(unknown), "packet 1: it is of interface 9"},
	} {
		if _, err := read([]byte(tt.file)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", name, err, tt.want)
		}
	}
}

// FuzzReader reads and decodes whatever bytes: it ends, and gives no packet that is longer than the file.
func FuzzReader(f *testing.F) {
	for _, b := range files() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		var l Layers
		for n := int64(1); ; n++ {
			p, err := r.Next()
			if err != nil {
				var wrong *FormatError
				if err != io.EOF && (!errors.As(err, &wrong) || wrong.Offset > int64(len(b))) {
					t.Fatalf("%v", err)
				}
				return
			}
			if p.Number != n || len(p.Data) > len(b) || p.Size < len(p.Data) {
				t.Fatalf("packet %d: number %d, %d bytes of %d", n, p.Number, len(p.Data), p.Size)
			}
			l.Decode(p)
			if len(l.Payload) > len(p.Data) || l.Length < 0 {
				t.Fatalf("packet %d: %+v", n, l)
			}
		}
	})
}

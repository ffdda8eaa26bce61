package pcap

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// segment is a TCP packet with something said from a port to another.
func segment(from, to uint16, said string) Packet {
	b := append(syn()[:40:40], said...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[20:], from)
	binary.BigEndian.PutUint16(b[22:], to)
	b[32], b[33] = 0x50, ACK
	return Packet{Link: Raw, Data: b, Size: len(b)}
}

func TestScrub(t *testing.T) {
	hello := "\x16\x03\x01\x00\x05secret-looking"
	for _, tt := range []struct{ name, said, want string }{
		{"request", "GET /m/@v/list?token=hush HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic aHVzaA==\r\nCookie: hush\r\n\r\n", "GET /m/@v/list?xxxxxxxxxx HTTP/1.1\r\nHost: a.test\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nxxxxxxxxxxxx\r\n\r\n"},
		{"through a proxy", "GET http://me:hush@a.test/m HTTP/1.1\r\n", "GET http://xxxxxxx@a.test/m HTTP/1.1\r\n"},
		{"CONNECT", "CONNECT a.test:443 HTTP/1.1\r\nProxy-Authorization: Basic aHVzaA==\r\n", "CONNECT a.test:443 HTTP/1.1\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"},
		{"answer", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nSet-Cookie: hush\r\n\r\nhush", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nxxxxxxxxxxxxxxxx\r\n\r\nxxxx"},
		{"the middle of a header", "aHVzaA==\r\nHost: a.test\r\n", "xxxxxxxx\r\nHost: a.test\r\n"},
		{"another protocol", "USER hush", "xxxxxxxxx"},
		{"TLS", hello, hello},
	} {
		p := segment(40000, 80, tt.said)
		NewScrubber().Scrub(p)
		if got := string(p.Data[40:]); got != tt.want {
			t.Errorf("%s: %q; want %q", tt.name, got, tt.want)
		}
	}
	s := NewScrubber()
	s.Scrub(segment(40000, 443, hello))
	more := segment(40000, 443, "encrypted, and goes on")
	if s.Scrub(more); !bytes.HasSuffix(more.Data, []byte("goes on")) {
		t.Error("what follows in TLS is changed")
	}
	other := segment(40001, 443, "no TLS")
	if s.Scrub(other); strings.Contains(string(other.Data), "TLS") {
		t.Error("another connection is not scrubbed")
	}
}

package pcap

import (
	"bytes"
	"net/netip"
)

const maxStreams = 1 << 16

// A Scrubber takes out of packets what people would not show: all that is said in the clear on TCP connections, but for the lines
// of HTTP that say what was asked for and what came of it. TLS is encrypted, and stays as it is. Lengths do not change.
type Scrubber struct {
	secret map[[2]netip.AddrPort]bool // streams that began with TLS, by who sends and who receives
	l      Layers
}

// NewScrubber returns one for the packets of one capture, in their order.
func NewScrubber() *Scrubber { return &Scrubber{secret: map[[2]netip.AddrPort]bool{}} }

// Scrub changes the bytes of p.
func (s *Scrubber) Scrub(p Packet) {
	l := &s.l
	l.Decode(p)
	switch {
	case l.Kind == UDP && (l.Src.Port() == 53 || l.Dst.Port() == 53), l.Kind == ARP, l.Kind == ICMP && len(p.Data) < 100:
	case l.Kind == UDP:
		mask(l.Payload)
	case l.Kind == TCP:
		s.stream(l)
	case l.Kind == ICMP:
		mask(p.Data[100:]) // behind the headers that it quotes
	default:
		mask(p.Data[min(len(p.Data), 60):])
	}
}

func (s *Scrubber) stream(l *Layers) {
	key := [2]netip.AddrPort{l.Src, l.Dst}
	if l.Flags&SYN != 0 {
		delete(s.secret, key)
	}
	if len(l.Payload) == 0 {
		return
	}
	if tls := l.Payload; len(tls) > 2 && tls[0] == 22 && tls[1] == 3 && tls[2] <= 4 && len(s.secret) < maxStreams {
		s.secret[key] = true // it may begin inside of a tunnel
	}
	if s.secret[key] {
		return
	}
	first := true
	for line := range bytes.SplitAfterSeq(l.Payload, []byte("\n")) {
		if !first || !showFirst(line) {
			if !shown(line) {
				mask(line)
			}
		}
		first = false
	}
}

// showFirst leaves the first line of a request or an answer, without users, passwords and queries. It reports whether it is one.
func showFirst(line []byte) bool {
	if bytes.HasPrefix(line, []byte("HTTP/")) {
		return true
	}
	f := bytes.Split(bytes.TrimRight(line, "\r\n"), []byte(" "))
	if len(f) != 3 || !bytes.HasPrefix(f[2], []byte("HTTP/")) || len(bytes.Trim(f[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) > 0 {
		return false
	}
	if i := bytes.IndexByte(f[1], '?'); i >= 0 {
		mask(f[1][i+1:])
		f[1] = f[1][:i]
	}
	host := f[1]
	if i := bytes.Index(host, []byte("://")); i >= 0 {
		host = host[i+3:]
		if i := bytes.IndexByte(host, '/'); i >= 0 {
			host = host[:i]
		}
	} else if bytes.HasPrefix(host, []byte("/")) {
		host = nil
	}
	mask(host[:max(0, bytes.LastIndexByte(host, '@'))])
	return true
}

// shown reports whether a line of a header says nothing that is secret.
func shown(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	if string(line) == "0" { // the end of a body in chunks
		return true
	}
	name, _, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return false
	}
	switch string(bytes.ToLower(name)) {
	case "host", "content-length", "transfer-encoding", "content-type", "server", "via", "retry-after", "date":
		return true
	}
	return false
}

// mask leaves the ends of lines.
func mask(b []byte) {
	for i, c := range b {
		if c != '\r' && c != '\n' {
			b[i] = 'x'
		}
	}
}

package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/modhaven/modhaven/internal/pcap"
)

// A wire makes the packets of one connection.
type wire struct {
	at   int64
	next [2]uint32
	all  []pcap.Packet
}

// send adds a packet of the client (0) or the server (1).
func (w *wire) send(side int, flags uint8, said string) {
	w.sendAt(side, flags, said, w.next[side], w.next[1-side])
	w.next[side] += uint32(len(said))
	if flags&(pcap.SYN|pcap.FIN) != 0 {
		w.next[side]++
	}
}

func (w *wire) sendAt(side int, flags uint8, said string, seq, ack uint32) {
	w.at += 1e6
	ends := [2][]byte{{192, 0, 2, 2}, {198, 51, 100, 10}}
	ports := [2]uint16{40000, 80}
	b := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(40+len(said)))
	b = append(b, 0, 1, 0x40, 0, 64, 6, 0, 0)
	b = append(append(b, ends[side]...), ends[1-side]...)
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, ports[side]), ports[1-side])
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, seq), ack)
	b = append(append(b, 0x50, flags, 255, 255, 0, 0, 0, 0), said...)
	w.all = append(w.all, pcap.Packet{Time: w.at, Link: pcap.Raw, Data: b, Size: len(b)})
}

// open is a connection whose sequence numbers wrap around.
func open() *wire {
	w := &wire{next: [2]uint32{1<<32 - 20, 1<<32 - 5}}
	w.send(0, pcap.SYN, "")
	w.send(1, pcap.SYN|pcap.ACK, "")
	w.send(0, pcap.ACK, "")
	return w
}

func follow(all []pcap.Packet) *Trace {
	t := New(nil)
	for _, p := range all {
		t.Add(p)
	}
	return t
}

func TestHTTP(t *testing.T) {
	w := open()
	w.send(0, pcap.ACK, "GET http://me:hush@a.test/m?token=hush HTTP/1.1\r\nHost: a.test\r\nProxy-Authori")
	w.send(0, pcap.ACK, "zation: Basic aHVzaA==\r\n\r\n")
	w.send(1, pcap.ACK, "HTTP/1.1 200 OK\r\nContent-Le")
	w.send(1, pcap.ACK, "ngth: 4\r\n\r\nbo")
	w.send(1, pcap.ACK, "dy")
	w.send(0, pcap.ACK, "GET /n HTTP/1.1\r\n\r\n")
	w.send(1, pcap.ACK, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n")
	c := follow(w.all).Conns[0]
	if len(c.Requests) != 2 {
		t.Fatalf("%d requests", len(c.Requests))
	}
	a, b := c.Requests[0], c.Requests[1]
	if a.Target != "http://a.test/m?%E2%80%A6" && a.Target != "http://a.test/m?…" || !a.Credential || a.Status != 200 || a.Body != 4 || !a.Whole() {
		t.Errorf("the first: %+v", a)
	}
	if b.Target != "/n" || b.Whole() {
		t.Errorf("the second, which is not whole: %+v", b)
	}
	if s := fmt.Sprintf("%+v %+v", a, b); bytes.Contains([]byte(s), []byte("hush")) || bytes.Contains([]byte(s), []byte("aHVz")) {
		t.Errorf("a credential is kept: %s", s)
	}
}

// TestOrder hands over the packets of an answer in any order, some of them twice: what was said is the same.
func TestOrder(t *testing.T) {
	w := open()
	w.send(0, pcap.ACK, "GET /m HTTP/1.1\r\n\r\n")
	begin := len(w.all)
	for _, said := range []string{"HTTP/1.1 503 ", "Service Unav", "ailable\r\n", "Content-Length: 3\r\n\r\n", "nay"} {
		w.send(1, pcap.ACK, said)
	}
	answer := w.all[begin:]
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		// The first is last, so that all others wait; of them only the next one behind the gap is kept with its bytes.
		mixed := append([]pcap.Packet{}, w.all[:begin]...)
		i := r.IntN(len(answer) - 1)
		order := append([]pcap.Packet{}, answer...)
		order[i], order[i+1] = order[i+1], order[i]
		for _, p := range order {
			mixed = append(mixed, p)
			if r.IntN(3) == 0 {
				mixed = append(mixed, p)
			}
		}
		c := follow(mixed).Conns[0]
		if x := c.Requests[0]; x.Status != 503 || x.Body != 3 || !x.Whole() || c.S.Missing() != 0 {
			t.Fatalf("swapped %d and the next: %+v, %d missing", i, x, c.S.Missing())
		}
	}
}

func TestTroubles(t *testing.T) {
	w := open()
	w.send(0, pcap.ACK, "GET /m HTTP/1.1\r\n\r\n")
	lost := w.next[1]
	w.next[1] += 1000 // it does not come here
	w.send(1, pcap.ACK, "behind it")
	w.sendAt(0, pcap.ACK, "", w.next[0], lost)
	c := follow(w.all).Conns[0]
	if c.S.Missing() == 0 || c.S.Gaps != 1 || c.S.Hole() != 1000 {
		t.Errorf("a gap: %+v", c.S)
	}
	w.sendAt(0, pcap.ACK, "", w.next[0], w.next[1]) // the client has it, the capture has not
	if c = follow(w.all).Conns[0]; c.S.Missing() != 0 || !c.Gone {
		t.Errorf("what the capture lost: %+v", c.S)
	}

	w = open()
	for range 3 {
		w.sendAt(0, pcap.ACK, "sent again", w.next[0], w.next[1])
	}
	w.sendAt(0, pcap.ACK, "d", w.next[0]+9, w.next[1]) // a keep-alive
	if c = follow(w.all).Conns[0]; c.C.Again != 2 || c.C.Edge != 2 || c.C.Unacked() != 10 {
		t.Errorf("sent again: %+v", c.C)
	}

	w = open()
	w.send(1, pcap.RST, "")
	w.send(1, pcap.ACK, "as if nothing was")
	if r := follow(w.all).Conns[0].Reset; r == nil || !r.FromServer || r.GoesOn != 1 {
		t.Errorf("a reset of somebody else: %+v", r)
	}
	again := open()
	if all := follow(append(w.all, again.all...)).Conns; len(all) != 1 {
		t.Errorf("the same SYN again is another connection: %d", len(all))
	}
	for i := range again.all {
		again.all[i].Data[24]++ // another sequence number
	}
	if all := follow(append(w.all, again.all...)).Conns; len(all) != 2 {
		t.Errorf("the same ports again are %d connections, want 2", len(all))
	}
}

// TestBounded opens more connections than are kept, none of which ends.
func TestBounded(t *testing.T) {
	tr := New(nil)
	w := open()
	w.send(0, pcap.ACK, "GET /"+string(bytes.Repeat([]byte("x"), 1000)))
	for i := range maxConns + 1000 {
		for _, p := range w.all {
			binary.BigEndian.PutUint32(p.Data[12:], uint32(i)) // another client
			if p.Data[20] == 0 {
				binary.BigEndian.PutUint32(p.Data[12:], 0xc633640a)
				binary.BigEndian.PutUint32(p.Data[16:], uint32(i))
			}
			tr.Add(p)
		}
	}
	if len(tr.Conns) != maxConns || tr.Missed == 0 || tr.heads > maxHeads+maxHead || len(tr.Hosts) > maxHosts {
		t.Errorf("%d connections, %d missed, %d bytes, %d hosts", len(tr.Conns), tr.Missed, tr.heads, len(tr.Hosts))
	}
}

// FuzzTrace follows whatever packets: it ends, and keeps no more than it may.
func FuzzTrace(f *testing.F) {
	all, err := filepath.Glob("../testdata/captures/*.client.pcap")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range all {
		if b, err := os.ReadFile(name); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := pcap.NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		tr := Read(r, nil)
		kept := 0
		for _, c := range tr.Conns {
			kept += c.kept()
			if c.S.Missing() < 0 || c.C.Unacked() < 0 || len(c.Requests) > maxRequests {
				t.Fatalf("%+v", c)
			}
		}
		if kept > len(b)*4+64 {
			t.Fatalf("%d bytes are kept of a file of %d", kept, len(b))
		}
	})
}

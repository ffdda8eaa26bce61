package pcap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// TestRecord records a connection over loopback, and reads it back.
func TestRecord(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := netip.MustParseAddrPort(l.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var file bytes.Buffer
	w, err := NewWriter(&file, SLL2)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	keep := func(l *Layers) bool {
		ours := l.Kind == TCP && (l.Src == addr || l.Dst == addr)
		if ours && l.Flags&FIN != 0 {
			if seen++; seen == 2 {
				cancel() // both sides are done
			}
		}
		return ours
	}
	talk := func() {
		go func() {
			c, err := net.Dial("tcp", addr.String())
			if err == nil {
				_, _ = io.WriteString(c, "hello")
				c.Close()
			}
		}()
		go func() {
			if c, err := l.Accept(); err == nil {
				_, _ = io.ReadAll(c)
				c.Close()
			}
		}()
	}
	s, err := Record(ctx, Recording{Interface: "lo", Keep: keep}, w, talk)
	if errors.Is(err, ErrNotAllowed) && os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	if err != nil {
		t.Fatal(err)
	}
	all, err := read(file.Bytes())
	if err != nil || int64(len(all)) != s.Packets || seen < 2 {
		t.Fatalf("%d packets of %d, %d FINs, %v", len(all), s.Packets, seen, err)
	}
	var said []byte
	syns := 0
	for _, p := range all {
		var l Layers
		l.Decode(p)
		said = append(said, l.Payload...)
		if l.Flags&(SYN|ACK) == SYN {
			syns++
		}
	}
	if syns != 1 || string(said) != "hello" {
		t.Errorf("%d SYNs and %q; want 1 and hello: packets of loopback are seen twice", syns, said)
	}
}

func TestRecordFull(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, err := NewWriter(io.Discard, SLL2)
	if err != nil {
		t.Fatal(err)
	}
	talk := func() {
		for range 4 {
			if _, err := c.WriteTo(make([]byte, 1000), c.LocalAddr()); err != nil {
				t.Error(err)
			}
		}
	}
	s, err := Record(t.Context(), Recording{Interface: "lo", Most: 2000}, w, talk)
	if errors.Is(err, ErrNotAllowed) && os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	if err != nil || !s.Full || s.Bytes < 2000 {
		t.Errorf("%+v, %v; want it to end at 2000 bytes", s, err)
	}
	if _, err := Record(t.Context(), Recording{Interface: "nosuch0"}, w, talk); err == nil {
		t.Error("an interface that is not there was recorded from")
	}
}

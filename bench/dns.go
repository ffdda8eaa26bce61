package main

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// dnsName is what the upstream of the DNS case is called.
const dnsName = "upstream.test"

// A nameServer answers every question for an IPv4 address with the one of the faulty
// upstreams, for a second, until it is down.
type nameServer struct {
	conn  net.PacketConn
	down  atomic.Bool
	quiet bool // when down: says nothing, in place of SERVFAIL
}

func startNameServer(quiet bool) (*nameServer, error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &nameServer{conn: c, quiet: quiet}
	go s.serve()
	return s, nil
}

func (s *nameServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		down := s.down.Load()
		if answer := dnsAnswer(buf[:n], net.ParseIP(faultyHost), down); answer != nil && !(down && s.quiet) {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

// dnsAnswer answers the one question of a query (RFC 1035): with ip for type A, with
// nothing for others, with SERVFAIL when failed. It returns nil for what is no query.
func dnsAnswer(query []byte, ip net.IP, failed bool) []byte {
	const header = 12
	if len(query) < header || query[2]&0x80 != 0 || binary.BigEndian.Uint16(query[4:]) != 1 {
		return nil
	}
	end := header
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	if end += 5; end > len(query) { // the root label, type, class
		return nil
	}
	answer := append([]byte{}, query[:end]...)
	answer[2], answer[3] = query[2]&0x79|0x80, 0x80 // a response; recursion available
	for i := 6; i < header; i++ {
		answer[i] = 0
	}
	const typeA, servFail = 1, 2
	switch {
	case failed:
		answer[3] |= servFail
	case binary.BigEndian.Uint16(query[end-4:]) == typeA:
		answer[7] = 1
		answer = append(answer, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 1, 0, 4) // the question's name, class IN, 1 s, 4 bytes
		answer = append(answer, ip.To4()...)
	}
	return answer
}

// downAfter takes the server down when the upstream has seen so many requests.
func (s *nameServer) downAfter(ctx context.Context, u *faulty, requests int) {
	for ctx.Err() == nil {
		if st, err := u.tell(""); err == nil && st.Requests >= requests {
			s.down.Store(true)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// benchDNS has connections end all the time, so that names are needed all the time. Plain
// go cannot be told another name server.
func benchDNS(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(20, 5, 0, 1)
	if err != nil {
		return nil, err
	}
	c.others = 0
	c.world = func(run int, sick bool) (*world, error) {
		s := c.well(run)
		s.Goodbyes = 0.3
		w, err := c.alone(s)
		if err != nil {
			return nil, err
		}
		names, err := startNameServer(run%2 == 1)
		if err != nil {
			w.close()
			return nil, err
		}
		_, port, _ := strings.Cut(w.ups[0].addr, ":")
		w.list = "http://" + dnsName + ":" + port
		w.flags = []string{"--dns", names.conn.LocalAddr().String()}
		ctx, cancel := context.WithCancel(ctx)
		w.ends = append(w.ends, cancel, func() { names.conn.Close() })
		if sick {
			go names.downAfter(ctx, w.ups[0], outageAfter)
		}
		return w, nil
	}
	c.remark("plain go and go up to three times are not run: their name server cannot be set")
	return c.run(ctx)
}

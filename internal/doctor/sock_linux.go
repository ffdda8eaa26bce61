package doctor

import (
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The probes below need no privileges: they read what the kernel knows of sockets of our own.
const deepProbes = true

// A socket looks at a connection beside package net: a duplicate of its descriptor, which
// still tells about the connection when net has closed its own after a failure.
type socket struct {
	mu sync.Mutex // guards fd
	fd int
}

// watch is for net.Dialer.Control: it sets the options, and has ICMP messages kept for s.
func (s *socket) watch(o sockOptions) func(string, string, syscall.RawConn) error {
	return func(network, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = o.set(int(fd), network[len(network)-1] == '6')
			if dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
				s.mu.Lock()
				s.fd = dup
				s.mu.Unlock()
			}
		})
		if err == nil {
			err = failed
		}
		return err
	}
}

func (o sockOptions) set(fd int, v6 bool) error {
	level, recvErr, hops, minHops := unix.IPPROTO_IP, unix.IP_RECVERR, unix.IP_TTL, unix.IP_MINTTL
	if v6 {
		level, recvErr, hops, minHops = unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.IPV6_UNICAST_HOPS, unix.IPV6_MINHOPCOUNT
	}
	if err := unix.SetsockoptInt(fd, level, recvErr, 1); err != nil {
		return err
	}
	if o.ttl > 0 {
		if err := unix.SetsockoptInt(fd, level, hops, o.ttl); err != nil {
			return err
		}
	}
	if o.minTTL > 0 {
		if err := unix.SetsockoptInt(fd, level, minHops, o.minTTL); err != nil {
			return err
		}
	}
	if o.mss > 0 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, o.mss)
	}
	return nil
}

func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd > 0 {
		unix.Close(s.fd)
		s.fd = 0
	}
}

// icmp returns the last ICMP message, or error of the kernel's own, that came for the connection.
func (s *socket) icmp() (msg icmpError, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd <= 0 {
		return msg, false
	}
	oob := make([]byte, 512)
	for range 8 { // what one connection can have gathered
		_, n, _, _, err := unix.Recvmsg(s.fd, make([]byte, 1), oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return msg, ok
		}
		all, err := unix.ParseSocketControlMessage(oob[:n])
		if err != nil {
			return msg, ok
		}
		for _, m := range all {
			v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
			v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
			if v4 || v6 {
				msg, ok = parseExtended(m.Data), true
			}
		}
	}
	return msg, ok
}

// parseExtended reads a struct sock_extended_err and the address behind it (ip(7), IP_RECVERR).
func parseExtended(b []byte) (msg icmpError) {
	const size = int(unsafe.Sizeof(unix.SockExtendedErr{}))
	if len(b) < size {
		return msg
	}
	origin := b[4]
	msg = icmpError{v6: origin == unix.SO_EE_ORIGIN_ICMP6, icmp: origin == unix.SO_EE_ORIGIN_ICMP || origin == unix.SO_EE_ORIGIN_ICMP6, kind: int(b[5]), code: int(b[6])}
	switch addr := b[size:]; {
	case len(addr) >= 8 && addr[0] == unix.AF_INET:
		msg.from = netip.AddrFrom4([4]byte(addr[4:8]))
	case len(addr) >= 24 && addr[0] == unix.AF_INET6:
		msg.from = netip.AddrFrom16([16]byte(addr[8:24]))
	}
	return msg
}

// flow returns what TCP knows of the connection.
func (s *socket) flow() (f flow, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd <= 0 {
		return f, false
	}
	info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return f, false
	}
	return flow{
		unacked: int(info.Unacked), acked: int64(info.Bytes_acked), received: int64(info.Bytes_received),
		again: int(info.Total_retrans), gaps: int(info.Rcv_ooopack),
	}, true
}

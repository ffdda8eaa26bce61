package pcap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	loopback   = 772 // ARPHRD_LOOPBACK
	recordRoom = 16 << 20
	recordWait = 100 // milliseconds until ctx is looked at again
)

func record(ctx context.Context, o Recording, w *Writer, ready func()) (s Stats, err error) {
	fd, err := packets(o.Interface)
	if err != nil {
		return s, err
	}
	defer unix.Close(fd)
	ready()
	buf, head := make([]byte, maxPacket), make([]byte, 20)
	var l Layers
	for ctx.Err() == nil && !s.Full {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, recordWait); err != nil && !errors.Is(err, unix.EINTR) {
			return s, fmt.Errorf("waiting for packets: %v", err)
		}
		for ctx.Err() == nil && !s.Full {
			n, from, err := unix.Recvfrom(fd, buf[len(head):], unix.MSG_DONTWAIT|unix.MSG_TRUNC)
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
				break
			}
			if err != nil {
				return s, fmt.Errorf("reading packets: %v", err)
			}
			link, ok := from.(*unix.SockaddrLinklayer)
			if !ok || link.Hatype == loopback && link.Pkttype == unix.PACKET_OUTGOING {
				continue // it comes in again
			}
			cook(buf, link)
			size := n + len(head)
			p := Packet{Time: time.Now().UnixNano(), Link: SLL2, Data: buf[:min(size, len(buf))], Size: size}
			if o.Keep != nil {
				if l.Decode(p); !o.Keep(&l) {
					continue
				}
			}
			if err := w.Write(p); err != nil {
				return s, err
			}
			s.Packets++
			s.Bytes += int64(len(p.Data) + 16)
			s.Full = o.Most > 0 && s.Bytes >= o.Most
		}
	}
	if st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		s.Dropped = int64(st.Drops)
	}
	return s, nil
}

// packets opens a socket that gets the packets of an interface, or of all, without their link's header.
func packets(name string) (fd int, err error) {
	index := 0
	if name != "" {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return 0, fmt.Errorf("%s: there is no such interface; ip link lists them", name)
		}
		index = i.Index
	}
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return 0, ErrNotAllowed
	case err != nil:
		return 0, fmt.Errorf("opening a socket for packets: %v", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, recordRoom) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, recordRoom) // as much as is allowed
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)) // in network order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("listening on %s: %v", name, err)
	}
	return fd, nil
}

// cook writes the header of SLL2 (https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html).
func cook(b []byte, a *unix.SockaddrLinklayer) {
	clear(b[:20])
	binary.NativeEndian.PutUint16(b, a.Protocol) // it is in network order already
	binary.BigEndian.PutUint32(b[4:], uint32(a.Ifindex))
	binary.BigEndian.PutUint16(b[8:], a.Hatype)
	b[10], b[11] = a.Pkttype, a.Halen
	copy(b[12:20], a.Addr[:])
}

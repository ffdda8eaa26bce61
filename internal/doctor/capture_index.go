package doctor

import (
	"net/netip"

	"github.com/modhaven/modhaven/internal/doctor/trace"
)

// A captureIndex is what all connections of a capture say about a host.
type captureIndex struct {
	hosts    map[netip.Addr]*hostIndex
	answered int        // hosts that sent something on a connection to them
	nobody   netip.Addr // an address that was looked for in vain, so that nothing could be sent; not valid for none
}

type hostIndex struct {
	open   [2]uint16 // two ports that took connections; 0 for none
	sent   bool
	passed int // bytes of data in the largest packet that came there whole
}

func indexOf(t *trace.Trace) *captureIndex {
	x := &captureIndex{hosts: map[netip.Addr]*hostIndex{}}
	for _, c := range t.Conns {
		x.host(c.Client.Addr())
		h := x.host(c.Server.Addr())
		if c.S.Known && !h.sent {
			h.sent = true
			x.answered++
		}
		if p := c.Server.Port(); c.Opened != 0 && h.open[0] == 0 {
			h.open[0] = p
		} else if c.Opened != 0 && h.open[0] != p {
			h.open[1] = p
		}
		if n := c.C.Largest; c.C.Acked() >= int64(n) {
			h.passed = max(h.passed, n)
		}
	}
	for a, h := range t.Hosts {
		if h.Sought > 1 && !h.Answered && !h.Sent && (!x.nobody.IsValid() || a.Less(x.nobody)) {
			x.nobody = a
		}
	}
	return x
}

func (x *captureIndex) host(a netip.Addr) *hostIndex {
	if x.hosts[a] == nil {
		x.hosts[a] = new(hostIndex)
	}
	return x.hosts[a]
}

// other returns a port of a host that took a connection, and is not this one; 0 for none.
func (x *captureIndex) other(a netip.AddrPort) uint16 {
	for _, p := range x.host(a.Addr()).open {
		if p != 0 && p != a.Port() {
			return p
		}
	}
	return 0
}

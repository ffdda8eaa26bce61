package doctor

import "github.com/modhaven/modhaven/internal/doctor/trace"

// identity is what a connection is known by on both sides: addresses and ports may be translated on the way, the first
// sequence number mostly is not.
type identity struct {
	isn  uint32
	port uint16 // 0 where it is known by its number alone
}

// sides says which of two captures is the client's. The server's is nil where there is one only.
func sides(all []*trace.Trace) (client, server *trace.Trace) {
	if len(all) < 2 {
		return all[0], nil
	}
	a, b := all[0], all[1]
	votes := 0
	for c, o := range pairsOf(a, b) {
		votes += int(c.C.TTL) - int(o.C.TTL) + int(o.S.TTL) - int(c.S.TTL)
	}
	for _, c := range b.Conns { // what is in one of them alone is the client's, or came with a whole TTL
		if c.Whole && began(c.C.TTL) {
			votes--
		}
	}
	for _, c := range a.Conns {
		if c.Whole && began(c.C.TTL) {
			votes++
		}
	}
	if votes < 0 {
		return b, a
	}
	return a, b
}

// pairsOf finds the connections of one capture in another one.
func pairsOf(a, b *trace.Trace) map[*trace.Conn]*trace.Conn {
	pairs := map[*trace.Conn]*trace.Conn{}
	if b == nil {
		return pairs
	}
	known := map[identity]*trace.Conn{}
	for _, c := range b.Conns {
		if c.Whole {
			known[identity{c.C.ISN, 0}] = c
			known[identity{c.C.ISN, c.Client.Port()}] = c
		}
	}
	for _, c := range a.Conns {
		if !c.Whole {
			continue
		}
		if o := known[identity{c.C.ISN, c.Client.Port()}]; o != nil {
			pairs[c] = o
		} else if o := known[identity{c.C.ISN, 0}]; o != nil {
			pairs[c] = o
		}
	}
	return pairs
}

// covers reports whether the other side's capture was running when this connection was made, as far as its clock says.
func (f *connFacts) covers() bool {
	const skew = int64(5e9)
	return f.far != nil && f.far.Packets > 0 && f.far.First <= f.c.Last+skew && f.far.Last >= f.c.Start-skew
}

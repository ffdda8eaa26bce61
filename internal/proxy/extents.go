package proxy

import "slices"

// extents are the byte ranges of a file that have arrived: sorted, apart from each other.
type extents struct{ list []extent }

type extent struct{ off, end int64 }

// add notes [off,end).
func (e *extents) add(off, end int64) {
	if off >= end {
		return
	}
	if n := len(e.list); n > 0 && e.list[n-1].end == off { // the usual way: in order
		e.list[n-1].end = end
		return
	}
	i := 0
	for i < len(e.list) && e.list[i].end < off {
		i++
	}
	j := i
	for j < len(e.list) && e.list[j].off <= end {
		off, end = min(off, e.list[j].off), max(end, e.list[j].end)
		j++
	}
	e.list = slices.Replace(e.list, i, j, extent{off, end})
}

// prefix returns how many bytes have arrived without a gap from the start.
func (e *extents) prefix() int64 {
	if len(e.list) == 0 || e.list[0].off != 0 {
		return 0
	}
	return e.list[0].end
}

// end returns how far the last of them goes.
func (e *extents) end() int64 {
	if len(e.list) == 0 {
		return 0
	}
	return e.list[len(e.list)-1].end
}

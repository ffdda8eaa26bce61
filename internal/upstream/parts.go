package upstream

import "slices"

// leastPart is the fewest bytes that are worth a request of their own.
const leastPart = 1 << 20

// A part is a stretch of a file that one stream brings at a time.
type part struct {
	pos, end int64 // what comes next, and where it ends; end is -1 while the file's length is not known
	busy     bool  // somebody brings it
	sum      uint32
}

func (p *part) left() int64 { return p.end - p.pos }

// parts are all of a file that is not there yet, in order. What lies between two of them is there, or is being written.
type parts []*part

// first returns the part with the first byte that is missing, nil where none is.
func (ps *parts) first() *part {
	*ps = slices.DeleteFunc(*ps, func(p *part) bool { return !p.busy && p.pos == p.end })
	if len(*ps) == 0 {
		return nil
	}
	return (*ps)[0]
}

// free returns how many parts nobody brings.
func (ps parts) free() (n int) {
	for _, p := range ps {
		if !p.busy && p.pos < p.end {
			n++
		}
	}
	return n
}

// next returns the first part that nobody brings, nil where there is none.
func (ps parts) next() *part {
	for _, p := range ps {
		if !p.busy && p.pos < p.end {
			return p
		}
	}
	return nil
}

// left returns how many bytes are missing.
func (ps parts) left() (n int64) {
	for _, p := range ps {
		n += p.left()
	}
	return n
}

// divide ends p sooner, after lead bytes more than its share, and makes n-1 parts of equal size of the rest.
func (ps *parts) divide(p *part, n int, lead int64) {
	size := (p.left() - lead) / int64(n)
	at := slices.Index(*ps, p) + 1
	end := p.end
	p.end = p.pos + size + lead
	var more parts
	for pos := p.end; len(more) < n-1; {
		next := &part{pos: pos, end: pos + size}
		pos = next.end
		more = append(more, next)
	}
	more[n-2].end = end
	*ps = slices.Insert(*ps, at, more...)
}

// extend has p, which is one of them, take over what follows it up to limit and nobody has begun.
func (ps *parts) extend(p *part, limit int64) {
	at := slices.Index(*ps, p) + 1
	for at < len(*ps) && !(*ps)[at].busy && (*ps)[at].pos == p.end && (*ps)[at].end <= limit {
		p.end = (*ps)[at].end
		*ps = slices.Delete(*ps, at, at+1)
	}
}

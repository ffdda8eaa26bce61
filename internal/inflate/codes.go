package inflate

import "math/bits"

const (
	maxLit  = 288 // symbols of literals and lengths; the last two must not be used
	maxDist = 32  // of distances, likewise
	endSym  = 256

	maxLen   = 15 // bits of a symbol
	litBits  = 11 // that choose in a table, before any links
	distBits = 8
)

// An entry of a table is what the next bits mean:
//
//	bits 0-5    how many bits it takes, with the extra bits of a length or a distance
//	bits 8-11   how many of these are the symbol; where that has a link, the bits behind it
//	bits 16-30  the literal, the least length or distance, the place that a link leads to
//
// and the flags. A symbol longer than a table's index has a link from there to a smaller table in the same array.
type entry = uint32

const (
	literal entry = 1 << 31
	special entry = 1 << 7  // none of literal, length and distance: a link, the end, or what must not be
	link    entry = 1 << 12 // takes the index's bits, and bits 8-11 choose
	end     entry = 1 << 13 // of a block
)

// meanings are the entries of symbols, but for the bits that the symbol itself takes.
type meanings struct {
	lit    [maxLit]entry
	dist   [maxDist]entry
	symbol [19]entry // of lengths of symbols
}

func newMeanings() meanings {
	var m meanings
	for s := range endSym {
		m.lit[s] = literal | entry(s)<<16
	}
	m.lit[endSym] = special | end
	least := entry(3)
	for s := endSym + 1; s < 285; s++ {
		extra := max(s-261, 0) / 4
		m.lit[s] = least<<16 | entry(extra)
		least += 1 << extra
	}
	m.lit[285] = match << 16
	m.lit[286], m.lit[287] = special, special
	least = 1
	for s := range 30 {
		extra := max(s-2, 0) / 2
		m.dist[s] = least<<16 | entry(extra)
		least += 1 << extra
	}
	m.dist[30], m.dist[31] = special, special
	for s := range m.symbol {
		m.symbol[s] = entry(s) << 16
	}
	return m
}

// fixedLengths are those of RFC 1951, section 3.2.6.
func fixedLengths() (lit [maxLit]uint8, dist [maxDist]uint8) {
	for s := range lit {
		switch {
		case s < 144:
			lit[s] = 8
		case s < 256:
			lit[s] = 9
		case s < 280:
			lit[s] = 7
		default:
			lit[s] = 8
		}
	}
	for s := range dist {
		dist[s] = 5
	}
	return lit, dist
}

// build fills table for symbols of the given lengths, where index bits choose first. It reports whether the lengths
// leave no sequence of bits without a symbol and none with two; but no symbol at all, or one alone of one bit, is
// allowed too, as zlib does.
func build(table []entry, index uint, lengths []uint8, meaning []entry) bool {
	var count [maxLen + 1]int
	for _, n := range lengths {
		if n != 0 {
			count[n&maxLen]++
		}
	}
	var next [maxLen + 2]int
	longest, used := 0, 0
	for n := 1; n <= maxLen; n++ {
		next[n+1] = next[n] + count[n]
		used += count[n] << (maxLen - n)
		if count[n] > 0 {
			longest = n
		}
	}
	all := next[maxLen+1]
	if used != 1<<maxLen {
		for i := range table[:1<<index] {
			table[i] = special
		}
		if all > 1 || all == 1 && longest > 1 {
			return false
		}
	}
	var order [maxLit]uint16 // symbols by length, then by number
	for s, n := range lengths {
		if n != 0 {
			order[next[n&maxLen]] = uint16(s)
			next[n&maxLen]++
		}
	}
	if all < 2 {
		if all == 1 {
			alone(table[:1<<index], meaning[order[0]])
		}
		return true
	}
	value, rest := fill(table, index, &count, order[:all], meaning)
	fillLinked(table, index, &count, longest, value, rest, meaning)
	return true
}

// alone fills table for a symbol of one bit that is the only one.
func alone(table []entry, meaning entry) {
	for i := 0; i < len(table); i += 2 {
		table[i] = meaning + 1<<8 + 1
	}
}

// fill fills the table that index bits choose from, for the symbols not longer than that: it has them for the first
// bit, copies what it has for either value of the next bit, and so on. It returns what is left to do.
func fill(table []entry, index uint, count *[maxLen + 1]int, order []uint16, meaning []entry) (value uint, rest []uint16) {
	for n := uint(1); n <= index; n++ {
		value <<= 1
		copy(table[1<<(n-1):1<<n], table[:1<<(n-1)])
		takes := entry(n<<8 | n)
		for _, s := range order[:count[n]] {
			table[reverse(value, n)] = meaning[s] + takes
			value++
		}
		order = order[count[n]:]
	}
	return value, order
}

// fillLinked appends the tables for longer symbols, of which value is the first one's, and links to them. Each is as
// small as the symbols that begin alike allow.
func fillLinked(table []entry, index uint, count *[maxLen + 1]int, longest int, value uint, order []uint16, meaning []entry) {
	var at, width uint
	free, prefix := uint(1)<<index, ^uint(0)
	for n := index + 1; len(order) > 0; n++ {
		value <<= 1
		takes := entry((n-index)<<8 | n - index)
		for i := count[n]; i > 0; i-- {
			r := reverse(value, n)
			if p := r & (1<<index - 1); p != prefix {
				prefix, width = p, n-index
				for room := 1<<width - i; room > 0 && index+width < uint(longest); room = room<<1 - count[index+width] {
					width++
				}
				at, free = free, free+1<<width
				table[p] = special | link | entry(at)<<16 | entry(width)<<8 | entry(index)
			}
			e := meaning[order[0]] + takes
			for j := r >> index; j < 1<<width; j += 1 << (n - index) {
				table[at+j] = e
			}
			order = order[1:]
			value++
		}
	}
}

// reverse returns the n lowest bits of v the other way round, as symbols are written.
func reverse(v, n uint) uint { return uint(bits.Reverse16(uint16(v)) >> (16 - n)) }

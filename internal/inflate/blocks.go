package inflate

// order is that of the lengths' own lengths in a block's header.
const order = "\x10\x11\x12\x00\x08\x07\x09\x06\x0a\x05\x0b\x04\x0c\x03\x0d\x02\x0e\x01\x0f"

const (
	meaningless     = "bits that are no symbol"
	beforeBeginning = "a match reaches before the beginning"
)

// readCodes reads the codes of a block that has its own: RFC 1951, section 3.2.7.
func (d *Decoder) readCodes() error {
	if err := d.need(14); err != nil {
		return err
	}
	lits, dists, n := int(d.take(5))+257, int(d.take(5))+1, int(d.take(4))+4
	if lits > maxLit-2 || dists > maxDist-2 {
		return d.corrupt("a block has codes for symbols that do not exist")
	}
	if err := d.readSymbols(n); err != nil {
		return err
	}
	lengths := d.lengths[:lits+dists]
	if err := d.readLengths(lengths); err != nil {
		return err
	}
	if !build(d.dynamic.lit[:], litBits, lengths[:lits], d.meanings.lit[:]) ||
		!build(d.dynamic.dist[:], distBits, lengths[lits:], d.meanings.dist[:]) {
		return d.corrupt("the lengths of a block's codes make no code")
	}
	return nil
}

// readSymbols reads the code that a block's lengths are in.
func (d *Decoder) readSymbols(n int) error {
	var lengths [len(order)]uint8
	for i := range n {
		d.load()
		if err := d.need(3); err != nil {
			return err
		}
		lengths[order[i]] = uint8(d.take(3))
	}
	if !build(d.symbols[:], 7, lengths[:], d.meanings.symbol[:]) {
		return d.corrupt("the lengths of a block's codes are in no code")
	}
	return nil
}

func (d *Decoder) readLengths(lengths []uint8) error {
	for i := 0; i < len(lengths); {
		d.load()
		e, err := d.symbol(d.symbols[:], 7)
		if err != nil {
			return err
		}
		d.take(uint(e & 63))
		s := uint8(e >> 16)
		if s < 16 {
			lengths[i] = s
			i++
			continue
		}
		var v uint8
		if s == 16 {
			if i == 0 {
				return d.corrupt("a block's first length repeats the one before")
			}
			v = lengths[i-1]
		}
		n, err := d.repeats(s)
		if err != nil {
			return err
		}
		if n > len(lengths)-i {
			return d.corrupt("a block has more lengths than codes")
		}
		for end := i + n; i < end; i++ {
			lengths[i] = v
		}
	}
	return nil
}

// repeats reads how often the length of symbol s, 16 to 18, comes.
func (d *Decoder) repeats(s uint8) (int, error) {
	least, n := 3, uint(s-14) // 2 bits, or 3
	if s == 18 {
		least, n = 11, 7
	}
	if err := d.need(n); err != nil {
		return 0, err
	}
	return least + int(d.take(n)), nil
}

// symbol finds the entry of the next symbol and waits for no bits behind it. Of a symbol with a link it takes the bits
// that led there. Where bits are missing they count as zeros, and the symbol that is found so is not longer than
// the one that comes: of symbols that begin alike the shorter ones have the lower values.
func (d *Decoder) symbol(table []entry, index uint) (entry, error) {
	for {
		e := table[d.have&(1<<index-1)]
		drop := uint(0)
		if e&link != 0 {
			drop = index
			e = table[uint64(e>>16)+d.have>>index&(1<<(e>>8&15)-1)]
		}
		n := drop + uint(e>>8&15)
		if n <= d.bits {
			d.take(drop)
			if e&(special|end) == special {
				return 0, d.corrupt(meaningless)
			}
			return e, nil
		}
		if err := d.need(n); err != nil {
			return 0, err
		}
	}
}

// value returns the length or distance of an entry, with its extra bits.
func (d *Decoder) value(e entry) (int, error) {
	n := uint(e & 63)
	if err := d.need(n); err != nil {
		return 0, err
	}
	return int(e>>16) + int(d.take(n)>>(e>>8&15)), nil
}

// one decodes one literal or match, and reports whether it was the end of the block instead.
func (d *Decoder) one(t *tables) (done bool, err error) {
	e, err := d.symbol(t.lit[:], litBits)
	if err != nil {
		return false, err
	}
	switch {
	case e&literal != 0:
		d.take(uint(e & 63))
		d.out[d.end] = byte(e >> 16)
		d.end++
		return false, nil
	case e&end != 0:
		d.take(uint(e & 63))
		return true, nil
	}
	length, err := d.value(e)
	if err != nil {
		return false, err
	}
	if e, err = d.symbol(t.dist[:], distBits); err != nil {
		return false, err
	}
	dist, err := d.value(e)
	if err != nil {
		return false, err
	}
	if dist > d.end {
		return false, d.corrupt(beforeBeginning)
	}
	for range length {
		d.out[d.end] = d.out[d.end-dist]
		d.end++
	}
	return false, nil
}

package inflate

import "encoding/binary"

// ample is how much input many needs: it loads 8 bytes at the beginning and at most twice for each match.
const ample = 3 * 8

// many decodes while input and room are ample, and reports whether it came to the end of the block. It is what decoding
// takes its time for, and long, because its variables stay in registers only as long as it calls nothing.
//
// After each load there are 56 bits or more; a length with its distance takes 48 at most, and no entry is found
// with less than litBits. Above the bits that count, b has what comes next in the input, so that loading
// it again changes nothing. The entry behind a match is found before the match is copied: the processor does both at once.
func (d *Decoder) many(t *tables) (done bool, err error) {
	le := binary.LittleEndian
	in, at, b, bits := d.in, d.at, d.have, d.bits
	out, w := &d.out, d.end
	last, full := len(in)-2*8, w+d.room()
	wrong := ""
	b |= le.Uint64(in[at:]) << (bits & 63)
	at += int((63 - bits) >> 3)
	bits |= 56
	e := t.lit[b&(1<<litBits-1)]
loop:
	for at <= last && w < full {
		if e&literal != 0 {
			for {
				b >>= e & 63
				bits -= uint(e & 63)
				out[w] = byte(e >> 16)
				w++
				if bits < litBits {
					b |= le.Uint64(in[at:]) << (bits & 63)
					at += int((63 - bits) >> 3)
					bits |= 56
					e = t.lit[b&(1<<litBits-1)]
					continue loop
				}
				if e = t.lit[b&(1<<litBits-1)]; e&literal == 0 {
					break
				}
			}
			b |= le.Uint64(in[at:]) << (bits & 63)
			at += int((63 - bits) >> 3)
			bits |= 56
		}
		if e&special != 0 {
			if e&link != 0 {
				b >>= litBits
				bits -= litBits
				e = t.lit[(uint64(e>>16)+b&(1<<(e>>8&15)-1))%uint64(len(t.lit))]
			}
			switch {
			case e&literal != 0:
				b >>= e & 63
				bits -= uint(e & 63)
				out[w] = byte(e >> 16)
				w++
				b |= le.Uint64(in[at:]) << (bits & 63)
				at += int((63 - bits) >> 3)
				bits |= 56
				e = t.lit[b&(1<<litBits-1)]
				continue
			case e&end != 0:
				b >>= e & 63
				bits -= uint(e & 63)
				done = true
				break loop
			case e&special != 0:
				wrong = meaningless
				break loop
			}
		}
		length := int(e>>16) + int(b&(1<<(e&63)-1)>>(e>>8&15))
		b >>= e & 63
		bits -= uint(e & 63)

		e = t.dist[b&(1<<distBits-1)]
		if e&link != 0 {
			b >>= distBits
			bits -= distBits
			e = t.dist[(uint64(e>>16)+b&(1<<(e>>8&15)-1))%uint64(len(t.dist))]
		}
		if e&special != 0 {
			wrong = meaningless
			break
		}
		dist := int(e>>16) + int(b&(1<<(e&63)-1)>>(e>>8&15))
		b >>= e & 63
		bits -= uint(e & 63)

		from, stop := w-dist, w+length
		if from < 0 {
			wrong = beforeBeginning
			break
		}
		b |= le.Uint64(in[at:]) << (bits & 63)
		at += int((63 - bits) >> 3)
		bits |= 56
		e = t.lit[b&(1<<litBits-1)]
		if dist < 8 { // its words overlap
			for w < stop {
				out[w] = out[from]
				w++
				from++
			}
			continue
		}
		le.PutUint64(out[w:], le.Uint64(out[from:]))
		le.PutUint64(out[w+8:], le.Uint64(out[from+8:]))
		for w += 16; w < stop; w += 16 {
			from += 16
			le.PutUint64(out[w:], le.Uint64(out[from:]))
			le.PutUint64(out[w+8:], le.Uint64(out[from+8:]))
		}
		w = stop
	}
	d.at, d.have, d.bits, d.end = at, b, bits, w
	d.unload()
	if wrong != "" {
		err = d.corrupt(wrong)
	}
	return done, err
}

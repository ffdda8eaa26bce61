package inflate

import (
	"bufio"
	"encoding/binary"
	"io"
)

// input is the stream's bits. It looks at what r has and takes it only when it is done with it, so that whole bytes
// which nobody asked for can be given back.
//
// Between symbols, the whole bytes in have are always among in[:at]: bytes beyond those that a symbol needs are only
// loaded where they are there already.
type input struct {
	r      *bufio.Reader
	in     []byte // what r holds
	at     int    // in[:at] was loaded
	have   uint64 // bits that were loaded and not used, the next one lowest; above them zeros
	bits   uint   // how many
	before int64  // bytes of the stream taken from r
}

// load loads bits that need no waiting for, if that is simple.
func (i *input) load() {
	if i.bits < 32 && len(i.in)-i.at >= 4 {
		i.have |= uint64(binary.LittleEndian.Uint32(i.in[i.at:])) << i.bits
		i.at += 4
		i.bits += 32
	}
}

// need waits until there are n bits, at most 32. It must be called only for bits that the stream has if it is good.
func (i *input) need(n uint) error {
	for i.bits < n {
		if i.at == len(i.in) {
			if err := i.next(); err != nil {
				return err
			}
		}
		i.have |= uint64(i.in[i.at]) << i.bits
		i.at++
		i.bits += 8
	}
	return nil
}

// next takes from r what was loaded and looks at what comes then.
func (i *input) next() error {
	i.discard()
	if _, err := i.r.Peek(1); err != nil {
		return unexpected(err)
	}
	i.in, _ = i.r.Peek(i.r.Buffered())
	return nil
}

func (i *input) discard() {
	_, _ = i.r.Discard(i.at) // they are there
	i.before += int64(i.at)
	i.in, i.at = nil, 0
}

// take returns the next n bits, which must be there.
func (i *input) take(n uint) uint {
	v := uint(i.have & (1<<n - 1))
	i.have >>= n
	i.bits -= n
	return v
}

// unload gives back the whole bytes that were loaded too many.
func (i *input) unload() {
	i.at -= int(i.bits >> 3)
	i.bits &= 7
	i.have &= 1<<i.bits - 1
}

// release leaves r behind the last byte of which a bit was used.
func (i *input) release() {
	i.at -= min(int(i.bits>>3), i.at) // after an error some may be gone
	i.have, i.bits = 0, 0
	i.discard()
}

func (i *input) corrupt(reason string) error {
	return &CorruptError{i.before + int64(i.at) - int64(i.bits>>3), reason}
}

// unexpected is for err where more bytes must come. It compares: an error that wraps io.EOF is trouble, not the end.
func unexpected(err error) error {
	if err == io.EOF { //nolint:errorlint // see above
		return io.ErrUnexpectedEOF
	}
	return err
}

// Package inflate decodes the DEFLATE format (RFC 1951) as compress/flate does, at more than twice its speed, by writing
// what it decodes where Go's readers hand it out piece by piece: one call decodes one stream. It accepts and refuses
// what compress/flate accepts and refuses.
//
// It does not compress, knows no preset dictionaries and no formats around DEFLATE (gzip, zlib, zip), and cannot stop
// in the middle of a stream and go on later.
package inflate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// ErrTooLong is the error of a stream that decodes to more bytes than were allowed.
var ErrTooLong = errors.New("deflate data: decodes to more bytes than allowed")

// A CorruptError is the error of bytes that are no DEFLATE stream.
type CorruptError struct {
	Offset int64 // of the stream's first byte behind what was judged
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("deflate data: corrupt before byte %d: %s", e.Offset, e.Reason)
}

const (
	window = 32 << 10 // the farthest that a match reaches back
	chunk  = 32 << 10 // what is handed out at once, about: it is still in the cache then
	match  = 258      // the longest match
	slack  = 384      // what is decoded past a chunk at most: many's literals of 1 bit each, a match, whole words
	size   = 3*window + slack
)

// A Decoder decodes one stream after the other. It holds about 140 KiB, whatever the streams are. It is for one
// goroutine at a time.
type Decoder struct {
	input
	out    [size]byte // what was decoded: at least the last window
	end    int        // of what was decoded in out
	handed int        // out[:handed] was handed out

	w       io.Writer
	written int64 // bytes handed out of this stream
	most    int64

	meanings meanings
	lengths  [maxLit + maxDist]uint8 // of a block's codes
	symbols  [128]entry              // of the lengths' own code
	dynamic  tables
	fixed    tables
}

// tables are what a block is decoded with. They have places for any code: with links from 2048 and 256 places, codes of
// 288 and 32 symbols need 2342 and 402 at most.
type tables struct {
	lit  [4096]entry // literals and lengths
	dist [512]entry
}

// NewDecoder returns a Decoder.
func NewDecoder() *Decoder {
	d := &Decoder{meanings: newMeanings()}
	lit, dist := fixedLengths()
	build(d.fixed.lit[:], litBits, lit[:], d.meanings.lit[:])
	build(d.fixed.dist[:], distBits, dist[:], d.meanings.dist[:])
	return d
}

// Decode decodes the stream that r is at, writes it to w in pieces of about 32 KiB, and returns how many bytes it wrote.
// Of r it takes the stream's bytes and, where the error is nil, not one more; it waits for none that it can do without.
// An end before the stream's own is [io.ErrUnexpectedEOF], any other error of r or w is returned as it is; a stream of
// more than most bytes is [ErrTooLong], of which w gets no more than most; what is no stream is a [*CorruptError]. After
// an error w has had some part of the stream, and where r stands is undefined.
func (d *Decoder) Decode(w io.Writer, r *bufio.Reader, most int64) (int64, error) {
	d.input = input{r: r}
	d.w, d.most, d.written = w, most, 0
	d.end, d.handed = 0, 0
	err := d.blocks()
	d.release()
	d.input, d.w = input{}, nil
	return d.written, err
}

func (d *Decoder) blocks() error {
	for {
		if err := d.need(3); err != nil {
			return err
		}
		last, kind := d.take(1) == 1, d.take(2)
		if err := d.block(kind); err != nil {
			return err
		}
		if last {
			return d.handOut()
		}
	}
}

func (d *Decoder) block(kind uint) error {
	switch kind {
	case 0:
		return d.stored()
	case 1:
		return d.coded(&d.fixed)
	case 2:
		if err := d.readCodes(); err != nil {
			return err
		}
		return d.coded(&d.dynamic)
	}
	return d.corrupt("a block of a kind that does not exist")
}

// stored copies a block that is not compressed.
func (d *Decoder) stored() error {
	d.take(d.bits & 7)
	if err := d.need(32); err != nil {
		return err
	}
	n, inverse := int(d.take(16)), int(d.take(16))
	if n != inverse^0xffff {
		return d.corrupt("the two lengths of a stored block differ")
	}
	d.release()
	for n > 0 {
		if err := d.makeRoom(); err != nil {
			return err
		}
		got, err := io.ReadFull(d.r, d.out[d.end:][:min(n, d.room())])
		d.end += got
		d.before += int64(got)
		n -= got
		if err != nil {
			return unexpected(err)
		}
	}
	return nil
}

// coded decodes a block: by the fast loop where input and room are ample, else symbol by symbol.
func (d *Decoder) coded(t *tables) error {
	for {
		if err := d.makeRoom(); err != nil {
			return err
		}
		var done bool
		var err error
		if len(d.in)-d.at >= ample {
			done, err = d.many(t)
		} else {
			done, err = d.one(t)
		}
		if done || err != nil {
			return err
		}
	}
}

// room is how much may be decoded before makeRoom must be called again. A match that begins within it may end outside.
func (d *Decoder) room() int { return d.handed + chunk - d.end }

func (d *Decoder) makeRoom() error {
	if d.room() > 0 {
		return nil
	}
	if err := d.handOut(); err != nil {
		return err
	}
	if d.end+chunk+slack > size {
		copy(d.out[:window], d.out[d.end-window:d.end])
		d.end, d.handed = window, window
	}
	return nil
}

func (d *Decoder) handOut() error {
	b := d.out[d.handed:d.end]
	if int64(len(b)) > d.most-d.written {
		return ErrTooLong
	}
	d.handed = d.end
	n, err := d.w.Write(b)
	d.written += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

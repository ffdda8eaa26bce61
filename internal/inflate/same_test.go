package inflate

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// result is what a decoder made of some bytes.
type result struct {
	out  []byte
	used int
	err  error
}

func decodeStd(b []byte) result {
	r := bytes.NewReader(b)
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(r), most+1))
	return result{out, len(b) - r.Len(), err}
}

func decode(d *Decoder, b []byte, size int, pieces func(io.Reader) io.Reader) result {
	rest := bytes.NewReader(b)
	r := bufio.NewReaderSize(pieces(rest), size)
	var out bytes.Buffer
	_, err := d.Decode(&out, r, most)
	return result{out.Bytes(), len(b) - rest.Len() - r.Buffered(), err}
}

func whole(r io.Reader) io.Reader { return r }

// wantSame decodes b as compress/flate does, and in pieces, and compares. One thing may differ: where b ends too early
// and is corrupt as well, compress/flate may call it the one and this package the other.
func wantSame(t *testing.T, d *Decoder, b []byte) {
	t.Helper()
	want := decodeStd(b)
	got := decode(d, b, 4096, whole)
	if len(want.out) > most {
		if !errors.Is(got.err, ErrTooLong) {
			t.Errorf("%d bytes, %v, want %v", len(got.out), got.err, ErrTooLong)
		}
		return
	}
	if (got.err == nil) != (want.err == nil) {
		t.Fatalf("error %v, compress/flate says %v\n%x", got.err, want.err, b)
	}
	if got.err == io.ErrUnexpectedEOF && want.err != io.ErrUnexpectedEOF {
		t.Errorf("error %v, compress/flate says %v\n%x", got.err, want.err, b)
	}
	if got.err == nil && (got.used != want.used || !bytes.Equal(got.out, want.out)) {
		t.Errorf("%d bytes of %d, compress/flate says %d of %d\n%x", len(got.out), got.used, len(want.out), want.used, b)
	}
	if n := min(len(got.out), len(want.out)); !bytes.Equal(got.out[:n], want.out[:n]) {
		t.Errorf("%d bytes before the error differ from compress/flate's %d\n%x", len(got.out), len(want.out), b)
	}
	var corrupt *CorruptError
	if errors.As(got.err, &corrupt) && (corrupt.Offset < 0 || corrupt.Offset > int64(len(b))) {
		t.Errorf("corrupt before byte %d of %d", corrupt.Offset, len(b))
	}
	for _, size := range []int{16, 50} {
		wantEqual(t, decode(d, b, size, whole), got)
	}
	wantEqual(t, decode(d, b, 4096, iotest.OneByteReader), got)
}

// wantEqual: how the bytes come makes no difference, not even to the error's text.
func wantEqual(t *testing.T, got, want result) {
	t.Helper()
	if (got.err == nil) != (want.err == nil) || got.err != nil && got.err.Error() != want.err.Error() {
		t.Errorf("in pieces: error %v, at once: %v", got.err, want.err)
	}
	if got.err == nil && (!bytes.Equal(got.out, want.out) || got.used != want.used) {
		t.Errorf("in pieces: %d bytes of %d, at once: %d of %d", len(got.out), got.used, len(want.out), want.used)
	}
}

// samples are streams that a writer makes, and some that none does.
func samples(t testing.TB) [][]byte {
	text := sources(t, "inflate.go")[0]
	var all [][]byte
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression} {
		for _, n := range []int{0, 10, 200, 3000} {
			all = append(all, deflate(t, text[:min(n, len(text))], level))
		}
	}
	all = append(all, deflate(t, make([]byte, 33_000), flate.BestCompression))
	for _, b := range written() {
		all = append(all, b.bytes())
	}
	return append(all, []byte{0xb4, 0, 0xb4, 0x25}) // begins with a repeat, and is cut off there
}

// bitWriter writes streams by hand.
type bitWriter struct{ bits []byte }

// put writes the n lowest bits of v, the lowest first, as numbers are written.
func (w *bitWriter) put(v, n int) *bitWriter {
	for i := range n {
		w.bits = append(w.bits, byte(v>>i&1))
	}
	return w
}

// symbol writes a symbol's bits as one reads them.
func (w *bitWriter) symbol(s string) *bitWriter {
	for _, c := range s {
		w.bits = append(w.bits, byte(c-'0'))
	}
	return w
}

func (w *bitWriter) bytes() []byte {
	b := make([]byte, (len(w.bits)+7)/8)
	for i, bit := range w.bits {
		b[i/8] |= bit << (i % 8)
	}
	return b
}

// fixed begins the last block, with the fixed codes.
func fixed() *bitWriter { return new(bitWriter).put(1, 1).put(1, 2) }

// dynamic begins the last block and writes the lengths of its codes: each in 4 bits, which are the code of the
// symbols 0 to 15.
func dynamic(lits map[int]int, dists ...int) *bitWriter {
	w := new(bitWriter).put(1, 1).put(2, 2).put(286-257, 5).put(len(dists)-1, 5).put(19-4, 4)
	for i := range len(order) {
		if order[i] < 16 {
			w.put(4, 3)
		} else {
			w.put(0, 3)
		}
	}
	length := func(n int) {
		for i := 3; i >= 0; i-- {
			w.put(n>>i, 1)
		}
	}
	for s := range 286 {
		length(lits[s])
	}
	for _, n := range dists {
		length(n)
	}
	return w
}

// written are streams of which most are corrupt or unusual.
func written() map[string]*bitWriter {
	const stop = "0000000" // fixed
	return map[string]*bitWriter{
		"nothing":                        fixed().symbol(stop),
		"a kind that does not exist":     new(bitWriter).put(7, 3),
		"fixed 286":                      fixed().symbol("11000110" + stop),
		"fixed 287":                      fixed().symbol("11000111" + stop),
		"a distance before all":          fixed().symbol("0000001" + "00000" + stop),
		"a distance of one":              fixed().symbol("00110000" + "0000001" + "00000" + stop),
		"fixed distance 30":              fixed().symbol("00110000" + "0000001" + "11110" + stop),
		"fixed distance 31":              fixed().symbol("00110000" + "0000001" + "11111" + stop),
		"the end alone":                  dynamic(map[int]int{256: 1}, 0).symbol("0"),
		"what is not the end alone":      dynamic(map[int]int{256: 1}, 0).symbol("1"),
		"the end alone, of two bits":     dynamic(map[int]int{256: 2}, 0).symbol("00"),
		"no symbols":                     dynamic(nil, 0).symbol("0000"),
		"no end":                         dynamic(map[int]int{'a': 1, 'b': 1}, 0).symbol("01100101"),
		"one distance":                   dynamic(map[int]int{'a': 1, 256: 2, 257: 2}, 1).symbol("0" + "11" + "0" + "11" + "0" + "10"),
		"not the one distance":           dynamic(map[int]int{'a': 1, 256: 2, 257: 2}, 1).symbol("0" + "11" + "1" + "10"),
		"one distance of two bits":       dynamic(map[int]int{'a': 1, 256: 2, 257: 2}, 2).symbol("0" + "11" + "00" + "10"),
		"no distance":                    dynamic(map[int]int{'a': 1, 256: 2, 257: 2}, 0).symbol("0" + "11" + "0" + "10"),
		"no distance, unused":            dynamic(map[int]int{'a': 1, 256: 2, 257: 2}, 0).symbol("0" + "0" + "10"),
		"distances too many":             dynamic(map[int]int{'a': 1, 256: 1}, 1, 1, 1).symbol("01"),
		"distances too few":              dynamic(map[int]int{'a': 1, 256: 1}, 2, 2, 2).symbol("01"),
		"symbols too many":               dynamic(map[int]int{'a': 1, 'b': 1, 256: 1}, 0).symbol("01"),
		"symbols too few":                dynamic(map[int]int{'a': 2, 'b': 2, 256: 2}, 0).symbol("0001"),
		"31 distances":                   dynamic(map[int]int{'a': 1, 256: 1}, make([]int, 31)...).symbol("01"),
		"32 distances":                   dynamic(map[int]int{'a': 1, 256: 1}, make([]int, 32)...).symbol("01"),
		"symbols of all lengths":         staircase(),
		"symbols of all lengths, padded": staircase().put(0, 400), // for the fast loop
	}
}

// staircase is a block with symbols of 1 to 15 bits, and distances of 1 to 15 bits.
func staircase() *bitWriter {
	lits, dists := map[int]int{256: 14, 257: 15, 285: 15}, []int{}
	for n := 1; n < 14; n++ {
		lits['a'+n] = n
	}
	for n := 1; n < 15; n++ {
		dists = append(dists, n)
	}
	w := dynamic(lits, append(dists, 15, 15)...)
	w.symbol("0" + "10" + "110" + "1111111111110")                                          // bcdn
	w.symbol("111111111111110" + "0")                                                       // 3 at a distance of 1
	w.symbol("111111111111111" + "1110")                                                    // 258 at 4
	w.symbol("111111111111111"+"111111111111110").put(10, 6)                                // 258 at 129+10, as 14 has 6 extra bits
	return w.symbol("111111111111110"+"111111111111111").put(3, 6).symbol("11111111111110") // 3 at 193+3
}

// TestWritten says which of the streams are good, so that the tests against compress/flate are about what they say.
func TestWritten(t *testing.T) {
	t.Parallel()
	stairs := "bcdn" + "nnn" + strings.Repeat("nnnn", 65)[:258]
	stairs += strings.Repeat("n", 258) + "nnn"
	good := map[string]string{
		"nothing": "", "a distance of one": "\x00\x00\x00\x00", "the end alone": "", "one distance": "aaaaaaa",
		"no distance, unused": "aa", "symbols of all lengths": stairs, "symbols of all lengths, padded": stairs,
	}
	for name, w := range written() {
		want, ok := good[name]
		got := decode(NewDecoder(), w.bytes(), 4096, whole)
		if (got.err == nil) != ok || ok && string(got.out) != want {
			t.Errorf("%s: %q, %v", name, got.out, got.err)
		}
	}
}

func TestSameAsStd(t *testing.T) {
	t.Parallel()
	d := NewDecoder()
	for _, b := range samples(t) {
		wantSame(t, d, b)
		wantSame(t, d, append(bytes.Clone(b), "what comes behind, and is no part of it"...))
		for n := range min(len(b), 60) {
			wantSame(t, d, b[:n])
		}
	}
}

// TestFlippedBits: each bit of how streams begin.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	d := NewDecoder()
	for _, b := range samples(t) {
		b = append(b[:min(len(b), 50)], make([]byte, 20)...)
		for i := range len(b) * 8 {
			b[i/8] ^= 1 << (i % 8)
			wantSame(t, d, b)
			b[i/8] ^= 1 << (i % 8)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	d := NewDecoder()
	f.Fuzz(func(t *testing.T, b []byte) { wantSame(t, d, b) })
}

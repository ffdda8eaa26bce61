package inflate

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

const most = 1 << 20 // bytes that a stream of these tests may decode to

// sources are Go files: this module's own, of a pattern.
func sources(t testing.TB, pattern string) [][]byte {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%d source files, %v", len(names), err)
	}
	var all [][]byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func deflate(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func random(n int, seed uint64) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed)})
	b := make([]byte, n)
	r.Read(b)
	return b
}

// contents are what is hard on a decoder: nothing to compress, much to compress, matches as far back as can be.
func contents() map[string][]byte {
	far := random(32768, 1)
	short := random(2000, 2)
	skewed := make([]byte, 100_000) // symbols of very different lengths
	for i, r := 0, rand.New(rand.NewPCG(3, 3)); i < len(skewed); i++ {
		skewed[i] = byte(r.ExpFloat64() * 12)
	}
	few := make([]byte, 100_000) // matches with small distances
	for i, r := 0, rand.New(rand.NewPCG(4, 4)); i < len(few); i++ {
		few[i] = "ab"[r.IntN(40)/39]
	}
	return map[string][]byte{
		"empty":           nil,
		"one byte":        {7},
		"random":          random(70_000, 5),
		"zeros":           make([]byte, 200_000),
		"a window again":  bytes.Repeat(far, 4),
		"less than one":   bytes.Repeat(far[:32767], 3),
		"short periods":   bytes.Repeat(short, 100),
		"tabs":            []byte(strings.Repeat("\t\t\treturn nil\n\t\t}\n", 5000)),
		"skewed":          skewed,
		"few":             few,
		"a chunk":         bytes.Repeat([]byte("0123456789abcdef"), chunk/16),
		"a chunk and one": append(bytes.Repeat([]byte("0123456789abcdef"), chunk/16), 1),
	}
}

func levels(t *testing.T, f func(t *testing.T, level int)) {
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, 3, flate.DefaultCompression, flate.BestCompression} {
		t.Run(strconv.Itoa(level), func(t *testing.T) { f(t, level) })
	}
}

// wantDecoded decodes one stream after the other from r, which must end just behind the last one.
func wantDecoded(t *testing.T, r *bufio.Reader, want ...[]byte) {
	t.Helper()
	d := NewDecoder()
	for i, want := range want {
		var got bytes.Buffer
		if n, err := d.Decode(&got, r, int64(len(want))); err != nil || n != int64(len(want)) || !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("stream %d of %d bytes: got %d, %v", i, len(want), n, err)
		}
	}
	if n, err := io.Copy(io.Discard, r); n != 0 || err != nil {
		t.Errorf("%d bytes left, %v", n, err)
	}
}

func TestDecodeSources(t *testing.T) {
	t.Parallel()
	files := sources(t, "../goproxy/*.go")
	levels(t, func(t *testing.T, level int) {
		var in []byte
		for _, b := range files {
			in = append(in, deflate(t, b, level)...)
		}
		wantDecoded(t, bufio.NewReaderSize(bytes.NewReader(in), 64<<10), files...)
		wantDecoded(t, bufio.NewReaderSize(iotest.HalfReader(bytes.NewReader(in)), 100), files...)
	})
}

func TestDecodeContents(t *testing.T) {
	t.Parallel()
	for name, b := range contents() {
		t.Run(name, func(t *testing.T) {
			levels(t, func(t *testing.T, level int) {
				in := deflate(t, b, level)
				wantDecoded(t, bufio.NewReader(bytes.NewReader(in)), b)
				wantDecoded(t, bufio.NewReaderSize(bytes.NewReader(in), 16), b)
				wantDecoded(t, bufio.NewReader(iotest.OneByteReader(bytes.NewReader(in))), b)
				wantDecoded(t, bufio.NewReader(iotest.DataErrReader(bytes.NewReader(in))), b)
			})
		})
	}
}

// TestDecodeStoredPieces: stored blocks of all small sizes among others, as a writer makes that flushes often.
func TestDecodeStoredPieces(t *testing.T) {
	t.Parallel()
	var in, want bytes.Buffer
	w, err := flate.NewWriter(&in, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		b := random(i%40, uint64(i))
		if i%3 == 0 {
			b = bytes.Repeat([]byte("text "), i)
		}
		want.Write(b)
		w.Write(b)
		w.Flush()
	}
	w.Close()
	wantDecoded(t, bufio.NewReader(bytes.NewReader(in.Bytes())), want.Bytes())
	wantDecoded(t, bufio.NewReader(iotest.OneByteReader(bytes.NewReader(in.Bytes()))), want.Bytes())
}

var errTrouble = errors.New("trouble, not " + io.EOF.Error())

// TestDecodeAsksForNoMore: behind a stream nothing is read, for what comes there may take its time.
func TestDecodeAsksForNoMore(t *testing.T) {
	t.Parallel()
	d := NewDecoder()
	for name, b := range contents() {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.DefaultCompression} {
			in := deflate(t, b, level)
			for _, pieces := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader} {
				r := bufio.NewReader(io.MultiReader(pieces(bytes.NewReader(in)), iotest.ErrReader(errTrouble)))
				if _, err := d.Decode(io.Discard, r, most); err != nil {
					t.Errorf("%s, level %d: %v", name, level, err)
				}
				if _, err := r.ReadByte(); err != errTrouble {
					t.Errorf("%s, level %d: behind the stream: %v", name, level, err)
				}
			}
		}
	}
}

func TestDecodeTruncated(t *testing.T) {
	t.Parallel()
	text := sources(t, "inflate.go")[0]
	d := NewDecoder()
	levels(t, func(t *testing.T, level int) {
		in := deflate(t, text[:min(len(text), 1500)], level)
		for n := range in {
			if _, err := d.Decode(io.Discard, bufio.NewReader(bytes.NewReader(in[:n])), most); err != io.ErrUnexpectedEOF {
				t.Errorf("%d bytes of %d: %v", n, len(in), err)
			}
			r := io.MultiReader(bytes.NewReader(in[:n]), iotest.ErrReader(errTrouble))
			if _, err := d.Decode(io.Discard, bufio.NewReader(r), most); err != errTrouble {
				t.Errorf("%d bytes of %d and trouble: %v", n, len(in), err)
			}
		}
	})
}

func TestDecodeTooLong(t *testing.T) {
	t.Parallel()
	for _, level := range []int{flate.NoCompression, flate.BestCompression} {
		for _, size := range []int64{1, chunk - 1, chunk, chunk + 1, 500_000} {
			in := deflate(t, make([]byte, size), level)
			for _, most := range []int64{0, 1, chunk - 1, chunk, size - 1, size} {
				var got bytes.Buffer
				n, err := NewDecoder().Decode(&got, bufio.NewReader(bytes.NewReader(in)), most)
				if (err == ErrTooLong) != (most < size) || n > most || n != int64(got.Len()) {
					t.Errorf("%d bytes of which %d may be: %d, %v", size, most, n, err)
				}
			}
		}
	}
}

// limited is a Writer that takes some bytes and then fails as err says.
type limited struct {
	left int
	err  error
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	if l.left -= n; n < len(b) {
		return n, l.err
	}
	return n, nil
}

func TestDecodeWriteError(t *testing.T) {
	t.Parallel()
	in := deflate(t, random(100_000, 1), flate.DefaultCompression)
	for give, want := range map[error]error{errTrouble: errTrouble, nil: io.ErrShortWrite} {
		for _, n := range []int{0, 5, 70_000} {
			got, err := NewDecoder().Decode(&limited{n, give}, bufio.NewReader(bytes.NewReader(in)), most)
			if got != int64(n) || err != want {
				t.Errorf("a writer of %d bytes: %d, %v", n, got, err)
			}
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	in := deflate(t, sources(t, "inflate.go")[0], flate.DefaultCompression)
	src := bytes.NewReader(in)
	r, d := bufio.NewReader(src), NewDecoder()
	if n := testing.AllocsPerRun(10, func() {
		src.Reset(in)
		r.Reset(src)
		if _, err := d.Decode(io.Discard, r, most); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

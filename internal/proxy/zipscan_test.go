package proxy

import (
	"archive/zip"
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/mod/sumdb/dirhash"
)

// makeZip returns a zip with the named files, some stored, some deflated.
func makeZip(t testing.TB, files map[string][]byte, order ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for i, name := range order {
		method := zip.Deflate
		if i%3 == 2 {
			method = zip.Store
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefgh\n"[r.IntN(9)]
	}
	return b
}

// hashZip is the reference: x/mod's own function on a file.
func hashZip(t testing.TB, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := dirhash.HashZip(name, dirhash.Hash1)
	if err != nil {
		return "error"
	}
	return h
}

func TestScanZipHashesAsDirhashDoes(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{
		"m@v1.0.0/z.go":   noise(300_000, 1),
		"m@v1.0.0/a.go":   noise(10, 2),
		"m@v1.0.0/empty":  nil,
		"m@v1.0.0/b/b.go": noise(70_000, 3),
	}
	deflated := makeZip(t, files, "m@v1.0.0/z.go", "m@v1.0.0/a.go")
	tests := []struct {
		name  string
		zip   []byte
		usual bool
	}{
		{"deflated with descriptors", deflated, true},
		{"a stored entry with descriptor cannot be told from the front", makeZip(t, files, "m@v1.0.0/z.go", "m@v1.0.0/a.go", "m@v1.0.0/b/b.go"), false},
		{"empty", makeZip(t, nil), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var last int64
			scan, err := scanZip(iotest.OneByteReader(bytes.NewReader(test.zip)), maxUnpacked, func(n int64) {
				if n <= last {
					t.Errorf("safe(%d) after safe(%d)", n, last)
				}
				last = n
			})
			if err != nil {
				t.Fatal(err)
			}
			z, err := zip.NewReader(bytes.NewReader(test.zip), int64(len(test.zip)))
			if err != nil {
				t.Fatal(err)
			}
			if got := scan.agrees(z); got != test.usual {
				t.Errorf("agrees = %v, want %v", got, test.usual)
			}
			if got, err := scan.h1(z); err != nil || got != hashZip(t, test.zip) {
				t.Errorf("h1 = %s, %v, want %s", got, err, hashZip(t, test.zip))
			}
			if last >= int64(len(test.zip)) {
				t.Errorf("safe up to %d of %d: the central directory must be held back", last, len(test.zip))
			}
		})
	}
}

func TestScanZipStopsAtABadEntry(t *testing.T) {
	files := map[string][]byte{"m@v1.0.0/a.go": noise(50_000, 1), "m@v1.0.0/b.go": noise(50_000, 2)}
	good := makeZip(t, files, "m@v1.0.0/a.go", "m@v1.0.0/b.go")
	bad := bytes.Clone(good)
	bad[len(bad)/2+2000] ^= 1 // in the second entry
	var goodTo, badTo int64
	if _, err := scanZip(bytes.NewReader(good), maxUnpacked, func(n int64) { goodTo = n }); err != nil {
		t.Fatal(err)
	}
	scan, err := scanZip(bytes.NewReader(bad), maxUnpacked, func(n int64) { badTo = n })
	if err != nil {
		t.Fatal(err)
	}
	if badTo >= goodTo || badTo == 0 || badTo > int64(len(bad)/2+2000) {
		t.Errorf("safe up to %d with a flipped bit at %d, up to %d without", badTo, len(bad)/2+2000, goodTo)
	}
	if scan.usual {
		t.Error("a zip with a flipped bit was taken for whole")
	}
}

// A zip whose directory names other bytes than its front has must be judged by the directory.
func TestScanZipDirectoryDisagrees(t *testing.T) {
	files := map[string][]byte{"m@v1.0.0/a.go": []byte("one"), "m@v1.0.0/b.go": []byte("two")}
	z := makeZip(t, files, "m@v1.0.0/a.go", "m@v1.0.0/b.go")
	at := bytes.LastIndex(z, []byte("m@v1.0.0/b.go"))
	z[at+len("m@v1.0.0/")] = 'c' // renamed in the directory alone
	scan, err := scanZip(bytes.NewReader(z), maxUnpacked, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(z), int64(len(z)))
	if err != nil {
		t.Fatal(err)
	}
	if scan.agrees(r) {
		t.Error("agrees, though the directory names another file")
	}
	if got, err := scan.h1(r); err != nil || got != hashZip(t, z) {
		t.Errorf("h1 = %s, %v, want the directory's %s", got, err, hashZip(t, z))
	}
}

func TestScanZipPassesReadErrorsOn(t *testing.T) {
	z := makeZip(t, map[string][]byte{"m@v1.0.0/a.go": noise(50_000, 1)}, "m@v1.0.0/a.go")
	for _, n := range []int{0, 3, 20, 40, 1000, len(z) - 5} {
		_, err := scanZip(io.MultiReader(bytes.NewReader(z[:n]), iotest.ErrReader(errRestarted)), maxUnpacked, func(int64) {})
		if err != errRestarted {
			t.Errorf("after %d bytes: error %v, want %v", n, err, errRestarted)
		}
	}
}

func FuzzScanZip(f *testing.F) {
	f.Add(makeZip(f, map[string][]byte{"m@v1.0.0/a.go": []byte("package a")}, "m@v1.0.0/a.go"))
	f.Add(makeZip(f, nil))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		scan, err := scanZip(bytes.NewReader(b), maxUnpacked, func(n int64) {
			if n > int64(len(b)) {
				t.Fatalf("safe(%d) of %d bytes", n, len(b))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		got, err := scan.h1(z)
		if err != nil {
			got = "error"
		}
		if want := hashZip(t, b); got != want {
			t.Errorf("h1 = %s, dirhash says %s", got, want)
		}
	})
}

// TestScannersServeAgain: what a scan that failed leaves behind does not show in the next one.
func TestScannersServeAgain(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{"m@v1.0.0/a.go": noise(50_000, 1), "m@v1.0.0/b.go": noise(50_000, 2)}
	good := makeZip(t, files, "m@v1.0.0/a.go", "m@v1.0.0/b.go")
	want, err := scanZip(bytes.NewReader(good), maxUnpacked, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	var p scanners
	for _, n := range []int{0, 20, 1000, len(good) / 2, len(good) - 30, len(good)} {
		flipped := bytes.Clone(good)
		flipped[n%len(good)] ^= 4
		p.scan(io.MultiReader(bytes.NewReader(good[:n]), iotest.ErrReader(errRestarted)), maxUnpacked, func(int64) {})
		p.scan(bytes.NewReader(flipped), maxUnpacked, func(int64) {})
		p.scan(bytes.NewReader(good), 60_000, func(int64) {})
		got, err := p.scan(bytes.NewReader(good), maxUnpacked, func(int64) {})
		if err != nil || !got.usual || got.crc != want.crc || !slices.Equal(got.entries, want.entries) {
			t.Errorf("after %d bytes: %v, %v, want %v", n, got, err, want)
		}
	}
}

// TestOneBit: of a zip with one bit flipped, whichever, either something is found wrong or its hash is the same as before.
func TestOneBit(t *testing.T) {
	z := makeZip(t, map[string][]byte{"m@v1.0.0/a.go": []byte(strings.Repeat("package a\n", 9)), "m@v1.0.0/go.mod": []byte("module m\n")}, "m@v1.0.0/a.go", "m@v1.0.0/go.mod")
	want := hashZip(t, z)
	for i := range 8 * len(z) {
		bad := bytes.Clone(z)
		bad[i/8] ^= 1 << (i % 8)
		scan, err := scanZip(bytes.NewReader(bad), maxUnpacked, func(int64) {})
		if err != nil {
			t.Fatal(err)
		}
		r, err := zip.NewReader(bytes.NewReader(bad), int64(len(bad)))
		if err != nil {
			continue
		}
		h1, err := scan.h1(r)
		if err == nil && scan.contradicts(r) == "" && h1 != want {
			t.Errorf("bit %d of byte %d: taken with the hash %s", i%8, i/8, h1)
		}
	}
}

// heads counts reads of local headers.
type heads struct {
	io.ReaderAt
	n int
}

func (h *heads) ReadAt(b []byte, off int64) (int, error) {
	if len(b) == headSize {
		h.n++
	}
	return h.ReaderAt.ReadAt(b, off)
}

// TestHeadersAreReadOnce: an entry is where the directory says as the scan saw it, and the file is not read for that again; of a
// zip that nobody scanned it is.
func TestHeadersAreReadOnce(t *testing.T) {
	b := filler(100_000)(theZip)
	s, err := scanZip(bytes.NewReader(b), maxUnpacked, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	want, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, scan := range []*zipScan{s, {}} {
		src := &heads{ReaderAt: bytes.NewReader(b)}
		z, err := zip.NewReader(scan.reader(src), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		before := src.n
		for i, f := range z.File {
			got, err := f.DataOffset()
			if wanted, _ := want.File[i].DataOffset(); err != nil || got != wanted {
				t.Errorf("%s is at %d, %v, want %d", f.Name, got, err, wanted)
			}
		}
		if n := src.n - before; n != len(z.File)-len(scan.entries) {
			t.Errorf("%d headers of %d were read again, %d are known", n, len(z.File), len(scan.entries))
		}
	}
}

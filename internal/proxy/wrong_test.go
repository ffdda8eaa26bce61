package proxy

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// wantRefused serves b as f with a verifier that may be nil: no client may get an answer that ends well, nothing may
// be stored, and the error must be a *Wrong, which it returns.
func wantRefused(t *testing.T, f goproxy.File, b []byte, v Verifier) *goproxy.Wrong {
	t.Helper()
	return wantSendRefused(t, f, v, func(ctx context.Context, dst goproxy.Sink) (goproxy.Meta, error) {
		return send(ctx, b, dst)
	})
}

func wantSendRefused(t *testing.T, f goproxy.File, v Verifier, send func(context.Context, goproxy.Sink) (goproxy.Meta, error)) *goproxy.Wrong {
	t.Helper()
	up := &fake{t: t, fetch: func(ctx context.Context, _ goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
		return send(ctx, dst)
	}}
	var heard events
	s := newService(t, Options{Fetcher: up, Verifier: v, Recorder: &heard})
	first := ask(t, s, f)
	second := ask(t, s, f)
	var wrong *goproxy.Wrong
	for _, c := range []*asking{first, second} {
		<-c.done
		if c.err == nil || errors.Is(c.err, io.EOF) {
			t.Errorf("a client was given %d bytes, well ended", len(c.b))
		} else if !errors.As(c.err, &wrong) {
			t.Errorf("a client got %v, want a *Wrong", c.err)
		}
	}
	settle(t, s)
	wantStored(t, s.o.Store, f, nil)
	if failed := heard.of(Failed); len(failed) == 0 || len(heard.of(Fetched)) > 0 {
		t.Errorf("events %+v", heard.all)
	}
	if wrong == nil {
		wrong = &goproxy.Wrong{}
	}
	return wrong
}

// A rawEntry is one of a zip made by hand: what its own header says and what the directory says.
type rawEntry struct {
	name string
	b    []byte
	lie  func(directory *zip.FileHeader)
}

// handZip makes a zip of stored entries. The directory is written from what lie leaves.
func handZip(t *testing.T, entries ...rawEntry) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	var headers []*zip.FileHeader
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(e.b), CompressedSize64: uint64(len(e.b)), UncompressedSize64: uint64(len(e.b))}
		w, err := z.CreateRaw(h)
		if err == nil {
			_, err = w.Write(e.b)
		}
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, h)
	}
	if err := z.Flush(); err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if e.lie != nil {
			e.lie(headers[i]) // the writer keeps the header for the directory
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestWrongZips(t *testing.T) {
	const prefix = "example.com/m@v1.0.0/"
	goMod := rawEntry{name: prefix + "go.mod", b: []byte("module example.com/m\n")}
	code := rawEntry{name: prefix + "a.go", b: content(50_000, 1)}
	named := func(name string) rawEntry { return rawEntry{name: name, b: []byte("x")} }
	good := handZip(t, goMod, code)
	flipped := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	says := func(n uint32) func(h *zip.FileHeader) {
		return func(h *zip.FileHeader) {
			h.UncompressedSize64 = uint64(n)
			h.UncompressedSize = n //nolint:staticcheck // what the writer writes
		}
	}
	tests := []struct {
		name string
		b    []byte
		says string
	}{
		{"nothing", nil, "0 bytes"},
		{"a page", []byte("<!DOCTYPE html><title>Welcome</title>"), "zip"},
		{"noise", content(100_000, 2), "zip"},
		{"an end of nothing", []byte("PK\x05\x06"), "zip"},
		{"a flipped bit in an entry", flipped(len(good) / 2), "unpacked"},
		{"a flipped bit in the directory's checksum", flipped(bytes.LastIndex(good, []byte("PK\x01\x02")) + 16), "unpacked"},
		{"a flipped bit in the directory's signature", flipped(bytes.LastIndex(good, []byte("PK\x01\x02"))), "zip"},
		{"the first half", good[:len(good)/2], "zip"},
		{"all but a byte", good[:len(good)-1], "zip"},
		{"the second half", good[len(good)/2:], ""},
		{"another module", handZip(t, named("example.com/other@v1.0.0/a.go")), "example.com/m@v1.0.0"},
		{"another version", handZip(t, named("example.com/m@v1.0.1/a.go")), "example.com/m@v1.0.0"},
		{"no prefix", handZip(t, named("a.go")), ""},
		{"one file elsewhere", handZip(t, goMod, named("example.com/m@v1.0.1/a.go")), ""},
		{"a parent directory", handZip(t, goMod, named(prefix+"../../../../etc/passwd")), ""},
		{"an absolute name", handZip(t, goMod, named("/etc/passwd")), ""},
		{"a backslash", handZip(t, goMod, named(prefix+`a\b.go`)), ""},
		{"one name twice", handZip(t, goMod, code, code), ""},
		{"names that differ in case", handZip(t, goMod, code, named(prefix+"A.go")), ""},
		{"GO.MOD", handZip(t, named(prefix+"GO.MOD")), ""},
		{"a directory that says more bytes", handZip(t, goMod, rawEntry{code.name, code.b, says(50_001)}), "unpacked"},
		{"a directory that says another checksum", handZip(t, goMod, rawEntry{code.name, code.b, func(h *zip.FileHeader) { h.CRC32++ }}), "unpacked"},
		{"more unpacked than may be", handZip(t, goMod, rawEntry{code.name, code.b, says(600 << 20)}), ""},
		{"a go.mod too large", handZip(t, rawEntry{goMod.name, goMod.b, says(17 << 20)}), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wrong := wantRefused(t, theZip, test.b, nil)
			if !strings.Contains(wrong.Reason, test.says) || wrong.Reason == "" {
				t.Errorf("the reason is %q, want one with %q", wrong.Reason, test.says)
			}
		})
	}
	// What the tests above vary is right.
	s := newService(t, Options{Fetcher: serving(t, func(goproxy.File) []byte { return good })})
	wantFile(t, s, theZip, good)
}

// TestWrongLargeZips: these have begun to flow to clients when they turn out wrong.
func TestWrongLargeZips(t *testing.T) {
	t.Parallel()
	good := storedZip(theZip.Version, 9<<20, 1)
	size := int64(len(good))
	flipped := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	for name, b := range map[string][]byte{
		"a flipped bit in the middle": flipped(len(good) / 2),
		"a flipped bit at the end":    flipped(len(good) - 10_000),
		"a flipped bit in a name":     flipped(bytes.LastIndex(good, []byte("data/0003"))),
		"another module":              storedZip(module.Version{Path: "example.com/other", Version: "v1.0.0"}, 9<<20, 1),
		"the first half":              good[:len(good)/2+4<<20],
	} {
		t.Run(name, func(t *testing.T) { wantRefused(t, theZip, b, wantHash(t, good)) })
	}
	t.Run("the first half, the whole announced", func(t *testing.T) {
		wrong := wantSendRefused(t, theZip, nil, func(ctx context.Context, dst goproxy.Sink) (goproxy.Meta, error) {
			dst.SetSize(size)
			mustWrite(t, dst, good, 0, size/2)
			return goproxy.Meta{}, dst.Check(ctx, from)
		})
		if want := fmt.Sprintf("%d of %d", size/2, size); !strings.Contains(wrong.Reason, want) {
			t.Errorf("the reason is %q, want one with %q", wrong.Reason, want)
		}
	})
	t.Run("more than announced", func(t *testing.T) {
		wantSendRefused(t, theZip, nil, func(ctx context.Context, dst goproxy.Sink) (goproxy.Meta, error) {
			dst.SetSize(size - 1)
			return goproxy.Meta{}, write(dst, good, 0, size)
		})
	})
	t.Run("announced too large", func(t *testing.T) {
		wantSendRefused(t, theZip, nil, func(ctx context.Context, dst goproxy.Sink) (goproxy.Meta, error) {
			return goproxy.Meta{}, dst.SetSize(goproxy.MaxZip + 1)
		})
	})
}

// wantHash is a verifier that wants the hash that good has.
func wantHash(t *testing.T, good []byte) Verifier { return fixed{Zip: hashZip(t, good), By: "db.test"} }

// unprepared is for a Verifier that makes nothing of what is expected.
type unprepared struct{}

func (unprepared) Expect(context.Context, module.Version) {}

// A fixed verifier says the same of every version.
type fixed Want

func (fixed) Expect(context.Context, module.Version) {}

func (f fixed) Want(context.Context, module.Version) (Want, error) { return Want(f), nil }

// TestFlips flips bits at random, under a verifier. What is served in spite of that, and stored, must have the right hash:
// some bits of a zip mean nothing.
func TestFlips(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	var names []string
	for i := range 20 {
		name := fmt.Sprintf("example.com/m@v1.0.0/f%02d.txt", i)
		files[name] = noise(i*300, uint64(i))
		names = append(names, name)
	}
	good := makeZip(t, files, names...)
	want := hashZip(t, good)
	served := 0
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		b := bytes.Clone(good)
		at := r.IntN(len(b))
		b[at] ^= 1 << r.IntN(8)
		s := newService(t, Options{Fetcher: serving(t, func(goproxy.File) []byte { return b }), Verifier: wantHash(t, good)})
		got, _, err := get(t.Context(), s, theZip)
		settle(t, s)
		if err != nil {
			wantStored(t, s.o.Store, theZip, nil)
			continue
		}
		served++
		if !bytes.Equal(got, b) || hashZip(t, got) != want {
			t.Errorf("with a flipped bit at %d a zip with the hash %s was served, want %s", at, hashZip(t, got), want)
		}
		wantStored(t, s.o.Store, theZip, b)
	}
	t.Logf("%d of 100 are the same module in spite of the flipped bit", served)
}

// TestVerifier: what the verifier says is compared for .zip and .mod; a mismatch names both hashes and who says so.
func TestVerifier(t *testing.T) {
	files := filler(100_000)
	zipHash := hashZip(t, files(theZip))
	modHash, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return goproxy.NewBytes(files(theMod)), nil })
	if err != nil {
		t.Fatal(err)
	}
	right := fixed{Zip: zipHash, Mod: modHash, By: "db.test"}
	for _, v := range []Verifier{right, fixed{By: "db.test"}, nil} { // an empty hash is not known
		s := newService(t, Options{Fetcher: serving(t, files), Verifier: v})
		for _, f := range []goproxy.File{theInfo, theMod, theZip} {
			wantFile(t, s, f, files(f))
		}
	}
	other := fixed{Zip: modHash, Mod: zipHash, By: "db.test"}
	for f, got := range map[goproxy.File]string{theZip: zipHash, theMod: modHash} {
		expected := map[goproxy.File]string{theZip: modHash, theMod: zipHash}[f]
		wrong := wantRefused(t, f, files(f), other)
		for _, part := range []string{f.String(), got, expected, "db.test"} {
			if !strings.Contains(wrong.Reason, part) {
				t.Errorf("%s: the reason is %q, want one with %s", f, wrong.Reason, part)
			}
		}
	}
}

// TestVerifierFails: what cannot be verified because the verifier is in trouble is not served.
func TestVerifierFails(t *testing.T) {
	files := filler(100_000)
	trouble := &goproxy.Unavailable{From: "db.test", Reason: "away"}
	v := &verifier{asked: make(chan module.Version, 9), answer: make(chan Want, 9), err: trouble}
	v.answer <- Want{}
	s := newService(t, Options{Fetcher: serving(t, files), Verifier: v})
	if _, _, err := get(t.Context(), s, theZip); !errors.Is(err, trouble) {
		t.Errorf("got %v, want %v", err, trouble)
	}
	settle(t, s)
	wantStored(t, s.o.Store, theZip, nil)
	v.err = nil // it is asked anew
	v.answer <- Want{}
	wantFile(t, s, theZip, files(theZip))
	settle(t, s)
	wantFile(t, s, theInfo, files(theInfo)) // nobody knows hashes of these
	if n := len(v.asked); n != 2 {
		t.Errorf("the verifier was asked %d times, want 2", n)
	}
}

// TestAnotherUpstreamDoesBetter: the first brings a wrong file, the second the right one: one fetch, one clean answer.
func TestAnotherUpstreamDoesBetter(t *testing.T) {
	files := filler(100_000)
	for _, f := range []goproxy.File{theInfo, theMod, theZip} {
		up := &fake{t: t, fetch: func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
			for _, b := range [][]byte{[]byte("<html>"), bytes.Repeat([]byte("<"), 500_000), {}, files(f)[:10], files(f)} {
				if len(b) == 0 && f.Kind == goproxy.Mod || len(b) == 10 && f.Kind == goproxy.Mod {
					continue // anything may be a go.mod
				}
				meta, err := send(ctx, b, dst)
				var w *goproxy.Wrong
				if !errors.As(err, &w) {
					return meta, err
				}
				if err := dst.Reset(); err != nil {
					return meta, err
				}
			}
			return goproxy.Meta{}, errors.New("not even the last")
		}}
		s := newService(t, Options{Fetcher: up, Store: &store.Mem{}})
		wantFile(t, s, f, files(f))
		settle(t, s)
		wantStored(t, s.o.Store, f, files(f))
	}
}

func TestWrongInfoAndMod(t *testing.T) {
	for _, b := range []string{"", "{}", "<html>", `{"Version":"v1.0.1"}`, `{"Version":"v1.0.0"`, "v1.0.0", strings.Repeat(" ", 100_000)} {
		wantRefused(t, theInfo, []byte(b), nil)
	}
	for _, b := range []string{"<html>", "\n <!DOCTYPE html>", "<" + strings.Repeat("x", 200_000)} {
		wantRefused(t, theMod, []byte(b), nil)
	}
	for f, n := range map[goproxy.File]int64{theInfo: goproxy.MaxInfo, theMod: goproxy.MaxMod} {
		wantSendRefused(t, f, nil, func(ctx context.Context, dst goproxy.Sink) (goproxy.Meta, error) {
			return goproxy.Meta{}, write(dst, make([]byte, n+1), 0, n+1)
		})
	}
}

// TestZipBomb: entries of zeros, each of which may be unpacked. All together may not.
func TestZipBomb(t *testing.T) {
	const size = 100_000
	files := map[string][]byte{}
	var names []string
	for i := range 8 {
		names = append(names, fmt.Sprintf("example.com/m@v1.0.0/%d", i))
		files[names[i]] = make([]byte, size)
	}
	bomb := deflatedZip(t, files, names...)
	for _, test := range []struct {
		most int64
		safe int
	}{{0, 0}, {size - 1, 0}, {size, 1}, {3*size + 1, 3}, {8*size - 1, 7}, {8 * size, 8}} {
		safe := 0
		scan, err := scanZip(bytes.NewReader(bomb), test.most, func(int64) { safe++ })
		if err != nil || scan.usual != (test.safe == 8) || safe != test.safe {
			t.Errorf("of at most %d bytes %d entries were unpacked, want %d; usual %v, %v", test.most, safe, test.safe, scan.usual, err)
		}
	}
}

func deflatedZip(t *testing.T, files map[string][]byte, names ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, name := range names {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

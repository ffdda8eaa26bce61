package proxy

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// put stores b under a name.
func put(t testing.TB, s store.Store, name string, b []byte) {
	t.Helper()
	if err := s.Put(context.Background(), name, io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), store.PutOptions{If: "*"}); err != nil {
		t.Fatal(err)
	}
}

// contradictory is a good zip whose entry says another size than the directory does.
func contradictory(t *testing.T) []byte {
	b := handZip(t, rawEntry{name: "example.com/m@v1.0.0/go.mod", b: []byte("module example.com/m\n")}, rawEntry{name: "example.com/m@v1.0.0/a.go", b: []byte("package a\n")})
	at := bytes.Index(b, []byte("m@v1.0.0/a.go"))
	b[at] = 'n' // in the entry's own header alone
	return b
}

// TestVerify: what is said of a stored file, by what is known of it, and what is known of it then.
func TestVerify(t *testing.T) {
	files := filler(100_000)
	mod, whole, torn := files(theMod), files(theZip), contradictory(t)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	modH1, zipH1, tornH1 := hashMod(t, mod), hashZip(t, whole), hashZip(t, torn)
	others := Seen{H1: hashMod(t, []byte("another")), First: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	proves := fixed{Zip: zipH1, Mod: modH1, By: "db.test", TreeSize: 7}
	away := fixed{Unverified: "away"}
	with := func(s Seen, change func(*Seen)) *Seen { change(&s); return &s }
	byDB := func(s *Seen) { s.By, s.TreeSize = "db.test", 7 }
	wrong := func(s *Seen) { s.Wrong = "db.test has another" }
	tests := []struct {
		what     string
		file     goproxy.File
		stored   []byte
		known    *Seen
		verifier Verifier
		want     Verdict
		says     string
		noted    string // By, or "-" for a hash that nothing proves; "" where nothing is noted or that stays
	}{
		{"as recorded", theZip, whole, &Seen{H1: zipH1}, fixed{}, Good, "", ""},
		{"as recorded, though nobody knows it any more", theMod, mod, &Seen{H1: modH1}, refuses{}, Good, "", ""},
		{"a flipped byte", theZip, flipped, &Seen{H1: zipH1, By: "db.test"}, mustNotAsk{t}, Rotten, "cannot be unpacked", ""},
		{"other bytes than recorded", theMod, mod, with(others, byDB), mustNotAsk{t}, Rotten, modH1 + ", recorded is " + others.H1 + ", first seen on 2026-01-02 03:04:05", ""},
		{"other bytes than first seen", theZip, whole, &others, away, Rotten, "recorded is " + others.H1, ""},
		{"first seen were other bytes, and these are proven", theZip, whole, &others, proves, Good, "", "db.test"},
		{"found wrong", theZip, whole, with(Seen{H1: zipH1}, wrong), away, Rotten, "was found wrong: db.test has another", ""},
		{"another was found wrong, and nothing proves this", theZip, whole, with(others, wrong), nil, Rotten, "the one recorded, " + others.H1 + ", was found wrong", ""},
		{"found wrong, and proven", theZip, whole, with(Seen{H1: zipH1}, wrong), proves, Good, "", "db.test"},
		{"not recorded, and proven", theZip, whole, nil, proves, Noted, "", "db.test"},
		{"not recorded, and proven to be wrong", theMod, append(bytes.Clone(mod), '\n'), nil, proves, Rotten, "db.test (tree of 7 records) says " + modH1, ""},
		{"not recorded, and no public module's", theMod, mod, nil, refuses{}, Rotten, "not known", ""},
		{"not recorded, and the database is away", theZip, whole, nil, away, Noted, "", "-"},
		{"not recorded, and the database cannot be believed", theMod, mod, nil, forked{}, Noted, "", "-"},
		{"not recorded, and private", theMod, mod, nil, fixed{}, Noted, "", "-"},
		{"not recorded, and nobody to ask", theZip, whole, nil, nil, Noted, "", "-"},
		{"torn, and nobody knows it", theZip, torn, nil, away, Rotten, "contradicts itself", ""},
		{"torn, and recorded so", theZip, torn, &Seen{H1: tornH1}, away, Good, "", ""},
		{"torn, and proven to be so", theZip, torn, nil, fixed{Zip: tornH1, Mod: modH1, By: "db.test"}, Noted, "", "db.test"},
		{"cut off", theZip, whole[:len(whole)-100], nil, nil, Rotten, "no valid zip", ""},
		{"empty", theZip, nil, nil, nil, Rotten, "0 bytes cannot be a .zip", ""},
		{"a page", theMod, []byte("<!DOCTYPE html>"), nil, nil, Rotten, "HTML", ""},
		{"too large", theInfo, make([]byte, goproxy.MaxInfo+1), nil, nil, Rotten, "bytes cannot be a .info", ""},
		{"an .info", theInfo, files(theInfo), nil, mustNotAsk{t}, Good, "", ""},
		{"another version's .info", theInfo, []byte(`{"Version":"v1.0.1"}`), nil, nil, Rotten, "v1.0.1", ""},
		{"a torn .info", theInfo, files(theInfo)[:20], nil, nil, Rotten, "not valid", ""},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			mem, ledger := &store.Mem{}, &book{}
			put(t, mem, fileName(test.file), test.stored)
			if test.known != nil {
				ledger.seen = map[goproxy.File]Seen{test.file: *test.known}
			}
			before := ledger.of(test.file)
			s := newService(t, Options{Store: mem, Verifier: test.verifier, Ledger: ledger, Fetcher: &fake{t: t}})
			got, err := s.Verify(t.Context(), test.file)
			if err != nil || got.Verdict != test.want || !strings.Contains(got.Why, test.says) || (got.Why == "") != (test.says == "") {
				t.Errorf("found %+v, %v; want %d and something with %q", got, err, test.want, test.says)
			}
			after := ledger.of(test.file)
			switch test.noted {
			case "":
				if after != before {
					t.Errorf("noted %+v, there was %+v", after, before)
				}
			default:
				if by := strings.TrimPrefix(test.noted, "-"); after.By != by || after.H1 == "" || after.From != "" {
					t.Errorf("noted %+v, want a hash by %q", after, by)
				}
			}
			wantStored(t, mem, test.file, append([]byte{}, test.stored...))
		})
	}
}

// refuses is a Verifier whose database knows no module.
type refuses struct{ unprepared }

func (refuses) Want(context.Context, module.Version) (Want, error) {
	return Want{}, &goproxy.Refused{Status: 403, Reason: "not known"}
}

// forked is a Verifier whose database contradicts itself.
type forked struct{ unprepared }

func (forked) Want(context.Context, module.Version) (Want, error) {
	return Want{}, &goproxy.Wrong{Reason: "two histories"}
}

// mustNotAsk is a Verifier of what is known without it.
type mustNotAsk struct{ t *testing.T }

func (m mustNotAsk) Expect(_ context.Context, v module.Version) { m.t.Errorf("expected: %s", v) }

func (m mustNotAsk) Want(_ context.Context, v module.Version) (Want, error) {
	m.t.Errorf("asked for %s", v)
	return Want{}, nil
}

// TestVerifyTrouble: a disk that fails is no rot; a ledger that fails, or the end of the context, is no finding at all.
func TestVerifyTrouble(t *testing.T) {
	files := filler(100_000)
	var fail error
	mem := &store.Mem{Fail: func(op, _ string) error {
		if op == "open" {
			return fail
		}
		return nil
	}}
	ledger := &book{}
	s := newService(t, Options{Store: mem, Ledger: ledger, Fetcher: &fake{t: t}})
	for _, f := range []goproxy.File{theInfo, theMod, theZip} {
		want := func(verdict Verdict, says string) {
			t.Helper()
			if got, err := s.Verify(t.Context(), f); err != nil || got.Verdict != verdict || !strings.Contains(got.Why, says) {
				t.Errorf("%s: found %+v, %v; want %d, %q", f, got, err, verdict, says)
			}
		}
		want(Gone, "")
		put(t, mem, fileName(f), files(f))
		fail = errors.New("input/output error")
		want(Unreadable, "input/output")
		fail = fmt.Errorf("%w: 3 bytes", store.ErrDamaged)
		want(Rotten, "3 bytes")
		fail = nil
		if f.Kind == goproxy.Info {
			continue
		}
		ledger.err = errors.New("no room")
		if got, err := s.Verify(t.Context(), f); !errors.Is(err, ledger.err) {
			t.Errorf("%s: without a ledger %+v, %v", f, got, err)
		}
		ledger.err = nil
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := s.Verify(ctx, f); !errors.Is(err, context.Canceled) || ledger.of(f).H1 != "" {
			t.Errorf("%s: interrupted %+v, %v; noted %+v", f, got, err, ledger.of(f))
		}
	}
}

// TestInterruptedProof: that nobody waits any more for the database is no reason to note what it may contradict.
func TestInterruptedProof(t *testing.T) {
	mem, ledger := &store.Mem{}, &book{}
	put(t, mem, fileName(theMod), filler(1000)(theMod))
	ctx, cancel := context.WithCancel(t.Context())
	s := newService(t, Options{Store: mem, Ledger: ledger, Verifier: interrupting{cancel: cancel}, Fetcher: &fake{t: t}})
	if got, err := s.Verify(ctx, theMod); !errors.Is(err, context.Canceled) || ledger.of(theMod).H1 != "" {
		t.Errorf("found %+v, %v; noted %+v", got, err, ledger.of(theMod))
	}
}

// interrupting is a Verifier that is interrupted while it asks.
type interrupting struct {
	unprepared
	cancel context.CancelFunc
}

func (v interrupting) Want(context.Context, module.Version) (Want, error) {
	v.cancel()
	return Want{Unverified: "context canceled"}, nil
}

// TestRepair: what is rotten or cannot be read leaves the store, and comes again where an upstream has it right.
func TestRepair(t *testing.T) {
	files := filler(100_000)
	for _, f := range []goproxy.File{theInfo, theMod, theZip} {
		var fail func(op, name string) error
		mem := &store.Mem{Fail: func(op, name string) error {
			if fail != nil {
				return fail(op, name)
			}
			return nil
		}}
		content := files(f)
		s := newService(t, Options{Store: mem, Ledger: &book{}, Fetcher: serving(t, func(goproxy.File) []byte { return content })})
		rotten := bytes.Repeat([]byte("x"), 100)
		want := func(out bool, says string, left, aside []byte) {
			t.Helper()
			got, err := s.Repair(t.Context(), f)
			if got != out || (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
				t.Errorf("%s: out %v, %v; want %v, %q", f, got, err, out, says)
			}
			fail = nil
			settle(t, s)
			wantStored(t, mem, f, left)
			b, _, err := all(mem.Open(t.Context(), "quarantine/"+fileName(f)))
			if aside == nil && !errors.Is(err, fs.ErrNotExist) || !bytes.Equal(b, aside) {
				t.Errorf("%s: in quarantine: %q, %v; want %q", f, b, err, aside)
			}
			if err := mem.Remove(t.Context(), "quarantine/"+fileName(f)); err != nil {
				t.Fatal(err)
			}
		}
		put(t, mem, fileName(f), rotten)
		want(true, "", content, rotten)

		fail = func(op, name string) error { // the disk cannot read it
			if op == "open" && name == fileName(f) {
				return fs.ErrPermission
			}
			return nil
		}
		put(t, mem, fileName(f), rotten)
		want(true, "", content, nil)

		fail = func(op, _ string) error { // nor does it take any
			if op == "put" {
				return errors.New("read-only")
			}
			return nil
		}
		want(true, "read-only", nil, nil)

		put(t, mem, fileName(f), rotten)
		fail = func(op, _ string) error {
			if op == "remove" {
				return errors.New("read-only")
			}
			return nil
		}
		want(false, "read-only", rotten, rotten)

		content = nil // the upstreams have it no more
		want(true, "not found", nil, rotten)
	}
}

// TestRepairInterrupted: whoever is gone does not wait.
func TestRepairInterrupted(t *testing.T) {
	mem := &store.Mem{}
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	up := &fake{t: t, fetch: func(ctx context.Context, _ goproxy.File, _ goproxy.Sink) (goproxy.Meta, error) {
		close(asked)
		<-ctx.Done()
		return goproxy.Meta{}, context.Cause(ctx)
	}}
	s := newService(t, Options{Store: mem, Ledger: &book{}, Fetcher: up})
	put(t, mem, fileName(theMod), []byte("x"))
	go func() { <-asked; cancel() }()
	if out, err := s.Repair(ctx, theMod); !out || !errors.Is(err, context.Canceled) {
		t.Errorf("out %v, %v", out, err)
	}
	put(t, mem, fileName(theMod), []byte("x"))
	if out, err := s.Repair(ctx, theMod); out || !errors.Is(err, context.Canceled) {
		t.Errorf("out %v, %v", out, err)
	}
	wantStored(t, mem, theMod, []byte("x"))
}

// TestObjects: names are told apart into files and strangers.
func TestObjects(t *testing.T) {
	mem := &store.Mem{}
	upper := mkFile("example.com/Upper", "v1.0.0-RC1", goproxy.Zip)
	files := []goproxy.File{theInfo, theMod, theZip, upper, mkFile("example.com/m/v2", "v2.0.1", goproxy.Mod), mkFile("example.com/m", "v3.0.0+incompatible", goproxy.Info)}
	strangers := []string{"README", "example.com/m/@v/list", "example.com/m/@v/master.info", "example.com/m/@v/v1.0.0.lock", "example.com/m/@v/v1.0.zip",
		"example.com/Upper/@v/v1.0.0.mod", "example.com/m/@latest", "example.com/m/@v/v2.0.0.mod"}
	for _, f := range files {
		put(t, mem, fileName(f), []byte("12345"))
	}
	for _, name := range strangers {
		put(t, mem, modulesBelow+name, []byte("1"))
	}
	put(t, mem, "queries/example.com/m/@v/list", []byte("1"))
	s := newService(t, Options{Store: mem, Fetcher: &fake{t: t}})
	var odd []string
	found := 0
	for o, err := range s.Objects(t.Context()) {
		switch {
		case err != nil:
			t.Error(err)
		case o.Stranger:
			odd = append(odd, strings.TrimPrefix(o.Name, modulesBelow))
		case !slices.Contains(files, o.File) || o.Name != fileName(o.File) || o.Size != 5:
			t.Errorf("%+v", o)
		default:
			found++
		}
	}
	slices.Sort(odd)
	slices.Sort(strangers)
	if found != len(files) || !slices.Equal(odd, strangers) {
		t.Errorf("%d files of %d, and the strangers %q", found, len(files), odd)
	}
	mem.Fail = func(string, string) error { return errors.New("read error") }
	n := 0
	for _, err := range s.Objects(t.Context()) {
		if n++; err == nil || n > 1 {
			t.Errorf("the %d. of a store that cannot be listed: %v", n, err)
		}
	}
}

// sourceZip returns a zip of n files that are compressed about as source is, which is how modules come.
func sourceZip(tb testing.TB, m module.Version, n int) []byte {
	tb.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for i := range n {
		w, err := z.Create(fmt.Sprintf("%s@%s/file%04d.go", m.Path, m.Version, i))
		if err != nil {
			tb.Fatal(err)
		}
		for line := range 400 {
			fmt.Fprintf(w, "func f%dx%d(a, b int) int { return a*%d + b*%d } // %x\n", i, line, i*line, i+line, uint32(i*line*2654435761))
		}
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// BenchmarkVerify reads stored zips of compressed text, from a directory that is in the memory of the system, with as many readers as
// there are processors: MB/s are of the zips.
func BenchmarkVerify(b *testing.B) {
	dir := b.TempDir()
	d, err := store.NewDir(filepath.Join(dir, "root"), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	content := sourceZip(b, theZip.Version, 200)
	put(b, d, fileName(theZip), content)
	s := New(Options{Store: d, Ledger: &book{}, Fetcher: &fake{}, Spool: b.TempDir(), Refresh: -1})
	defer s.Close()
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if got, err := s.Verify(b.Context(), theZip); err != nil || got.Verdict > Noted {
				b.Errorf("found %+v, %v", got, err)
			}
		}
	})
}

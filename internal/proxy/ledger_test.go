package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A book is a Ledger in memory.
type book struct {
	mu   sync.Mutex
	seen map[goproxy.File]Seen
	err  error
}

func (b *book) Record(_ context.Context, f goproxy.File, s Seen) (Seen, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return Seen{}, b.err
	}
	if b.seen == nil {
		b.seen = map[goproxy.File]Seen{}
	}
	was, ok := b.seen[f]
	if !ok || was.By == "" && s.By != "" {
		s.First = time.Now()
		b.seen[f], was = s, s
	}
	return was, nil
}

func (b *book) Get(_ context.Context, f goproxy.File) (Seen, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return Seen{}, b.err
	}
	seen, ok := b.seen[f]
	if !ok {
		return Seen{}, fs.ErrNotExist
	}
	return seen, nil
}

func (b *book) Unverified(context.Context) iter.Seq2[Unverified, error] {
	return func(yield func(Unverified, error) bool) {
		b.mu.Lock()
		var all []Unverified
		for f, s := range b.seen {
			if s.By == "" && s.Wrong == "" {
				all = append(all, Unverified{f, s})
			}
		}
		b.mu.Unlock()
		for _, u := range all {
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (b *book) Condemn(_ context.Context, f goproxy.File, why string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.seen[f]
	s.Wrong = why
	b.seen[f] = s
	return nil
}

func (b *book) of(f goproxy.File) Seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[f]
}

func hashMod(t *testing.T, b []byte) string {
	t.Helper()
	h1, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return goproxy.NewBytes(b), nil })
	if err != nil {
		t.Fatal(err)
	}
	return h1
}

// byTurns is a Verifier that says what it says now.
type byTurns struct {
	unprepared
	mu   sync.Mutex
	want Want
	err  error
}

func (v *byTurns) Want(context.Context, module.Version) (Want, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.want, v.err
}

func (v *byTurns) says(w Want, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.want, v.err = w, err
}

// TestLedgerRemembers: what was served is noted before it is released, and other bytes later are refused though nobody
// else knows the hash, unless a checksum database proves them.
func TestLedgerRemembers(t *testing.T) {
	files, others := filler(100_000), filler(90_000)
	other := map[goproxy.File][]byte{theMod: append(bytes.Clone(files(theMod)), "// more\n"...), theZip: others(theZip)}
	for _, f := range []goproxy.File{theMod, theZip} {
		ledger := &book{}
		v := &byTurns{want: Want{Unverified: "away"}}
		content := files(f)
		var heard events
		s := newService(t, Options{Fetcher: serving(t, func(goproxy.File) []byte { return content }), Verifier: v, Ledger: ledger, Recorder: &heard})
		wantFile(t, s, f, content)
		settle(t, s)
		first := ledger.of(f)
		if first.H1 == "" || first.From != from || first.By != "" {
			t.Errorf("%s: noted %+v", f, first)
		}
		if n := len(heard.of(Unproven)); n != 1 {
			t.Errorf("%s: %d files went out unproven, want 1", f, n)
		}
		if err := s.files.Remove(t.Context(), fileName(f)); err != nil {
			t.Fatal(err)
		}
		content = other[f]
		_, _, err := get(t.Context(), s, f)
		var wrong *goproxy.Wrong
		if !errors.As(err, &wrong) || !strings.Contains(wrong.Reason, "SECURITY") || !strings.Contains(wrong.Reason, first.H1) || !strings.Contains(wrong.Reason, "first served") {
			t.Errorf("%s: other bytes gave %v", f, err)
		}
		settle(t, s)
		wantStored(t, s.o.Store, f, nil)
		if n := len(heard.of(Mismatch)); n != 1 {
			t.Errorf("%s: %d mismatches were reported, want 1", f, n)
		}
		v.says(Want{Mod: hashMod(t, other[theMod]), Zip: hashZip(t, other[theZip]), By: "db.test", TreeSize: 7}, nil)
		wantFile(t, s, f, content)
		settle(t, s)
		if now := ledger.of(f); now.By != "db.test" || now.TreeSize != 7 || now.H1 == first.H1 {
			t.Errorf("%s: proven otherwise, noted %+v", f, now)
		}
	}
}

// TestLedgerFails: a ledger that takes nothing is reported, and nobody's build fails of it.
func TestLedgerFails(t *testing.T) {
	files := filler(100_000)
	var heard events
	s := newService(t, Options{Fetcher: serving(t, files), Ledger: &book{err: fs.ErrPermission}, Recorder: &heard})
	for _, f := range []goproxy.File{theInfo, theMod, theZip} {
		wantFile(t, s, f, files(f))
	}
	settle(t, s)
	if n := len(heard.of(StoreFailed)); n != 2 { // an .info has no hash
		t.Errorf("%d failures were reported, want 2", n)
	}
}

// TestRecheck: what went out while the database was away is verified when it is back; what it contradicts, or does not know,
// leaves the store.
func TestRecheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := filler(100_000)
		ledger, v := &book{}, &byTurns{want: Want{Unverified: "away"}}
		var heard events
		s := newService(t, Options{Fetcher: serving(t, files), Verifier: v, Ledger: ledger, Recorder: &heard})
		wantFile(t, s, theMod, files(theMod))
		wantFile(t, s, theZip, files(theZip))
		settle(t, s)
		time.Sleep(time.Minute) // still away
		if n := len(heard.of(Proven)) + len(heard.of(Condemned)); n > 0 || ledger.of(theZip).By != "" {
			t.Errorf("%d conclusions without a database", n)
		}
		v.says(Want{Mod: hashMod(t, files(theMod)), Zip: hashMod(t, []byte("another")), By: "db.test", TreeSize: 9}, nil)
		time.Sleep(recheckEvery)
		synctest.Wait()
		if e := ledger.of(theMod); e.By != "db.test" || e.TreeSize != 9 || e.Wrong != "" {
			t.Errorf("the right file: %+v", e)
		}
		if e := ledger.of(theZip); e.By != "" || !strings.Contains(e.Wrong, "db.test") {
			t.Errorf("the wrong file: %+v", e)
		}
		wantStored(t, s.o.Store, theMod, files(theMod))
		wantStored(t, s.o.Store, theZip, nil)
		if b, _, err := all(s.o.Store.Open(t.Context(), "quarantine/"+fileName(theZip))); err != nil || !bytes.Equal(b, files(theZip)) {
			t.Errorf("in quarantine: %d bytes, %v", len(b), err)
		}
		if p, c := len(heard.of(Proven)), len(heard.of(Condemned)); p != 1 || c != 1 {
			t.Errorf("%d proven and %d condemned, want 1 and 1", p, c)
		}
		// The same bytes are not served again, not even with the database away.
		v.says(Want{Unverified: "away"}, nil)
		var wrong *goproxy.Wrong
		if _, _, err := get(t.Context(), s, theZip); !errors.As(err, &wrong) || !strings.Contains(wrong.Reason, "found wrong") {
			t.Errorf("the condemned file again: %v", err)
		}
		// What the database does not know is no public module, until it does.
		another := mkFile("example.com/unknown", "v1.0.0", goproxy.Mod)
		wantFile(t, s, another, files(another))
		settle(t, s)
		v.says(Want{}, &goproxy.Refused{Status: 403, Reason: "not known"})
		time.Sleep(3 * recheckEvery)
		synctest.Wait()
		wantStored(t, s.o.Store, another, nil)
		if n := len(heard.of(Condemned)); n != 2 {
			t.Errorf("%d files were condemned, want 2", n)
		}
		v.says(Want{Mod: hashMod(t, files(another)), Zip: "h1:x", By: "db.test", TreeSize: 10}, nil)
		wantFile(t, s, another, files(another))
		settle(t, s)
		wantStored(t, s.o.Store, another, files(another))
	})
}

// TestRecheckGoesOn: a file that is excepted, or that the database cannot be asked for, holds up none behind it.
func TestRecheckGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := filler(100_000)
		ledger, v := &book{}, &perModule{before: Want{Unverified: "away"}}
		s := newService(t, Options{Fetcher: serving(t, files), Verifier: v, Ledger: ledger})
		var all []goproxy.File
		for i := range 20 {
			f := mkFile(fmt.Sprintf("example.com/m%02d", i), "v1.0.0", goproxy.Mod)
			all = append(all, f)
			wantFile(t, s, f, files(f))
		}
		settle(t, s)
		v.back(func(m module.Version) (Want, error) {
			switch m.Path {
			case "example.com/m03":
				return Want{Unverified: "moved", Excepted: true}, nil
			case "example.com/m07":
				return Want{Unverified: "500"}, nil
			}
			return Want{Mod: hashMod(t, files(goproxy.File{Version: m, Kind: goproxy.Mod})), Zip: "h1:x", By: "db.test", TreeSize: 9}, nil
		})
		time.Sleep(recheckEvery)
		synctest.Wait()
		for _, f := range all {
			left := f.Path == "example.com/m03" || f.Path == "example.com/m07"
			if proven := ledger.of(f).By != ""; proven == left {
				t.Errorf("%s: proven %v", f, proven)
			}
		}
		if !s.pending.Load() {
			t.Error("what is left will not be asked for again")
		}
	})
}

// perModule is a Verifier that says one thing of all, and later by module.
type perModule struct {
	unprepared
	mu     sync.Mutex
	before Want
	say    func(module.Version) (Want, error)
}

func (v *perModule) back(say func(module.Version) (Want, error)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.say = say
}

func (v *perModule) Want(_ context.Context, m module.Version) (Want, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.say == nil {
		return v.before, nil
	}
	return v.say(m)
}

// A foretold is a Verifier that notes what it is told to expect.
type foretold struct {
	fixed
	expected chan module.Version
}

func (f foretold) Expect(_ context.Context, m module.Version) { f.expected <- m }

// TestExpected: the database hears of a version before an upstream is asked for its .info, which the other files follow.
func TestExpected(t *testing.T) {
	v := foretold{expected: make(chan module.Version, 1)}
	files := filler(1000)
	s := newService(t, Options{Verifier: v, Fetcher: serving(t, func(f goproxy.File) []byte {
		if len(v.expected) != 1 {
			t.Errorf("%s is asked for, and the verifier was told of %d versions; want 1", f, len(v.expected))
		}
		return files(f)
	})})
	wantFile(t, s, theInfo, files(theInfo))
	if m := <-v.expected; m != theInfo.Version {
		t.Errorf("%s was expected, want %s", m, theInfo.Version)
	}
}

// TestNothingIsExpectedOfAFlood: names that nobody has are asked for ahead a few times, files that are there always.
func TestNothingIsExpectedOfAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := foretold{expected: make(chan module.Version, 1000)}
		files := filler(100)
		there := false
		s := newService(t, Options{Verifier: v, Fetcher: serving(t, func(f goproxy.File) []byte {
			if there {
				return files(f)
			}
			return nil
		})})
		ask := func(minor int) {
			f := theMod
			f.Version.Version = fmt.Sprintf("v1.%d.0", minor)
			get(t.Context(), s, f)
		}
		for i := range 200 {
			ask(i)
		}
		if n := len(v.expected); n != maxInVain {
			t.Errorf("of 200 absent files %d were asked for ahead, want %d", n, maxInVain)
		}
		time.Sleep(100 * inVainEvery)
		there = true
		for i := range 200 {
			ask(1000 + i)
		}
		if n := len(v.expected) - maxInVain; n != 200 {
			t.Errorf("of 200 files %d were asked for ahead", n)
		}
	})
}

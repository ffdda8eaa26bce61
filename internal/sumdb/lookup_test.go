package sumdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/sumdb"
)

// lookups returns a Client of db that asks the remotes.
func lookups(t testing.TB, db *proxytest.SumDB, keep sumdb.Shelf, remotes ...sumdb.Remote) *sumdb.Client {
	t.Helper()
	o := sumdb.ClientOptions{DB: goproxy.SumDB{Name: db.Name, Key: db.Key}, Keep: keep, Log: slog.New(slog.DiscardHandler)}
	if len(remotes) > 0 {
		o.Remote, o.Places = remotes[0], remotes
	}
	c, err := sumdb.NewClient(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantRecord looks a module up and compares the hashes with those of its own files.
func wantRecord(t *testing.T, c *sumdb.Client, m proxytest.Module) {
	t.Helper()
	v := module.Version{Path: m.Path, Version: m.Version}
	r, err := c.Lookup(t.Context(), v)
	if err != nil {
		t.Fatalf("%s: %v", v, err)
	}
	sum, err := m.GoSum()
	if err != nil {
		t.Fatal(err)
	}
	zip, mod := r.Hashes(v)
	if got := fmt.Sprintf("%s %s %s\n%s %s/go.mod %s\n", v.Path, v.Version, zip, v.Path, v.Version, mod); got != string(sum) {
		t.Errorf("%s: got %q, want %q", v, got, sum)
	}
	if r.TreeSize <= r.ID {
		t.Errorf("%s: record %d in a tree of %d", v, r.ID, r.TreeSize)
	}
}

// tampered is a Remote whose answers go through f.
type tampered struct {
	sumdb.Remote
	f func(name string, b []byte) ([]byte, error)
}

func (r tampered) Get(ctx context.Context, name string, max int64, check func([]byte) error) ([]byte, error) {
	b, err := r.Remote.Get(ctx, name, max, func([]byte) error { return nil })
	if err != nil {
		return nil, err
	}
	if b, err = r.f(name, bytes.Clone(b)); err != nil {
		return nil, err
	}
	if err := check(b); err != nil {
		return nil, &goproxy.Unavailable{Reason: err.Error()}
	}
	return b, nil
}

var plain = proxytest.Module{Path: "example.com/plain", Version: "v1.0.0"}

func fixture(t *testing.T, path, version string) proxytest.Module {
	t.Helper()
	all := proxytest.Fixtures(t)
	i := slices.IndexFunc(all, func(m proxytest.Module) bool { return m.Path == path && m.Version == version })
	if i < 0 {
		t.Fatalf("no fixture %s@%s", path, version)
	}
	return all[i]
}

// TestLookup proves every fixture, and again after a restart with nobody to ask.
func TestLookup(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com/db")
	keep := &shelf{}
	c := lookups(t, db, keep, overHTTP(t, place{db.URL, ""}))
	for _, m := range proxytest.Fixtures(t) {
		wantRecord(t, c, m)
	}
	again := lookups(t, db, keep)
	for _, m := range proxytest.Fixtures(t) {
		wantRecord(t, again, m)
	}
	var unavailable *goproxy.Unavailable
	if _, err := again.Lookup(t.Context(), module.Version{Path: "example.com/new", Version: "v1.0.0"}); !errors.As(err, &unavailable) {
		t.Errorf("with nobody to ask: %v", err)
	}
	var absent *goproxy.NotFound
	if _, err := c.Lookup(t.Context(), module.Version{Path: "example.com/new", Version: "v1.0.0"}); !errors.As(err, &absent) {
		t.Errorf("what the database does not know: %v", err)
	}
}

// TestRefusals: what does not prove a record is refused with its reason, and nothing of it is kept.
func TestRefusals(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com/db")
	honest := overHTTP(t, place{db.URL, ""})
	get := func(name string) []byte {
		b, err := honest.Get(t.Context(), name, 1<<20, func([]byte) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	other := get(fixture(t, "example.com/Upper", "v1.0.0").Lookup())
	on := func(prefix string, f func(b []byte) []byte) func(string, []byte) ([]byte, error) {
		return func(name string, b []byte) ([]byte, error) {
			if strings.HasPrefix(name, prefix) {
				b = f(b)
			}
			return b, nil
		}
	}
	tests := []struct {
		what   string
		f      func(string, []byte) ([]byte, error)
		reason string
	}{
		{"a flipped hash", on("lookup/", func(b []byte) []byte { return flip(b, " h1:", 4) }), "is not the one in the tree"},
		{"another record's number", on("lookup/", func(b []byte) []byte { return append([]byte("1"), b...) }), ""},
		{"another module's record", on("lookup/", func([]byte) []byte { return other }), "is not that of example.com/plain@v1.0.0"},
		{"a wrong signature", on("lookup/", func(b []byte) []byte { return flip(b, "\n— ", 40) }), "is not signed by"},
		{"a tree of another size", on("lookup/", func(b []byte) []byte { return flip(b, "tree\n", 0) }), "is not signed by"},
		{"no signature", on("lookup/", func(b []byte) []byte { return b[:bytes.Index(b, []byte("\n— "))+1] }), "is not signed by"},
		{"a flipped tile", on("tile/", func(b []byte) []byte { b[5] ^= 1; return b }), "inconsistent"},
		{"a truncated tile", on("tile/", func(b []byte) []byte { return b[:len(b)-32] }), "a tile of"},
		{"a page", on("", func([]byte) []byte { return []byte("<html>") }), "no record came"},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			keep := &shelf{}
			c := lookups(t, db, keep, tampered{honest, test.f})
			_, err := c.Lookup(t.Context(), module.Version{Path: plain.Path, Version: plain.Version})
			var unavailable *goproxy.Unavailable
			if !errors.As(err, &unavailable) || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("got %v, want a refusal that says %q", err, test.reason)
			}
			for _, name := range keep.names() {
				if strings.HasPrefix(name, "lookup/") {
					t.Errorf("kept: %s", name)
				}
			}
			// Nothing of it is remembered: the same client is well when the database is.
			keep2 := &shelf{m: keep.m}
			wantRecord(t, lookups(t, db, keep2, honest), fixture(t, plain.Path, plain.Version))
		})
	}
}

// flip changes the byte that stands n behind the first mark.
func flip(b []byte, mark string, n int) []byte {
	i := bytes.Index(b, []byte(mark)) + len(mark) + n
	if b[i] == '1' {
		b[i] = '2'
	} else {
		b[i] = '1'
	}
	return b
}

// TestStaleHead: a record with a head that does not cover it is refused where nobody has a newer one, and proven where
// somebody has.
func TestStaleHead(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	honest := overHTTP(t, place{db.URL, ""})
	old, err := honest.Get(t.Context(), "latest", 1<<20, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	m := proxytest.Module{Path: "example.com/plain", Version: "v1.9.0", Files: map[string]string{"go.mod": "module example.com/plain\n"}}
	db.Add(m)
	stale := func(also string) sumdb.Remote {
		return tampered{honest, func(name string, b []byte) ([]byte, error) {
			switch {
			case strings.HasPrefix(name, "lookup/"):
				return append(b[:bytes.Index(b, []byte("\n\n"))+2], old...), nil
			case name == also:
				return old, nil
			}
			return b, nil
		}}
	}
	wantRecord(t, lookups(t, db, &shelf{}, stale("")), m)
	_, err = lookups(t, db, &shelf{}, stale("latest")).Lookup(t.Context(), module.Version{Path: m.Path, Version: m.Version})
	if err == nil || !strings.Contains(err.Error(), "stale") {
		t.Errorf("got %v, want that the tree is stale", err)
	}
}

// TestAnotherPlace: where one place lies another is asked.
func TestAnotherPlace(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	honest := overHTTP(t, place{db.URL, ""})
	liar := tampered{honest, func(name string, b []byte) ([]byte, error) {
		if strings.HasPrefix(name, "tile/") {
			b[0] ^= 1
		}
		return b, nil
	}}
	wantRecord(t, lookups(t, db, &shelf{}, liar, honest), fixture(t, plain.Path, plain.Version))
}

// TestPeer11OneFailureIsForgotten: with another proxy one failure of the database makes that module fail until a restart.
func TestPeer11OneFailureIsForgotten(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	honest := overHTTP(t, place{db.URL, ""})
	for _, what := range []string{"lookup/", "tile/"} {
		broken := true
		c := lookups(t, db, &shelf{}, tampered{honest, func(name string, b []byte) ([]byte, error) {
			if broken && strings.HasPrefix(name, what) {
				return nil, down
			}
			return b, nil
		}})
		if _, err := c.Lookup(t.Context(), module.Version{Path: plain.Path, Version: plain.Version}); status(err) != 503 {
			t.Errorf("%s: got %v", what, err)
		}
		broken = false
		wantRecord(t, c, fixture(t, plain.Path, plain.Version))
	}
}

// TestFork: two histories under one key are found, whichever is seen first, and that is remembered.
func TestFork(t *testing.T) {
	many := make([]proxytest.Module, 300)
	for i := range many {
		many[i] = proxytest.Module{Path: fmt.Sprintf("example.com/many%03d", i), Version: "v1.0.0", Files: map[string]string{"go.mod": "module x\n"}}
	}
	small := proxytest.NewSumDB(t, "sum.example.com")
	large := proxytest.NewSumDB(t, "sum.example.com", many...)
	for _, order := range [][]*proxytest.SumDB{{small, large}, {large, small}} {
		keep := &shelf{}
		wantRecord(t, lookups(t, order[0], keep, overHTTP(t, place{order[0].URL, ""})), fixture(t, plain.Path, plain.Version))
		before := keep.m["latest"]
		// The tiles are those of the larger tree: by them it is seen that the other does not belong.
		c := lookups(t, order[1], keep, twoFaced{overHTTP(t, place{order[1].URL, ""}), overHTTP(t, place{large.URL, ""})})
		all := proxytest.Fixtures(t)
		last := all[len(all)-1]
		v := module.Version{Path: last.Path, Version: last.Version}
		if order[1] == large {
			v = module.Version{Path: "example.com/many299", Version: "v1.0.0"}
		}
		_, err := c.Lookup(t.Context(), v)
		var fork *sumdb.ForkError
		if !errors.As(err, &fork) {
			t.Fatalf("got %v, want a fork", err)
		}
		if !bytes.Equal(keep.m["latest"], before) {
			t.Error("the tree head that was believed was replaced")
		}
		if len(keep.m["fork"]) == 0 {
			t.Error("no proof is kept")
		}
		// Not even the true one is believed before somebody has looked.
		restarted := lookups(t, order[0], keep, overHTTP(t, place{order[0].URL, ""}))
		if _, err := restarted.Lookup(t.Context(), v); !errors.As(err, &fork) {
			t.Errorf("after a restart: %v", err)
		}
	}
}

// twoFaced takes tiles from elsewhere.
type twoFaced struct {
	sumdb.Remote
	tiles sumdb.Remote
}

func (r twoFaced) Get(ctx context.Context, name string, max int64, check func([]byte) error) ([]byte, error) {
	if strings.HasPrefix(name, "tile/") {
		return r.tiles.Get(ctx, name, max, check)
	}
	return r.Remote.Get(ctx, name, max, check)
}

// TestGrowth: the head moves only where it must, two clients share it, and what was proven stays known.
func TestGrowth(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	keep := &shelf{}
	clients := []*sumdb.Client{lookups(t, db, keep, overHTTP(t, place{db.URL, ""})), lookups(t, db, keep, overHTTP(t, place{db.URL, ""}))}
	for i := range 300 {
		m := proxytest.Module{Path: fmt.Sprintf("example.com/many%03d", i), Version: "v1.0.0", Files: map[string]string{"go.mod": "module x\n"}}
		db.Add(m)
		wantRecord(t, clients[i%2], m)
	}
	for _, c := range clients {
		wantRecord(t, c, fixture(t, plain.Path, plain.Version))
	}
}

// TestBadKey: a key that is none is said at once.
func TestBadKey(t *testing.T) {
	_, err := sumdb.NewClient(t.Context(), sumdb.ClientOptions{DB: goproxy.SumDB{Name: "x", Key: "x+1+2"}, Keep: &shelf{}})
	if err == nil || !strings.Contains(err.Error(), "sumdb") {
		t.Errorf("got %v", err)
	}
}

// TestHeadNeverGoesBack: someone removed the head that is kept, or restored an older one, under a running client.
func TestHeadNeverGoesBack(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	grow := func(i int) proxytest.Module {
		m := proxytest.Module{Path: fmt.Sprintf("example.com/new%03d", i), Version: "v1.0.0", Files: map[string]string{"go.mod": "module x\n"}}
		db.Add(m)
		return m
	}
	keep := &shelf{}
	c := lookups(t, db, keep, overHTTP(t, place{db.URL, ""}))
	wantRecord(t, c, fixture(t, plain.Path, plain.Version))
	old := bytes.Clone(keep.m["latest"])
	wantRecord(t, c, grow(0))
	keep.Save(t.Context(), "latest", old)
	wantRecord(t, c, grow(1))
	if bytes.Equal(keep.m["latest"], old) {
		t.Error("the older head is still kept")
	}
	keep.remove("latest")
	wantRecord(t, c, grow(2))
	wantRecord(t, lookups(t, db, keep, overHTTP(t, place{db.URL, ""})), grow(3))
	keep.Save(t.Context(), "latest", []byte("junk"))
	if _, err := sumdb.NewClient(t.Context(), sumdb.ClientOptions{DB: goproxy.SumDB{Name: db.Name, Key: db.Key}, Keep: keep, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "latest") {
		t.Errorf("with a head that nobody signed: %v", err)
	}
}

// TestDamagedOnTheWay: the one place there is gives wrong bytes twice, and then right ones.
func TestDamagedOnTheWay(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	for what, damage := range map[string]func([]byte) []byte{
		"lookup/": func(b []byte) []byte { return flip(b, " h1:", 4) },
		"tile/":   func(b []byte) []byte { b[5] ^= 1; return b },
	} {
		bad := 2
		c := lookups(t, db, &shelf{}, tampered{overHTTP(t, place{db.URL, ""}), func(name string, b []byte) ([]byte, error) {
			if bad > 0 && strings.HasPrefix(name, what) {
				b = damage(b)
				bad--
			}
			return b, nil
		}})
		wantRecord(t, c, fixture(t, plain.Path, plain.Version))
		if bad != 0 {
			t.Errorf("%s: %d wrong answers were not asked for", what, bad)
		}
	}
}

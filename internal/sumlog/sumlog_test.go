package sumlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// TestAppend appends batches across the edges of tiles and compares every tile and head with a tree computed otherwise.
func TestAppend(t *testing.T) {
	dir, key := memoryDir(t), newKey(t)
	l := mustOpen(t, dir, key)
	f := newFollower(t, key, fromLog(l))
	f.see()
	var stored stored
	n := 0
	for _, batch := range []int{1, 1, 253, 1, 1, 255, 256, 257, 1000, 1, 65536 - 2026, 1, 300} {
		ids := mustAppend(t, l, recs(n, n+batch))
		for i, id := range ids {
			if id != int64(n+i) {
				t.Fatalf("record %d has number %d", n+i, id)
			}
			stored.add(t, id, rec(n+i).Text)
		}
		n += batch
		f.see()
		got := f.heads[len(f.heads)-1]
		if want, err := tlog.TreeHash(int64(n), &stored); err != nil || got.N != int64(n) || got.Hash != want {
			t.Fatalf("after %d records the head is %v, want %v, %v", n, got, want, err)
		}
	}
	f.proveAll()
	for _, tile := range append(tlog.NewTiles(height, 0, int64(n)), tlog.Tile{H: height, L: 0, N: 3, W: 77}) {
		want, err := tlog.ReadTileData(tile, &stored)
		if got, gerr := answer(l, tile.Path()); err != nil || gerr != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %v, same bytes: %v", tile.Path(), err, gerr, bytes.Equal(got, want))
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "tile/8/*/*.p")); err != nil || len(left) != 4 {
		t.Errorf("directories of partial tiles: %v, %v; want those of the edge alone", left, err)
	}
	if r, err := Audit(t.Context(), fromDir(dir), l.Verifier(), AuditOptions{}); err != nil || r.Tree.N != int64(n) {
		t.Errorf("the audit: %+v, %v", r, err)
	}
}

// stored are the hashes of a tree, as golang.org/x/mod/sumdb/tlog numbers them.
type stored []tlog.Hash

func (s *stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var list []tlog.Hash
	for _, i := range indexes {
		list = append(list, (*s)[i])
	}
	return list, nil
}

func (s *stored) add(t *testing.T, id int64, text []byte) {
	t.Helper()
	hashes, err := tlog.StoredHashes(id, text, s)
	if err != nil {
		t.Fatal(err)
	}
	*s = append(*s, hashes...)
}

// TestSame: a version keeps its record, whatever is appended later, in one call and in another, before and after a
// restart.
func TestSame(t *testing.T) {
	dir, key := memoryDir(t), newKey(t)
	l := mustOpen(t, dir, key)
	mustAppend(t, l, recs(0, 300))
	for range 2 {
		if ids := mustAppend(t, l, []Record{rec(7), rec(299), rec(300), rec(300), rec(8)}); !slices.Equal(ids, []int64{7, 299, 300, 300, 8}) {
			t.Errorf("got %v", ids)
		}
		other := Record{rec(7).Version, textOf(rec(7).Version, "other")}
		_, err := l.Append(t.Context(), []Record{rec(1000), other})
		var differs *Differs
		if !errors.As(err, &differs) || differs.ID != 7 || !bytes.Equal(differs.Have, rec(7).Text) || !bytes.Equal(differs.New, other.Text) {
			t.Errorf("other lines: %v", err)
		}
		twice := Record{rec(2000).Version, textOf(rec(2000).Version, "other")}
		if _, err := l.Append(t.Context(), []Record{rec(1000), rec(2000), twice}); !errors.As(err, &differs) {
			t.Errorf("other lines in one call: %v", err)
		}
		if l.Size() != 301 {
			t.Errorf("%d records, want 301: what fails adds nothing", l.Size())
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), recs(400, 401)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		l = mustOpen(t, dir, key)
	}
}

// TestAtOnce has many callers append the same and other records at once, through two Logs of one directory.
func TestAtOnce(t *testing.T) {
	dir, key := memoryDir(t), newKey(t)
	a, b := mustOpen(t, dir, key), mustOpen(t, dir, key)
	got := make([][]int64, 40)
	var g sync.WaitGroup
	for i := range got {
		g.Go(func() {
			l := []*Log{a, b}[i%2]
			from := i / 4 * 30 // four callers append the same
			ids, err := l.Append(t.Context(), recs(from, from+30))
			if err != nil {
				t.Error(err)
			}
			got[i] = ids
		})
	}
	g.Wait()
	for i := range got {
		if !slices.Equal(got[i], got[i/4*4]) {
			t.Errorf("the callers of the same records got %v and %v", got[i], got[i/4*4])
		}
	}
	for _, l := range []*Log{a, b} { // also what the other one added
		for i := range 300 {
			want := []byte(fmt.Sprintf("%d\n%s\n", got[i/30*4][i%30], rec(i).Text))
			name, _ := lookupName(rec(i).Version)
			if b, err := answer(l, name); err != nil || !bytes.HasPrefix(b, want) {
				t.Fatalf("%s: %q, %v; want %q", name, b, err, want)
			}
		}
	}
	if _, err := Audit(t.Context(), fromDir(dir), a.Verifier(), AuditOptions{}); err != nil {
		t.Error(err)
	}
}

// TestIndex: whatever becomes of .index, the next Open knows all versions.
func TestIndex(t *testing.T) {
	dir, key := memoryDir(t), newKey(t)
	l := mustOpen(t, dir, key)
	mustAppend(t, l, recs(0, 600))
	l.Close()
	index := filepath.Join(dir, indexFile)
	old, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir, key)
	mustAppend(t, l, recs(600, 1300))
	l.Close()
	flipped := bytes.Clone(old)
	flipped[len(indexMagic)+40] ^= 1
	for name, b := range map[string][]byte{"behind": old, "flipped": flipped, "empty": {}, "of another log": (&index2).marshal(tlog.Hash{}), "missing": nil} {
		if err := os.WriteFile(index, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if b == nil {
			os.Remove(index)
		}
		l := mustOpen(t, dir, key)
		for i := range 1300 {
			if id, err := l.idOf(rec(i)); err != nil || id != int64(i) {
				t.Fatalf("%s: record %d is %d, %v", name, i, id, err)
			}
		}
		if id, err := l.idOf(rec(1300)); err != nil || id != -1 {
			t.Errorf("%s: a version that is not there is %d, %v", name, id, err)
		}
	}
}

var index2 = index{hashes: []uint64{1, 2, 3}}

// TestRefused: what must not be in a log does not get in, and says why.
func TestRefused(t *testing.T) {
	l := mustOpen(t, memoryDir(t), newKey(t))
	v := module.Version{Path: "corp.example/m", Version: "v1.0.0"}
	good := string(textOf(v, ""))
	long := module.Version{Path: "corp.example/" + strings.Repeat("m", 250), Version: "v1.0.0"}
	for name, c := range map[string]struct {
		v          module.Version
		text, want string
	}{
		"no lines":          {v, "", "not the two lines of go.sum"},
		"one line":          {v, good[:strings.Index(good, "\n")+1], "not the two lines"},
		"three lines":       {v, good + good, "not the two lines"},
		"no end":            {v, strings.TrimSuffix(good, "\n"), "not the two lines"},
		"a carriage":        {v, strings.ReplaceAll(good, "\n", "\r\n"), "not the two lines"},
		"another hash":      {v, strings.ReplaceAll(good, "h1:", "h2:"), "not the two lines"},
		"a short hash":      {v, strings.ReplaceAll(good, "=", ""), "not the two lines"},
		"another version":   {module.Version{Path: v.Path, Version: "v1.0.1"}, good, "the lines are those of corp.example/m@v1.0.0"},
		"not canonical":     {module.Version{Path: v.Path, Version: "v1"}, strings.ReplaceAll(good, "v1.0.0", "v1"), "not a canonical version"},
		"another major":     {module.Version{Path: v.Path, Version: "v2.0.0"}, strings.ReplaceAll(good, "v1.0.0", "v2.0.0"), "not a canonical version"},
		"too long a name":   {long, string(textOf(long, "")), "at most 255"},
		"a path that is ..": {module.Version{Path: "corp.example/../m", Version: "v1.0.0"}, strings.ReplaceAll(good, "corp.example/", "corp.example/../"), "not a canonical version"},
	} {
		if _, err := l.Append(t.Context(), []Record{{c.v, []byte(c.text)}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if l.Size() != 0 {
		t.Errorf("%d records", l.Size())
	}
}

// TestAnswers are those beside the good ones.
func TestAnswers(t *testing.T) {
	l := mustOpen(t, memoryDir(t), newKey(t))
	mustAppend(t, l, recs(0, 300))
	for name, want := range map[string]int{
		"supported": 200, "latest": 200, "lookup/corp.example/!team/m0@v1.3.0": 200,
		"tile/8/0/000": 200, "tile/8/0/000.p/9": 200, "tile/8/0/001.p/44": 200, "tile/8/data/001.p/44": 200, "tile/8/data/000.p/3": 200, "tile/8/1/000.p/1": 200,
		"tile/8/0/001": 404, "tile/8/0/001.p/45": 404, "tile/8/data/001.p/45": 404, "tile/8/1/000.p/2": 404, "tile/8/7/000": 404, "tile/8/63/000": 404, "tile/4/0/000": 404,
		"tile/8/0/0": 400, "tile/8/0/../../../latest": 400, "tile/8/0/000.p/256": 400, "tile/": 400,
		"lookup/corp.example/!team/m0@v1.3.1": 404, "lookup/corp.example/team/m0@v1.3.0": 404,
		"lookup/corp.example/Team/m0@v1.3.0": 400, "lookup/corp.example/m0": 400, "lookup/corp.example/m0@v1": 400, "lookup/../latest@v1.0.0": 400,
		"": 404, ".pending": 404, ".lock": 404, "latest/": 404, "tile": 400, "else": 404,
	} {
		if _, err := answer(l, name); status(err) != want {
			t.Errorf("%s: got %v, want %d", name, err, want)
		}
	}
	if b, err := answer(l, "tile/8/data/000.p/3"); err != nil || string(b) != string(rec(0).Text)+"\n"+string(rec(1).Text)+"\n"+string(rec(2).Text)+"\n" {
		t.Errorf("got %q, %v", b, err)
	}
}

// TestOpenRefuses: a directory that is not the log it should be is not gone on with.
func TestOpenRefuses(t *testing.T) {
	key := newKey(t)
	good := memoryDir(t)
	l := mustOpen(t, good, key)
	mustAppend(t, l, recs(0, 300))
	old, err := answer(l, "latest")
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, recs(300, 400))
	l.Close()
	write := func(name, text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644) }
	}
	remove := func(name string) func(string) error {
		return func(dir string) error { return os.RemoveAll(filepath.Join(dir, name)) }
	}
	for name, c := range map[string]struct {
		key    string
		damage func(dir string) error
		want   string
	}{
		"another key":   {newKey(t), nil, "latest: not signed with the key sum.example.com/db+"},
		"no key":        {"PRIVATE", nil, "modhaven sumdb key"},
		"no head":       {key, remove("latest"), "no signed head"},
		"a broken head": {key, write("latest", "go.sum database tree\n"), "latest: not signed"},
		"a lost tile":   {key, remove("tile/8/0/001.p"), "tile/8/0/001.p/144: it is missing"},
		"a cut tile":    {key, write("tile/8/0/001.p/144", "short"), "tile/8/0/001.p/144: it has 5 bytes, want 4608"},
		"a wrong tile":  {key, write("tile/8/0/001.p/144", strings.Repeat("x", 4608)), "do not have the signed hash"},
		"wrong records": {key, write("tile/8/data/001.p/144", strings.Repeat("x\n\n", 144)), "tile/8/data/001.p/144: record 256 "},
		"a torn append": {key, write(".pending", "modhaven"), ".pending: it is damaged"},
		"a later one":   {key, write(".pending", string((&batchOf{500, [][]byte{rec(1).Text}}).marshal())), ".pending: it goes on from 500"},
	} {
		dir := memoryDir(t)
		if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(dir, indexFile)) // all is read
		if c.damage != nil {
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
		}
		if l, err := Open(dir, c.key); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v; want %q", name, l, err, c.want)
		}
	}
	// An older head over newer tiles would begin a fork with the next append: other records under the same numbers.
	dir := memoryDir(t)
	if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir, key)
	if err := os.WriteFile(filepath.Join(dir, "latest"), old, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), recs(900, 1000)); err == nil || !strings.Contains(err.Error(), "an older copy") {
		t.Errorf("a head taken back under an open log: %v", err)
	}
	l = mustOpen(t, dir, key)
	if _, err := l.Append(t.Context(), recs(900, 1000)); err == nil || !strings.Contains(err.Error(), "with other bytes") {
		t.Errorf("a head taken back before Open: %v", err)
	}
}

package sumlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// forge makes a log of these texts without looking at them.
func forge(t *testing.T, dir, key string, texts [][]byte) *Log {
	t.Helper()
	l := mustOpen(t, dir, key)
	for len(texts) > 0 {
		n := min(len(texts), maxBatch)
		if err := l.apply(&batchOf{l.Size(), texts[:n]}); err != nil {
			t.Fatal(err)
		}
		texts = texts[n:]
	}
	return l
}

func edit(name string, change func([]byte) []byte) func(dir string) error {
	return func(dir string) error {
		name := filepath.Join(dir, filepath.FromSlash(name))
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(name, change(b), 0o644)
	}
}

func flip(i int) func([]byte) []byte {
	return func(b []byte) []byte { b[i] ^= 1; return b }
}

// TestAudit: whatever is wrong with a log is found, and the error names the tile and the record.
func TestAudit(t *testing.T) {
	const size = 100_000
	key := newKey(t)
	good := memoryDir(t)
	l := mustOpen(t, good, key)
	mustAppend(t, l, recs(0, 1000))
	since, _ := answer(l, "latest")
	fill(t, l, size)
	now, _ := answer(l, "latest")
	var last int64
	o := AuditOptions{Since: since, Progress: func(done, total int64) {
		if done <= last || total != size {
			t.Errorf("progress: %d of %d after %d", done, total, last)
		}
		last = done
	}}
	r, err := Audit(t.Context(), fromDir(good), l.Verifier(), o)
	if err != nil || r.Tree.N != size || r.Since.N != 1000 || r.Name != dbName || !bytes.Equal(r.Signed, now) || last != size {
		t.Fatalf("a good log: %+v, %v, %d", r, err, last)
	}
	forked := memoryDir(t)
	l2 := mustOpen(t, forked, key)
	mustAppend(t, l2, append(recs(1, 2), recs(3, 1002)...))
	forkedHead, _ := answer(l2, "latest")

	for name, c := range map[string]struct {
		damage func(dir string) error
		since  []byte
		at     string
		want   string
	}{
		"a byte of a record":        {edit("tile/8/data/003", flip(200)), nil, "tile/8/data/003", "record 769 (corp.example/Team/m15@v1.19.0)"},
		"a byte of a hash":          {edit("tile/8/0/100", flip(33)), nil, "tile/8/data/100", "record 25601 (corp.example/Team/m512@v1.1.0) does not have the hash in tile/8/0/100"},
		"a byte of a higher hash":   {edit("tile/8/1/000", flip(32*9)), nil, "tile/8/1/000", "hash 9 is not that of tile/8/0/009"},
		"a byte of the highest":     {edit("tile/8/2/000.p/1", flip(0)), nil, "tile/8/2/000.p/1", "hash 0 is not that of tile/8/1/000"},
		"a byte of the edge":        {edit("tile/8/1/001.p/134", flip(0)), nil, "tile/8/1/001.p/134", "hash 0 is not that of tile/8/0/256"},
		"a wrong signature":         {edit("latest", func(b []byte) []byte { return flip(len(b) - 10)(b) }), nil, "latest", "not signed"},
		"a signature of other text": {edit("latest", func(b []byte) []byte { return bytes.Replace(b, []byte("100000"), []byte("100001"), 1) }), nil, "latest", "not signed"},
		"a truncated tile":          {edit("tile/8/0/200", func(b []byte) []byte { return b[:100] }), nil, "tile/8/0/200", "it has 100 bytes, want 8192"},
		"truncated records":         {edit("tile/8/data/200", func(b []byte) []byte { return b[:10_000] }), nil, "tile/8/data/200", "it ends after 59 of 256 records"},
		"more records":              {edit("tile/8/data/200", func(b []byte) []byte { return append(b, b...) }), nil, "tile/8/data/200", "it has more than 256 records"},
		"a lost tile":               {func(dir string) error { return os.Remove(filepath.Join(dir, "tile/8/data/007")) }, nil, "tile/8/data/007", "it is missing"},
		"a stale head":              {edit("latest", func([]byte) []byte { return since }), now, "latest", "its tree has 1000 records, and had 100000 in the earlier head"},
		"a fork":                    {func(string) error { return nil }, forkedHead, "latest", "the log has forked"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
			for _, sub := range []string{"tile", "latest"} {
				if err := copyTo(good, dir, sub); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			wantBroken(t, fromDir(dir), l.Verifier(), AuditOptions{Since: c.since}, c.at, c.want)
		})
	}
	if _, err := Audit(t.Context(), fromDir(good), l.Verifier(), AuditOptions{Since: []byte("no head")}); err == nil || errors.As(err, new(*Broken)) {
		t.Errorf("an earlier head that is none: %v; it is not the log that is wrong", err)
	}
}

func copyTo(from, to, sub string) error {
	fi, err := os.Stat(filepath.Join(from, sub))
	if err != nil {
		return err
	}
	if fi.IsDir() {
		return os.CopyFS(filepath.Join(to, sub), os.DirFS(filepath.Join(from, sub)))
	}
	b, err := os.ReadFile(filepath.Join(from, sub))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, sub), b, 0o644)
}

func wantBroken(t *testing.T, fetch Fetch, verifier string, o AuditOptions, at, want string) {
	t.Helper()
	_, err := Audit(t.Context(), fetch, verifier, o)
	var b *Broken
	if !errors.As(err, &b) || b.Name != at || !strings.Contains(b.Reason, want) {
		t.Errorf("got %v, want %s: …%s…", err, at, want)
	}
}

// TestAuditForged: logs whose tiles and signatures all agree, and which are wrong nevertheless.
func TestAuditForged(t *testing.T) {
	key := newKey(t)
	var texts [][]byte
	for _, r := range recs(0, 1000) {
		texts = append(texts, r.Text)
	}
	twice := append(append([][]byte{}, texts...), textOf(rec(20).Version, "other"))
	l := forge(t, memoryDir(t), key, twice[:1000])
	if err := l.disk.remove(l.disk.file("lookup")); err != nil { // which has the version already
		t.Fatal(err)
	}
	l.disk.known = map[string]bool{}
	if err := l.apply(&batchOf{1000, twice[1000:]}); err != nil {
		t.Fatal(err)
	}
	wantBroken(t, fromDir(l.dir), l.Verifier(), AuditOptions{}, "tile/8/data/003.p/233", "record 1000 is of corp.example/Team/m0@v1.20.0, as record 20 is")

	// A record that is no lines of go.sum, and a head over other records than those in the tiles.
	l = forge(t, memoryDir(t), key, texts)
	edge := l.current().edge.clone()
	if err := edge.add(tlog.RecordHash([]byte("x\n")), nil); err != nil {
		t.Fatal(err)
	}
	signed, err := l.sign(edge)
	if err != nil {
		t.Fatal(err)
	}
	other := map[string][]byte{
		"latest":                signed,
		"tile/8/0/003.p/233":    flat(edge.edges[0]),
		"tile/8/data/003.p/233": append(readAll(t, l, "tile/8/data/003.p/232"), "x\n\n"...),
	}
	fetch := func(ctx context.Context, name string) ([]byte, error) {
		if b, ok := other[name]; ok {
			return b, nil
		}
		return fromDir(l.dir)(ctx, name)
	}
	wantBroken(t, fetch, l.Verifier(), AuditOptions{}, "tile/8/data/003.p/233", "record 1000: ")
	edge = l.current().edge.clone()
	edge.edges[0][5][0] ^= 1
	if other["latest"], err = l.sign(edge); err != nil {
		t.Fatal(err)
	}
	wantBroken(t, fetch, l.Verifier(), AuditOptions{}, "latest", "the signed hash is not that of the 1000 records")
}

func readAll(t *testing.T, l *Log, name string) []byte {
	t.Helper()
	b, err := answer(l, name)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b)
}

// TestAuditReference audits a database of the reference implementation, golang.org/x/mod/sumdb.
func TestAuditReference(t *testing.T) {
	db := proxytest.NewSumDB(t, dbName)
	fetch := func(ctx context.Context, name string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, db.URL+"/"+name, nil)
		if err != nil {
			return nil, err
		}
		resp, err := db.Client().Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, goproxy.Absent("not found: %s", resp.Status)
		}
		return io.ReadAll(resp.Body)
	}
	r, err := Audit(t.Context(), fetch, db.Key, AuditOptions{})
	if want := int64(len(proxytest.Fixtures(t))); err != nil || r.Tree.N != want {
		t.Errorf("got %+v, %v; want %d records", r, err, want)
	}
}

// TestAuditEnds: an audit ends with its context, and what could not be read is no fault of the log.
func TestAuditEnds(t *testing.T) {
	l := mustOpen(t, memoryDir(t), newKey(t))
	mustAppend(t, l, recs(0, 4096))
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	_, err := Audit(ctx, fromLog(l), l.Verifier(), AuditOptions{Progress: func(done, _ int64) {
		if done == 512 {
			cancel(gone)
		}
	}})
	if !errors.Is(err, gone) && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	away := errors.New("the network is away")
	_, err = Audit(t.Context(), func(ctx context.Context, name string) ([]byte, error) {
		if name == "tile/8/0/003" {
			return nil, away
		}
		return fromLog(l)(ctx, name)
	}, l.Verifier(), AuditOptions{})
	if !errors.Is(err, away) || errors.As(err, new(*Broken)) {
		t.Errorf("got %v", err)
	}
}

// TestVersions finds what comes twice beyond what is held in memory.
func TestVersions(t *testing.T) {
	for _, max := range []int{7, 1 << 20} {
		v := newVersions()
		v.max = max
		for id := range int64(1000) {
			h := versionHash(module.Version{Path: "m", Version: rec(int(id%990)).Version.Version + rec(int(id%990)).Path})
			if err := v.add(h, id); err != nil {
				t.Fatal(err)
			}
		}
		found := map[int64]int64{}
		if err := v.same(func(a, b int64) error { found[a] = b; return nil }); err != nil {
			t.Fatal(err)
		}
		for id := range int64(10) {
			if found[id] != 990+id {
				t.Errorf("max %d: record %d comes again as %d", max, id, found[id])
			}
		}
		if len(found) != 10 {
			t.Errorf("max %d: found %v", max, found)
		}
		dir := v.dir
		v.close()
		if _, err := os.Stat(dir); dir != "" && err == nil {
			t.Errorf("%s is left", dir)
		}
	}
}

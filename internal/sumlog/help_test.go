package sumlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

const dbName = "sum.example.com/db" // with a slash, as the protocol allows

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimVar); dir != "" {
		os.Exit(victim(dir))
	}
	proxytest.Main(m)
}

func newKey(t testing.TB) string {
	t.Helper()
	signer, verifier, err := GenerateKey(dbName)
	if err != nil {
		t.Fatal(err)
	}
	if of, err := VerifierOf(signer); err != nil || of != verifier {
		t.Fatalf("VerifierOf: %q, %v; want %q", of, err, verifier)
	}
	return signer
}

func mustOpen(t testing.TB, dir, signer string) *Log {
	t.Helper()
	l, err := Open(dir, signer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// textOf returns the lines of a version, with hashes that depend on it and on salt.
func textOf(v module.Version, salt string) []byte {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s + salt))
		return "h1:" + base64.StdEncoding.EncodeToString(sum[:])
	}
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", v.Path, v.Version, hash(v.String()), v.Path, v.Version, hash(v.String()+"/go.mod"))
}

func rec(i int) Record {
	v := module.Version{Path: fmt.Sprintf("corp.example/Team/m%d", i/50), Version: fmt.Sprintf("v1.%d.0", i%50)}
	return Record{v, textOf(v, "")}
}

func recs(from, to int) []Record {
	var rs []Record
	for i := from; i < to; i++ {
		rs = append(rs, rec(i))
	}
	return rs
}

func mustAppend(t testing.TB, l *Log, rs []Record) []int64 {
	t.Helper()
	ids, err := l.Append(t.Context(), rs)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func answer(l *Log, name string) ([]byte, error) {
	c, err := l.Answer(context.Background(), name)
	if err != nil {
		return nil, err
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	if err == nil && int64(len(b)) != c.Size {
		err = fmt.Errorf("%s: Size is %d, there are %d bytes", name, c.Size, len(b))
	}
	return b, err
}

// status is the kind of an error: 404, 400, 503, or -1.
func status(err error) int {
	var absent *goproxy.NotFound
	var refused *goproxy.Refused
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &absent):
		return absent.Status
	case errors.As(err, &refused):
		return refused.Status
	case errors.As(err, new(*goproxy.Unavailable)):
		return http.StatusServiceUnavailable
	}
	return -1
}

// memoryDir returns a new directory, on a disk of memory where there is one: a kill cannot show what was synced, so that
// waiting for it shows nothing.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "modhaven-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fromDir is a Fetch of a directory, as a static server has it.
func fromDir(dir string) Fetch {
	return func(_ context.Context, name string) ([]byte, error) {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, goproxy.Absent("not found: %s", name)
		}
		return b, err
	}
}

// fromLog is a Fetch of what a log answers.
func fromLog(l *Log) Fetch {
	return func(_ context.Context, name string) ([]byte, error) { return answer(l, name) }
}

// A follower keeps every head it saw and wants each to continue those before.
type follower struct {
	t     testing.TB
	v     note.Verifier
	fetch Fetch
	heads []tlog.Tree
}

func newFollower(t testing.TB, signer string, fetch Fetch) *follower {
	t.Helper()
	key, err := VerifierOf(signer)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	return &follower{t: t, v: v, fetch: fetch}
}

// see takes the newest head and has the log prove that it continues the last one.
func (f *follower) see() {
	f.t.Helper()
	signed, err := f.fetch(context.Background(), "latest")
	if err != nil {
		f.t.Fatal(err)
	}
	tree, err := openHead(signed, f.v)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(f.heads) > 0 {
		f.proves(f.heads[len(f.heads)-1], tree)
	}
	if !slices.Contains(f.heads, tree) {
		f.heads = append(f.heads, tree)
	}
}

// proveAll has the newest head prove that it continues each one that was ever seen.
func (f *follower) proveAll() {
	f.t.Helper()
	for _, old := range f.heads {
		f.proves(old, f.heads[len(f.heads)-1])
	}
}

func (f *follower) proves(old, tree tlog.Tree) {
	f.t.Helper()
	if old.N == 0 || old == tree {
		return
	}
	p, err := tlog.ProveTree(tree.N, old.N, tlog.TileHashReader(tree, fetched{f.fetch}))
	if err != nil {
		f.t.Fatalf("the tree of %d proves nothing of that of %d: %v", tree.N, old.N, err)
	}
	if err := tlog.CheckTree(p, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		f.t.Fatalf("a fork: the tree of %d does not continue that of %d: %v", tree.N, old.N, err)
	}
}

// fetched reads tiles as clients do.
type fetched struct{ fetch Fetch }

func (r fetched) Height() int { return height }

func (r fetched) ReadTiles(ts []tlog.Tile) ([][]byte, error) {
	a := &audit{fetch: r.fetch}
	var all [][]byte
	for _, t := range ts {
		b, err := a.getTile(context.Background(), t)
		if err == nil {
			b, err = cutHashes(t, b)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, bytes.Clone(b))
	}
	return all, nil
}

func (r fetched) SaveTiles([]tlog.Tile, [][]byte) {}

package gocmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// modules makes repositories of every kind and returns what to ask of them: module path → versions and queries.
func modules(g *forge) map[string][]string {
	ask := map[string][]string{}

	plain := g.Repo("plain")
	plain.Commit([]string{"v1.0.0", "v1", "notaversion", "v1.2"}, "go.mod", "module "+plain.Path+"\n\ngo 1.20\n", "a.go", "package a\n", "LICENSE", "do what you like\n")
	bare := plain.Commit(nil, "b.go", "package a\n")
	plain.Git("tag", "-a", "-m", "annotated", "v1.1.0-rc.1")
	plain.Commit([]string{"v1.1.0"}, "c.go", "package a\n")
	plain.Git("checkout", "-q", "-b", "feature/slash")
	branch := plain.Commit(nil, "d.go", "package a // on a branch\n")
	plain.Git("checkout", "-q", "main")
	ask[plain.Path] = []string{"v1.0.0", "v1.1.0-rc.1", "v1.1.0", "latest", "main", "feature/slash", bare, bare[:12], branch, "notaversion"}

	nested := g.Repo("nested")
	nested.Commit([]string{"v0.1.0", "sub/v0.2.0", "sub/deep/v1.0.0"}, "go.mod", "module "+nested.Path+"\n", "sub/go.mod", "module "+nested.Path+"/sub\n",
		"sub/deep/go.mod", "module "+nested.Path+"/sub/deep\n", "sub/s.go", "package sub\n", "LICENSE", "of the root\n", "Upper.go", "package nested\n")
	ask[nested.Path] = []string{"v0.1.0", "latest"}
	ask[nested.Path+"/sub"] = []string{"v0.2.0", "latest", "main"}
	ask[nested.Path+"/sub/deep"] = []string{"v1.0.0"}

	two := g.Repo("two")
	two.Commit([]string{"v1.0.0"}, "go.mod", "module "+two.Path+"\n", "t.go", "package two\n")
	two.Git("checkout", "-q", "-b", "v2")
	two.Commit([]string{"v2.0.0", "v2.1.0"}, "go.mod", "module "+two.Path+"/v2\n")
	two.Git("checkout", "-q", "main")
	ask[two.Path] = []string{"v1.0.0", "latest"}
	ask[two.Path+"/v2"] = []string{"v2.0.0", "v2.1.0", "latest", "v2"}

	dir := g.Repo("dir")
	dir.Commit([]string{"v1.0.0", "v2.0.0"}, "go.mod", "module "+dir.Path+"\n", "t.go", "package dir\n", "v2/go.mod", "module "+dir.Path+"/v2\n", "v2/t.go", "package dir\n")
	ask[dir.Path] = []string{"v1.0.0"}
	ask[dir.Path+"/v2"] = []string{"v2.0.0", "latest"}

	old := g.Repo("old")
	old.Commit([]string{"v1.0.0", "v2.0.0", "v3.1.0"}, "Old.go", "package old\n", "vendor/x/x.go", "package x\n", ".gitattributes", "Old.go export-ignore\n")
	ask[old.Path] = []string{"v1.0.0", "v2.0.0+incompatible", "v3.1.0+incompatible", "latest", "main", "v2.0.0"}

	mono := g.Repo("mono")
	mono.Commit([]string{"code/lib/v1.2.0", "v9.9.9"}, "README", "of the root\n", "code/lib/go.mod", "module "+mono.Path+"\n", "code/lib/m.go", "package lib\n")
	g.Page("mono", mono.Path+" git https://"+mono.Path+".git code/lib")
	ask[mono.Path] = []string{"v1.2.0", "latest"}

	odd := g.Repo("odd")
	if err := os.Symlink("a.go", filepath.Join(odd.Tree, "link.go")); err != nil {
		g.tb.Fatal(err)
	}
	odd.Commit([]string{"v1.0.0"}, "go.mod", "module (\n\t\"example.com/other\"\n)\n", "a.go", "package odd // $Format:%H$\n", ".gitattributes", "a.go export-subst\n")
	odd.Git("checkout", "-q", "-b", "side")
	odd.Commit([]string{"v1.1.0"}, "b.go", "package odd\n") // on no other branch
	side := odd.Commit(nil, "c.go", "package odd\n")
	odd.Git("checkout", "-q", "main")
	ask[odd.Path] = []string{"v1.0.0", "v1.1.0", "main", side}

	untagged := g.Repo("Untagged")
	untagged.Commit(nil, "go.mod", "module "+untagged.Path+"\n", "u.go", "package u\n")
	ask[untagged.Path] = []string{"latest", "main"}

	early := g.Repo("early") // nothing but versions before a release
	early.Commit([]string{"v0.1.0-alpha", "v0.1.0-beta.2"}, "go.mod", "module "+early.Path+"\n")
	early.Commit(nil, "e.go", "package early\n")
	ask[early.Path] = []string{"v0.1.0-alpha", "latest", "main"}

	gone := g.Repo("gone") // every version is retracted
	gone.Commit([]string{"v1.0.0"}, "go.mod", "module "+gone.Path+"\n")
	gone.Commit([]string{"v1.0.1"}, "go.mod", "module "+gone.Path+"\n\nretract [v1.0.0, v1.0.1]\n")
	ask[gone.Path] = []string{"v1.0.0", "v1.0.1", "latest", "main"}

	moved := g.Repo("moved") // annotated tags, one of which was moved before anybody asked
	moved.Commit(nil, "go.mod", "module "+moved.Path+"\n")
	moved.Git("tag", "-a", "-m", "first", "v1.0.0")
	moved.Commit(nil, "m.go", "package moved\n")
	moved.Git("tag", "-f", "-a", "-m", "second", "v1.0.0")
	moved.Git("tag", "-a", "-m", "of a tag", "v1.0.1", "v1.0.0")
	moved.Push()
	ask[moved.Path] = []string{"v1.0.0", "v1.0.1", "latest"}

	taken := g.Repo("taken")
	taken.Commit([]string{"v1.0.0"}, "go.mod", "module "+taken.Path+"\n", "t.go", "package t\n")
	taken.Commit([]string{"v1.0.1"}, "go.mod", "module "+taken.Path+"\n\nretract v1.0.1\n")
	ask[taken.Path] = []string{"v1.0.0", "v1.0.1", "latest"}
	return ask
}

// TestSame has each answer be the one that the go command gives by itself.
func TestSame(t *testing.T) {
	g := newForge(t)
	sameAll(t, g, g.fetcher(Options{}), modules(g))
}

// sameAll asks for lists of modules, and what else is to be asked of them.
func sameAll(t *testing.T, g *forge, f *Fetcher, ask map[string][]string) {
	cache := filepath.Join(t.TempDir(), "plain")
	defer removeAll(cache)
	turns := make(chan struct{}, 4) // t.Parallel does not go with t.Setenv
	var all sync.WaitGroup
	defer all.Wait()
	for path, queries := range ask {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			t.Run(strings.TrimPrefix(path, hostName+"/"), func(t *testing.T) {
				sameList(t, g, f, cache, path)
				for _, query := range queries {
					t.Run(query, func(t *testing.T) { same(t, g, f, cache, path, query) })
				}
			})
		})
	}
}

func sameList(t *testing.T, g *forge, f *Fetcher, cache, path string) {
	t.Helper()
	out, err := g.plainGo(f, cache, "list", "-m", "-versions", "-retracted", "-f", "{{range .Versions}}{{.}}\n{{end}}", path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(f.List(t.Context(), path))
	if want := strings.Trim(string(out), "\n"); err != nil || strings.TrimSuffix(got, "\n") != want {
		t.Errorf("list: got %q, %v, want %q", got, err, want)
	}
}

func same(t *testing.T, g *forge, f *Fetcher, cache, path, query string) {
	out, err := g.plainGo(f, cache, "mod", "download", "-json", path+"@"+query)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var want struct{ Version, Info, GoMod, Zip, Sum string }
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	info, err := os.ReadFile(want.Info)
	if err != nil {
		t.Fatal(err)
	}
	if query != want.Version {
		got, err := read(f.Query(t.Context(), path, query))
		if err != nil || got != string(info) {
			t.Errorf("query: got %s, %v, want %s", got, err, info)
		}
	}
	if !semver.IsValid(want.Version) {
		t.Fatalf("go gave version %q", want.Version)
	}
	if got, err := fetch(f, file(path, want.Version, goproxy.Info)); err != nil || string(got) != string(info) {
		t.Errorf(".info: got %s, %v, want %s", got, err, info)
	}
	mod, err := os.ReadFile(want.GoMod)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fetch(f, file(path, want.Version, goproxy.Mod)); err != nil || string(got) != string(mod) {
		t.Errorf(".mod: got %s, %v, want %s", got, err, mod)
	}
	if m, err := f.Stat(t.Context(), file(path, want.Version, goproxy.Mod)); err != nil || m.Size != int64(len(mod)) {
		t.Errorf("Stat of .mod: %+v, %v, want %d bytes", m, err, len(mod))
	}
	zip, err := fetch(f, file(path, want.Version, goproxy.Zip))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "m.zip")
	write(t, name, string(zip))
	if h1, err := dirhash.HashZip(name, dirhash.Hash1); err != nil || h1 != want.Sum {
		t.Errorf("zip: %s, %v, want %s", h1, err, want.Sum)
	}
}

// TestModWithoutZip has a .mod not cost a zip.
func TestModWithoutZip(t *testing.T) {
	g := newForge(t)
	r := g.Repo("plain")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	f := g.fetcher(Options{})
	if _, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Mod)); err != nil {
		t.Fatal(err)
	}
	if m, err := f.Stat(t.Context(), file(r.Path, "v1.0.0", goproxy.Zip)); err != nil || m.Size != -1 {
		t.Errorf("Stat of the zip: %+v, %v, want a negative size", m, err)
	}
}

// TestMovedTag has a version stay as it was first seen, and new tags be seen.
func TestMovedTag(t *testing.T) {
	g := newForge(t)
	r := g.Repo("moved")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	f := g.fetcher(Options{})
	before, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip))
	if err != nil {
		t.Fatal(err)
	}
	r.Commit([]string{"v1.0.0", "v1.1.0"}, "a.go", "package moved\n")
	after, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip))
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("v1.0.0 is another file after its tag was moved, or %v", err)
	}
	if list, err := read(f.List(t.Context(), r.Path)); err != nil || list != "v1.0.0\nv1.1.0\n" {
		t.Errorf("list: %q, %v", list, err)
	}
	if _, err := fetch(f, file(r.Path, "v1.1.0", goproxy.Zip)); err != nil {
		t.Error(err)
	}
}

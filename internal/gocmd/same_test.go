package gocmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// modules makes repositories of every kind and returns what to ask of them: module path → versions and queries.
func modules(g *forge) map[string][]string {
	ask := map[string][]string{}

	plain := g.repo("plain")
	plain.commit([]string{"v1.0.0", "v1", "notaversion", "v1.2"}, "go.mod", "module "+plain.path()+"\n\ngo 1.20\n", "a.go", "package a\n", "LICENSE", "do what you like\n")
	bare := plain.commit(nil, "b.go", "package a\n")
	plain.git("-c", "user.name=T", "-c", "user.email=t@example.com", "tag", "-a", "-m", "annotated", "v1.1.0-rc.1")
	plain.commit([]string{"v1.1.0"}, "c.go", "package a\n")
	plain.git("checkout", "-q", "-b", "feature/slash")
	branch := plain.commit(nil, "d.go", "package a // on a branch\n")
	plain.git("checkout", "-q", "main")
	ask[plain.path()] = []string{"v1.0.0", "v1.1.0-rc.1", "v1.1.0", "latest", "main", "feature/slash", bare, bare[:12], branch, "notaversion"}

	nested := g.repo("nested")
	nested.commit([]string{"v0.1.0", "sub/v0.2.0", "sub/deep/v1.0.0"}, "go.mod", "module "+nested.path()+"\n", "sub/go.mod", "module "+nested.path()+"/sub\n",
		"sub/deep/go.mod", "module "+nested.path()+"/sub/deep\n", "sub/s.go", "package sub\n", "LICENSE", "of the root\n", "Upper.go", "package nested\n")
	ask[nested.path()] = []string{"v0.1.0", "latest"}
	ask[nested.path()+"/sub"] = []string{"v0.2.0", "latest", "main"}
	ask[nested.path()+"/sub/deep"] = []string{"v1.0.0"}

	two := g.repo("two")
	two.commit([]string{"v1.0.0"}, "go.mod", "module "+two.path()+"\n", "t.go", "package two\n")
	two.git("checkout", "-q", "-b", "v2")
	two.commit([]string{"v2.0.0", "v2.1.0"}, "go.mod", "module "+two.path()+"/v2\n")
	two.git("checkout", "-q", "main")
	ask[two.path()] = []string{"v1.0.0", "latest"}
	ask[two.path()+"/v2"] = []string{"v2.0.0", "v2.1.0", "latest", "v2"}

	dir := g.repo("dir")
	dir.commit([]string{"v1.0.0", "v2.0.0"}, "go.mod", "module "+dir.path()+"\n", "t.go", "package dir\n", "v2/go.mod", "module "+dir.path()+"/v2\n", "v2/t.go", "package dir\n")
	ask[dir.path()] = []string{"v1.0.0"}
	ask[dir.path()+"/v2"] = []string{"v2.0.0", "latest"}

	old := g.repo("old")
	old.commit([]string{"v1.0.0", "v2.0.0", "v3.1.0"}, "Old.go", "package old\n", "vendor/x/x.go", "package x\n", ".gitattributes", "Old.go export-ignore\n")
	ask[old.path()] = []string{"v1.0.0", "v2.0.0+incompatible", "v3.1.0+incompatible", "latest", "main", "v2.0.0"}

	mono := g.repo("mono")
	mono.commit([]string{"code/lib/v1.2.0", "v9.9.9"}, "README", "of the root\n", "code/lib/go.mod", "module "+mono.path()+"\n", "code/lib/m.go", "package lib\n")
	g.pages.Store("mono", mono.path()+" git https://"+mono.path()+".git code/lib")
	ask[mono.path()] = []string{"v1.2.0", "latest"}

	odd := g.repo("odd")
	if err := os.Symlink("a.go", filepath.Join(odd.tree, "link.go")); err != nil {
		g.tb.Fatal(err)
	}
	odd.commit([]string{"v1.0.0"}, "go.mod", "module (\n\t\"example.com/other\"\n)\n", "a.go", "package odd // $Format:%H$\n", ".gitattributes", "a.go export-subst\n")
	odd.git("checkout", "-q", "-b", "side")
	odd.commit([]string{"v1.1.0"}, "b.go", "package odd\n") // on no other branch
	side := odd.commit(nil, "c.go", "package odd\n")
	odd.git("checkout", "-q", "main")
	ask[odd.path()] = []string{"v1.0.0", "v1.1.0", "main", side}

	untagged := g.repo("Untagged")
	untagged.commit(nil, "go.mod", "module "+untagged.path()+"\n", "u.go", "package u\n")
	ask[untagged.path()] = []string{"latest", "main"}

	taken := g.repo("taken")
	taken.commit([]string{"v1.0.0"}, "go.mod", "module "+taken.path()+"\n", "t.go", "package t\n")
	taken.commit([]string{"v1.0.1"}, "go.mod", "module "+taken.path()+"\n\nretract v1.0.1\n")
	ask[taken.path()] = []string{"v1.0.0", "v1.0.1", "latest"}
	return ask
}

// TestSame has every answer be what the go command gets by itself.
func TestSame(t *testing.T) {
	g := newForge(t)
	f := g.fetcher(Options{})
	cache := filepath.Join(t.TempDir(), "plain")
	defer removeAll(cache)
	for path, queries := range modules(g) {
		t.Run(strings.TrimPrefix(path, hostName+"/"), func(t *testing.T) {
			sameList(t, g, f, cache, path)
			for _, query := range queries {
				t.Run(query, func(t *testing.T) { same(t, g, f, cache, path, query) })
			}
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
	r := g.repo("plain")
	r.commit([]string{"v1.0.0"}, "go.mod", "module "+r.path()+"\n")
	f := g.fetcher(Options{})
	if _, err := fetch(f, file(r.path(), "v1.0.0", goproxy.Mod)); err != nil {
		t.Fatal(err)
	}
	if m, err := f.Stat(t.Context(), file(r.path(), "v1.0.0", goproxy.Zip)); err != nil || m.Size != -1 {
		t.Errorf("Stat of the zip: %+v, %v, want a negative size", m, err)
	}
}

// TestMovedTag has a version stay as it was first seen, and new tags be seen.
func TestMovedTag(t *testing.T) {
	g := newForge(t)
	r := g.repo("moved")
	r.commit([]string{"v1.0.0"}, "go.mod", "module "+r.path()+"\n")
	f := g.fetcher(Options{})
	before, err := fetch(f, file(r.path(), "v1.0.0", goproxy.Zip))
	if err != nil {
		t.Fatal(err)
	}
	r.commit([]string{"v1.0.0", "v1.1.0"}, "a.go", "package moved\n")
	after, err := fetch(f, file(r.path(), "v1.0.0", goproxy.Zip))
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("v1.0.0 is another file after its tag was moved, or %v", err)
	}
	if list, err := read(f.List(t.Context(), r.path())); err != nil || list != "v1.0.0\nv1.1.0\n" {
		t.Errorf("list: %q, %v", list, err)
	}
	if _, err := fetch(f, file(r.path(), "v1.1.0", goproxy.Zip)); err != nil {
		t.Error(err)
	}
}

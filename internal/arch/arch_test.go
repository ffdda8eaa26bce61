package arch

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// TestTree checks this module.
func TestTree(t *testing.T) {
	wrong, err := Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Error(w)
	}
}

// TestTreeIsRead makes sure that TestTree sees what it judges.
func TestTreeIsRead(t *testing.T) {
	m, err := read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range m.packages {
		seen[p.dir] = true
	}
	for _, dir := range []string{"cmd/modhaven", "internal/goproxy", "internal/store", "internal/proxy", "internal/server", "internal/arch"} {
		if !seen[dir] {
			t.Errorf("%s was not read", dir)
		}
	}
}

// TestCheck checks small modules: each archive in testdata is one, and its comment is
// what must be said of it, a part of each line.
func TestCheck(t *testing.T) {
	names, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range names {
		t.Run(strings.TrimSuffix(e.Name(), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile("testdata/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			a.Files = append(a.Files, txtar.File{Name: "go.mod", Data: []byte("module m.test\n")})
			fsys, err := txtar.FS(a)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Check(fsys)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSuffix(string(a.Comment), "\n"), "\n")
			if len(a.Comment) == 0 {
				want = nil
			}
			if len(got) != len(want) {
				t.Fatalf("got %d lines, want %d:\n%s", len(got), len(want), cmp.Diff(want, got))
			}
			for i := range want {
				if !strings.HasPrefix(got[i], want[i]) {
					t.Errorf("got  %s\nwant %s…", got[i], want[i])
				}
			}
		})
	}
}

func TestCheckNeedsGoMod(t *testing.T) {
	if _, err := Check(os.DirFS(t.TempDir())); err == nil {
		t.Error("no error without a go.mod")
	}
}

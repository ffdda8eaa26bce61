package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/modhaven/modhaven/internal/config"
)

const aheadSums = `
a.example/a v1.0.0 h1:x
a.example/a v1.0.0/go.mod h1:x
a.example/b v1.2.0 h1:x
a.example/b v1.2.0/go.mod h1:x
a.example/b v1.1.0/go.mod h1:x
a.example/c v0.1.0/go.mod h1:x
a.example/d v0.9.0 h1:x
a.example/d v0.9.0/go.mod h1:x
a.example/D v1.0.0/go.mod h1:x
broken line
a.example/e master h1:x
`

func TestProjectFiles(t *testing.T) {
	for _, test := range []struct {
		name, dir string
		env       []string
		files     string // txtar; $SUMS stands for aheadSums
		want      string
	}{
		{"what a go.mod requires", "", nil,
			"-- go.mod --\nmodule m\ngo 1.21\nrequire (\n a.example/a v1.0.0\n a.example/b v1.2.0 // indirect\n a.example/c v0.1.0\n a.example/none v1.0.0\n)\n-- go.sum --\n$SUMS",
			"a@v1.0.0.mod b@v1.2.0.mod c@v0.1.0.mod a@v1.0.0.zip b@v1.2.0.zip"},
		{"from below", "x/y", nil,
			"-- go.mod --\nmodule m\ngo 1.21\nrequire a.example/a v1.0.0\n-- go.sum --\n$SUMS\n-- x/y/z.go --\n",
			"a@v1.0.0.mod a@v1.0.0.zip"},
		{"the whole graph before go 1.17", "", nil,
			"-- go.mod --\nmodule m\ngo 1.16\nrequire a.example/b v1.2.0\n-- go.sum --\n$SUMS",
			"D@v1.0.0.mod b@v1.1.0.mod c@v0.1.0.mod b@v1.2.0.mod a@v1.0.0.mod d@v0.9.0.mod b@v1.2.0.zip a@v1.0.0.zip d@v0.9.0.zip"},
		{"replaced", "", nil,
			"-- go.mod --\nmodule m\ngo 1.21\nrequire (\n a.example/a v1.0.0\n a.example/b v1.0.0\n a.example/c v0.1.0\n)\nreplace a.example/a => ./a\nreplace a.example/b v1.0.0 => a.example/d v0.9.0\nreplace a.example/c v0.2.0 => ./c\n-- go.sum --\n$SUMS",
			"d@v0.9.0.mod c@v0.1.0.mod d@v0.9.0.zip"},
		{"a workspace", "a", nil,
			"-- go.work --\ngo 1.21\nuse (\n ./a\n ./b\n)\n-- a/go.mod --\nmodule a\ngo 1.21\nrequire a.example/a v1.0.0\n-- a/go.sum --\n$SUMS\n-- b/go.mod --\nmodule b\ngo 1.21\nrequire (\n a.example/a v1.0.0\n a.example/d v0.9.0\n)\n-- b/go.sum --\n$SUMS",
			"a@v1.0.0.mod a@v1.0.0.zip d@v0.9.0.mod d@v0.9.0.zip"},
		{"no workspace", "a", []string{"GOWORK=off"},
			"-- go.work --\ngo 1.21\nuse ./b\n-- a/go.mod --\nmodule a\ngo 1.21\nrequire a.example/a v1.0.0\n-- a/go.sum --\n$SUMS",
			"a@v1.0.0.mod a@v1.0.0.zip"},
		{"vendored", "", nil,
			"-- go.mod --\nmodule m\ngo 1.21\nrequire a.example/a v1.0.0\n-- go.sum --\n$SUMS\n-- vendor/modules.txt --\n", ""},
		{"vendored, and not used", "", []string{"GOFLAGS=-mod=mod"},
			"-- go.mod --\nmodule m\ngo 1.21\nrequire a.example/a v1.0.0\n-- go.sum --\n$SUMS\n-- vendor/modules.txt --\n", "a@v1.0.0.mod a@v1.0.0.zip"},
		{"set to vendor", "", []string{"GOFLAGS=-v -mod=vendor"},
			"-- go.mod --\nmodule m\ngo 1.21\nrequire a.example/a v1.0.0\n-- go.sum --\n$SUMS", ""},
		{"in the module cache", "", []string{"GOMODCACHE=$DIR/cache"},
			"-- go.mod --\nmodule m\ngo 1.21\nrequire (\n a.example/a v1.0.0\n a.example/d v0.9.0\n)\n-- go.sum --\n$SUMS\n-- cache/cache/download/a.example/a/@v/v1.0.0.zip --\n-- cache/cache/download/a.example/d/@v/v0.9.0.mod --\n",
			"a@v1.0.0.mod d@v0.9.0.zip"},
		{"below GOPATH", "", []string{"GOPATH=$DIR/go" + string(filepath.ListSeparator) + "$DIR"},
			"-- go.mod --\nmodule m\ngo 1.21\nrequire a.example/a v1.0.0\n-- go.sum --\n$SUMS\n-- go/pkg/mod/cache/download/a.example/a/@v/v1.0.0.mod --\n",
			"a@v1.0.0.zip"},
		{"no go.sum", "", nil, "-- go.mod --\nmodule m\ngo 1.21\nrequire a.example/a v1.0.0\n", ""},
		{"no go.mod", "", nil, "-- go.sum --\n$SUMS", ""},
		{"a broken go.mod", "", nil, "-- go.mod --\nmodule m\nrequire (\n-- go.sum --\n$SUMS", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range txtar.Parse([]byte(strings.ReplaceAll(test.files, "$SUMS", aheadSums))).Files {
				name := filepath.Join(dir, filepath.FromSlash(f.Name))
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			env := []string{"GOENV=off", "GOMODCACHE=" + filepath.Join(dir, "empty")}
			for _, v := range test.env {
				v = strings.ReplaceAll(v, "$DIR", dir)
				if strings.HasPrefix(v, "GOPATH=") {
					env = slices.Delete(env, 1, 2)
				}
				env = append(env, v)
			}
			var got []string
			for _, f := range projectFiles(filepath.Join(dir, test.dir), config.ReadGoEnv(env)) {
				got = append(got, strings.TrimPrefix(f.String(), "a.example/"))
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

package main

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPublish(t *testing.T) {
	root, out := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/Upper\n\ngo 1.26\n", "m.go": "package m\n",
		"nested/go.mod": "module example.com/Upper/nested\n", "nested/n.go": "package n\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "t"}} {
		if msg, err := exec.Command("git", append([]string{"-C", root}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, msg)
		}
	}
	var stderr strings.Builder
	if got := run([]string{"-root", root, "-version", "v1.0.0", out}, &stderr); got != 0 {
		t.Fatalf("status %d: %s", got, stderr.String())
	}
	at := filepath.Join(out, "example.com/!upper/@v")
	r, err := zip.OpenReader(filepath.Join(at, "v1.0.0.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	if got, want := strings.Join(names, " "), "example.com/Upper@v1.0.0/go.mod example.com/Upper@v1.0.0/m.go"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, want := range map[string]string{"list": "v1.0.0\n", "v1.0.0.info": "{\"Version\":\"v1.0.0\"}\n", "v1.0.0.mod": "module example.com/Upper\n\ngo 1.26\n"} {
		if got, err := os.ReadFile(filepath.Join(at, name)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
	if got := run([]string{"-root", root, "-version", "1.0", out}, &stderr); got != 1 {
		t.Errorf("a version that is none: status %d", got)
	}
}

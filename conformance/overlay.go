package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// hooks is a file added to cmd/go's tests; the edits call what it declares.
//
//go:embed hooks/hooks_test.go.txt
var hooks string

const hooksFile = "modhaven_conformance_test.go"

// An edit replaces one place in one of cmd/go's test files.
type edit struct {
	file     string
	old, new string
}

// edits let a script's GOPROXY and lines be set from outside, cut off the external
// network, which long mode would use for a few scripts, and lead the go command
// to Modhaven where it would fetch from vcsHost itself, if vcsEnv says so. cmd/go's own way to
// its test proxy stays as it is: the plan overrides it for every script, and a
// script that is not in the plan fails.
func edits() []edit {
	const dirs = "telemetryDir := initScriptDirs(t, s)\n"
	const script = "bytes.NewReader(a.Comment))\n\t\t\tcheckCounters"
	const network = "if !testenv.HasExternalNetwork() {"
	const direct = "\tcase \"direct\":\n\t\treturn lookupDirect(ctx, path)"
	const insteadOfDirect = "\tcase \"direct\":\n\t\tconst host = \"" + vcsHost + "/\"\n\t\tif u := os.Getenv(\"" + vcsEnv + "\"); u != \"\" && len(path) > len(host) && path[:len(host)] == host {\n" +
		"\t\t\treturn newProxyRepo(u, path)\n\t\t}\n"
	return []edit{
		{"script_test.go", dirs, dirs + "\t\t\tconformanceScript(t, s, name)\n"},
		{"script_test.go", script, "bytes.NewReader(conformanceText(t, name, a.Comment)))\n\t\t\tcheckCounters"},
		{"scriptconds_test.go", network, "if conformanceOffline() || !testenv.HasExternalNetwork() {"},
		{"internal/modfetch/repo.go", direct, insteadOfDirect + direct[len(direct)-len("\t\treturn lookupDirect(ctx, path)"):]},
	}
}

// apply returns src with the edit made, or an error unless there is exactly
// one place for it: a Go version with other test files needs other edits.
func (e edit) apply(src string) (string, error) {
	if n := strings.Count(src, e.old); n != 1 {
		return "", fmt.Errorf("%s: %q occurs %d times, want once: the edit does not fit this Go version", e.file, e.old, n)
	}
	return strings.Replace(src, e.old, e.new, 1), nil
}

// A testBinary is cmd/go's test binary with the edits, and its cache directory.
type testBinary struct {
	path string
	dir  string
}

// buildBinary returns the test binary for g, building it if it is not in cache.
func buildBinary(ctx context.Context, g goTree, cache string, say func(string, ...any)) (testBinary, error) {
	dir := filepath.Join(cache, fmt.Sprintf("%s-%s-%s-%s", g.version, runtime.GOOS, runtime.GOARCH, editsHash(g)))
	b := testBinary{path: filepath.Join(dir, "cmdgo.test"), dir: dir}
	if info, err := os.Stat(b.path); err == nil && info.Mode().IsRegular() {
		return b, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return b, err
	}
	say("building cmd/go's test binary of %s (once; about a minute)", g.version)
	work, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return b, err
	}
	defer os.RemoveAll(work)
	overlay, err := writeOverlay(g, work)
	if err != nil {
		return b, err
	}
	tmp := filepath.Join(work, "cmdgo.test")
	if err := compile(ctx, g, g.cmdgo, overlay, tmp, "cmd/go"); err != nil {
		return b, err
	}
	return b, os.Rename(tmp, b.path)
}

// compile builds the test binary of a package in dir. overlay may be "".
func compile(ctx context.Context, g goTree, dir, overlay, out, pkg string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	cmd := command(ctx, g.tool, "test", "-c", "-overlay", overlay, "-o", out, pkg)
	cmd.Dir = dir
	cmd.Env = cleanEnv("GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local", "GOENV=off")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c %s: %w\n%s", pkg, err, indent(lastLines(string(msg), 15)))
	}
	return nil
}

// writeOverlay makes the edited files in dir and returns the overlay file that names them.
func writeOverlay(g goTree, dir string) (string, error) {
	replace := map[string]string{}
	add := func(name, text string) error {
		to := filepath.Join(dir, filepath.Base(name))
		replace[filepath.Join(g.cmdgo, name)] = to
		return os.WriteFile(to, []byte(text), 0o644)
	}
	texts := map[string]string{}
	for _, e := range edits() {
		if _, ok := texts[e.file]; !ok {
			src, err := os.ReadFile(filepath.Join(g.cmdgo, e.file))
			if err != nil {
				return "", err
			}
			texts[e.file] = string(src)
		}
		var err error
		if texts[e.file], err = e.apply(texts[e.file]); err != nil {
			return "", err
		}
	}
	for file, text := range texts {
		if err := add(file, text); err != nil {
			return "", err
		}
	}
	if err := add(hooksFile, hooks); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, data, 0o644)
}

// editsHash names what goes into the binary besides the Go version.
func editsHash(g goTree) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q", g.root, hooks)
	for _, e := range edits() {
		fmt.Fprintf(h, " %q", e)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}

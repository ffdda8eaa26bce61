package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// A goTree is the installed Go distribution whose tests are run.
type goTree struct {
	root    string // GOROOT
	version string // such as go1.26.8
	tool    string // root/bin/go
	cmdgo   string // root/src/cmd/go, with testdata
}

// findGo returns the distribution of the go command in PATH.
func findGo(ctx context.Context) (goTree, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION")
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local")
	out, err := cmd.Output()
	if err != nil {
		return goTree{}, fmt.Errorf("go env: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 {
		return goTree{}, fmt.Errorf("go env: unexpected output %q", out)
	}
	root := strings.TrimSpace(lines[0])
	g := goTree{
		root:    root,
		version: strings.ReplaceAll(strings.TrimSpace(lines[1]), " ", "_"),
		tool:    filepath.Join(root, "bin", "go"),
		cmdgo:   filepath.Join(root, "src", "cmd", "go"),
	}
	if _, err := os.Stat(filepath.Join(g.cmdgo, "testdata", "script")); err != nil {
		return g, fmt.Errorf("%s: no cmd/go tests here: use a Go installed from go.dev/dl (a distribution's package may lack them): %w", root, err)
	}
	return g, nil
}

// scripts returns the names of the scripts that match pattern, and their text.
func (g goTree) scripts(pattern *regexp.Regexp) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(g.cmdgo, "testdata", "script", "*.txt"))
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if name == "README" || !pattern.MatchString(name) {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		texts[name] = string(data)
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("-run %s: no script matches", pattern)
	}
	return texts, nil
}

var verifierKey = regexp.MustCompile(`testSumDBVerifierKey\s*=\s*"([^"]+)"`)

// sumdbKey returns the public key of the test proxy's checksum database.
func (g goTree) sumdbKey() (string, error) {
	file := filepath.Join(g.cmdgo, "proxy_test.go")
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	m := verifierKey.FindSubmatch(data)
	if m == nil {
		return "", fmt.Errorf("%s: no testSumDBVerifierKey: this Go version keeps it elsewhere", file)
	}
	return string(m[1]), nil
}

var (
	// A script that puts something after the proxy's URL uses the test proxy's
	// special answers: $GOPROXY/invalid, $proxy/404, $proxy/sumdb-wrong.
	proxyTail = regexp.MustCompile(`\$\{?\w*(?i:proxy)\w*\}?'?/`)
	// A script may expect the /mod of the test proxy's URL in a message.
	modInURL = regexp.MustCompile(`(?m)^.*std(err|out) .*http\S*/mod/`)
	// Or that this URL begins with http://.
	plainURL = regexp.MustCompile(`(?m)^.*std(err|out) .*http://`)
)

// needsFront reports whether a script only works behind a server that knows
// the test proxy's special answers and serves modules below /mod.
func needsFront(text string) bool { return proxyTail.MatchString(text) || modInURL.MatchString(text) }

// needsPlain reports whether a script only works with a plain http:// proxy.
func needsPlain(text string) bool { return plainURL.MatchString(text) }

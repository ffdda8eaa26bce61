package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// Several at once fill one empty store, and what is in it afterwards is whole: the go
// command takes it from there without us.
func TestExecAtOnce(t *testing.T) {
	const n = 8
	big := proxytest.BigModule("example.com/big", "v1.0.0", 9<<20, 1)
	u := proxytest.New(t, proxytest.Modules(big))
	const goMod = `module example.test/main

go 1.21

require (
	example.com/Upper v1.0.0
	example.com/big v1.0.0
	example.com/graph/a v1.0.0
	example.com/hello v1.0.0
	example.com/plain v1.1.0
)
`
	state := filepath.Join(t.TempDir(), "state")
	summary := regexp.MustCompile(`(?m)^modhaven: \d modules \(\d from the store\), \d+\.\d MB$`)
	var wg sync.WaitGroup
	for range n {
		cmd := exec.CommandContext(t.Context(), "modhaven", "exec", "--state", state, "--", "go", "mod", "download")
		cmd.Dir, cmd.Env = proxytest.GoModule(t, "go.mod", goMod), proxytest.GoEnv(t, u.URL, "off")
		wg.Go(func() {
			out, err := cmd.CombinedOutput()
			if err != nil || !summary.Match(out) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	wg.Wait()
	if left, err := os.ReadDir(filepath.Join(state, "spool")); err != nil || len(left) > 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
	env := proxytest.GoEnv(t, "file://"+filepath.ToSlash(filepath.Join(state, "modules")), "off")
	if _, stderr, err := proxytest.Go(t, proxytest.GoModule(t, "go.mod", goMod), env, "mod", "download"); err != nil {
		t.Errorf("from the store alone: %v\n%s", err, stderr)
	}
	stored := 0
	for _, m := range proxytest.Fixtures(t) {
		got, err := os.ReadFile(filepath.Join(state, "modules", filepath.FromSlash(m.Name("zip"))))
		if err == nil && string(got) != string(m.Zip) {
			t.Errorf("%s is not what the upstream has", m.Name("zip"))
		}
		if err == nil {
			stored++
		}
	}
	if stored < 4 {
		t.Errorf("%d fixtures are stored, want at least the 4 that are required", stored)
	}
}

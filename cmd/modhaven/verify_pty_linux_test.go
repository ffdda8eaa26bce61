package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// rottenStore returns an upstream, a state directory whose one zip is not what it was, the zip's name, and the environment for both.
func rottenStore(t *testing.T) (u *proxytest.Upstream, state, zip string, env []string) {
	t.Helper()
	u, state = proxytest.New(t), t.TempDir()
	env = append(proxytest.GoEnv(t, u.URL, "off"), "TERM=xterm")
	cmd := exec.Command("modhaven", "exec", "--state", state, "--", "go", "mod", "download", "example.com/plain@v1.1.0")
	cmd.Dir, cmd.Env = proxytest.GoModule(t, "go.mod", "module example.test/main\n"), env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	zip = filepath.Join(state, "modules/example.com/plain/@v/v1.1.0.zip")
	if err := os.WriteFile(zip, []byte(strings.Repeat("rotten", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	return u, state, zip, env
}

// An interrupt ends it with what was seen so far. What is rotten is not served, though it was not fetched again.
func TestVerifyInterrupted(t *testing.T) {
	u, state, zip, env := rottenStore(t)
	gate := u.Pause("*.zip", 0)
	tr := &transcript{more: make(chan struct{})}
	cmd := exec.Command("modhaven", "verify", "--repair", "--state", state)
	tty := onTerminal(t, cmd, tr)
	cmd.Env = env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-gate.Reached()
	if _, err := tty.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != exitFailed {
		t.Errorf("%v, want exit status 1\n%q", cmd.ProcessState, tr)
	}
	tr.await(t, "example.com/plain@v1.1.0.zip is WRONG: no valid zip: zip: not a valid zip file; it is out of the store, and was not fetched again: ")
	tr.await(t, "modhaven: interrupted before everything was done\r\n")
	if _, err := os.Stat(zip); !os.IsNotExist(err) {
		t.Errorf("the rotten file is there: %v", err)
	}
}

// A terminal shows how far it is, and nothing is left of that.
func TestVerifyProgress(t *testing.T) {
	u, state, _, env := rottenStore(t)
	u.Fail("*.zip", proxytest.Delay(shownAfter)) // or it is over before anything is shown
	tr := &transcript{more: make(chan struct{})}
	cmd := exec.Command("modhaven", "verify", "--repair", "--state", state)
	onTerminal(t, cmd, tr)
	cmd.Env = env
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%q", err, tr)
	}
	tr.await(t, "verified 3 files")
	tr.await(t, "1 fetched again")
	if !strings.Contains(tr.String(), eraseLine+"3 files, ") || !strings.Contains(tr.String(), "(100 %)\r"+eraseLine+"verified ") {
		t.Errorf("no progress was shown, or some is left: %q", tr)
	}
}

//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/config"
)

// TestSSHCommand: whatever the files are called, ssh is told their names: through a shell, and with the real ssh through its own reading.
func TestSSHCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `it's odd 100% $HOME `+"`x`")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	hosts, key := filepath.Join(dir, "known hosts"), filepath.Join(dir, "key")
	command, err := sshCommand(&config.Config{DirectKnownHosts: hosts, DirectSSHKey: key})
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", command+" host")
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "HOME=/nowhere"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`UserKnownHostsFile="` + strings.ReplaceAll(hosts, "%", "%%") + `"`, `IdentityFile="` + strings.ReplaceAll(key, "%", "%%") + `"`, "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"} {
		if !strings.Contains(string(out), want+"\n") {
			t.Errorf("ssh was told\n%swant %s", out, want)
		}
	}
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("the rest needs ssh: ", err)
	}
	cmd = exec.Command("sh", "-c", strings.Replace(command, "ssh ", ssh+" -G ", 1)+" host")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + bin}
	out, err = cmd.CombinedOutput()
	if text := strings.ReplaceAll(string(out), "%%", "%"); err != nil || !strings.Contains(text, "userknownhostsfile "+hosts) {
		t.Errorf("ssh -G: %v\n%s", err, out)
	}
}

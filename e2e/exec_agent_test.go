package e2e_test

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// newAgent runs a real SSH agent that has one key, and returns its socket.
func newAgent(t *testing.T, key string) string {
	t.Helper()
	bin, err := exec.LookPath("ssh-agent")
	if err != nil {
		t.Skipf("ssh-agent is not installed: %v", err)
	}
	dir, err := os.MkdirTemp("", "agent") // the name of a socket may not be long
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(bin, "-D", "-a", socket)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); os.RemoveAll(dir) })
	if _, err := stdout.Read(make([]byte, 1)); err != nil { // it says where it is once it listens
		t.Fatalf("ssh-agent: %v", err)
	}
	add := exec.Command("ssh-add", "-q", key)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v\n%s", err, out)
	}
	return socket
}

// TestExecAgent: a key that only the caller's SSH agent has fetches his private module behind exec, as it does without.
func TestExecAgent(t *testing.T) {
	t.Parallel()
	g := newForge(t)
	g.Module("team/lib", "v1.0.0")
	module := forgeHost + "/team/lib.git"
	g.Repo("team/lib").Commit([]string{"v1.1.0"}, "go.mod", "module "+module+"\n\ngo 1.21\n", "lib.go", "package lib\n")
	s := newSSHD(t, g)
	agent := []string{"SSH_AUTH_SOCK=" + newAgent(t, s.key)}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	config := file(t, "ssh_config", "BatchMode yes\nIdentityFile none\nStrictHostKeyChecking yes\nUserKnownHostsFile \""+s.known+"\"\n")
	l := newLaptop(t, g, "GIT_SSH_COMMAND=ssh -F "+config)
	l.write(".gitconfig", "[url \"ssh://"+me.Username+"@"+s.addr+"/\"]\n\tinsteadOf = https://"+forgeHost+"/\n")
	const nobody = "SSH_AUTH_SOCK="
	if _, errs, err := l.run([]string{nobody}, program, "exec", "-q", "--", "go", "mod", "download", module+"@v1.1.0"); err == nil || !strings.Contains(errs, "no secure protocol found") {
		t.Errorf("without the agent: %v\n%s", err, errs)
	}
	want := l.sum(agent, module+"@v1.1.0", plainGo...)
	if got := l.sum(agent, module+"@v1.1.0", behindExec()...); got != want {
		t.Errorf("behind exec it is %s, without it %s", got, want)
	}
	if err := os.RemoveAll(filepath.Join(g.Root, "team")); err != nil {
		t.Fatal(err)
	}
	if got := l.sum([]string{nobody}, module+"@v1.1.0", behindExec()...); got != want {
		t.Errorf("with the repository gone it is %s, want %s from the store", got, want)
	}
	if n := g.Asked(); n > 0 {
		t.Errorf("git came over https %d times", n)
	}
}

package gocmd

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestSSHInside has ssh connect where the guard allows it alone, with a real server on loopback.
func TestSSHInside(t *testing.T) {
	g := newForge(t)
	if runtime.GOOS == "windows" {
		t.Skip("ssh connects by itself there")
	}
	s := g.sshd(t)
	r := g.Module("plain", "v1.0.0")
	good := g.Module("good", "v1.0.0")
	for _, x := range []struct {
		name, host, inside string
		instead            map[string]string
		says               string // "" where it is fetched
	}{
		{name: "not listed", host: "localhost", says: "localhost is not connected to: its address 127.0.0.1 is one of the inside"},
		{name: "another is listed", host: "localhost", inside: hostName, says: "localhost is not connected to: its address 127.0.0.1 is one of the inside"},
		{name: "listed", host: "localhost", inside: hostName + ",localhost"},
		{name: "named as the address for another", host: "localhost", instead: map[string]string{"https://other.example.com/": "ssh://git@localhost:22/"}},
		{name: "an inner name", host: innerHost, says: innerHost + " is not connected to: its address 10.1.2.3 is one of the inside"},
		{name: "metadata", host: "169.254.169.254", inside: "169.254.169.254", says: "no host may have the address 169.254.169.254"},
		{name: "refused", host: downHost, says: "its host cannot be reached: the connection was refused"},
	} {
		t.Run(x.name, func(t *testing.T) {
			g.Page("plain", fmt.Sprintf("%s git ssh://%s@%s:%s%s", r.Path, s.login, x.host, s.port, r.Bare))
			f := g.fetcher(Options{Helper: helper(t), SSHConfig: s.config(x.host, "mine"), Inside: x.inside, Instead: x.instead})
			list, err := read(f.List(t.Context(), r.Path))
			if x.says == "" {
				if err != nil || list != "v1.0.0\n" {
					t.Errorf("got %q, %v", list, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), x.says) {
				t.Errorf("got %q, %v; want %q", list, err, x.says)
			}
			well(t, f, good.Path)
		})
	}
}

// TestSSHHostIsNoCommand has what is no name of a host reach neither ssh nor the shell that it runs a helper with.
func TestSSHHostIsNoCommand(t *testing.T) {
	g := newForge(t)
	f := g.fetcher(Options{Helper: helper(t)})
	if f.ca == nil {
		t.Skip("pages are not seen here")
	}
	for i, host := range []string{"a'$(touch$IFS/tmp/x)'b", "a;b", "`id`", "a(b)", "a&b"} {
		path := fmt.Sprintf("%s/odd%d", hostName, i)
		g.Page(strings.TrimPrefix(path, hostName+"/"), path+" git ssh://git@"+host+"/x")
		_, err := read(f.List(t.Context(), path))
		wantError(t, f, host, err, failing{path: path, want: "refused"})
	}
}

// TestSSHForAll has hg and svn run ssh as git does.
func TestSSHForAll(t *testing.T) {
	f, err := New(Options{Dir: filepath.Join(t.TempDir(), "direct"), Helper: []string{"/opt/100% sure/modhaven", "ask"}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := sshCommand(f.dir)
	for _, key := range []string{"GIT_SSH_COMMAND", "SVN_SSH"} {
		if got := value(f.env, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	ask := func(name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = f.env
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, errs.String())
		}
		return string(out)
	}
	if got := strings.TrimSpace(ask(tool(t, "hg", "mercurial"), "config", "ui.ssh")); got != want {
		t.Errorf("hg has %q, want %q", got, want)
	}
	odd := exec.CommandContext(t.Context(), "ssh", "-G", "-F", sshConfig(f.dir), "a'$(id)'b") // which a newer ssh refuses by itself
	if out, err := odd.Output(); err == nil && !strings.Contains(string(out), "\nproxycommand false\n") {
		t.Errorf("a host with quotes reaches the shell: %s", out)
	}
	settings := strings.Split(ask(tool(t, "ssh", "openssh-client"), "-G", "-F", sshConfig(f.dir), "git.example.com"), "\n")
	for _, w := range []string{"batchmode yes", "stricthostkeychecking true", "userknownhostsfile none"} {
		if !slices.Contains(settings, w) {
			t.Errorf("ssh has no %q in %q", w, settings)
		}
	}
	through := slices.IndexFunc(settings, func(line string) bool { return strings.HasPrefix(line, "proxycommand ") })
	if want := "proxycommand '/opt/100%% sure/modhaven' 'ask' ssh '%h' '%p'"; through < 0 || settings[through] != want {
		t.Errorf("ssh has %q, want %q", settings, want)
	}
}

// TestConnectSSHAlone has the helper say what it is where no guard runs it.
func TestConnectSSHAlone(t *testing.T) {
	if err := Ask(context.Background(), []string{"ssh", "host", "22"}, nil, nil); err == nil || !strings.Contains(err.Error(), "run by ssh") {
		t.Errorf("got %v", err)
	}
}

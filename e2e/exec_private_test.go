package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// A laptop is a person's machine: his HOME with his own git configuration, and the go command as he has set it up.
type laptop struct {
	t    *testing.T
	u    *proxytest.Upstream
	home string
	env  []string
}

func newLaptop(t *testing.T, g *forge, more ...string) *laptop {
	t.Helper()
	u := proxytest.New(t)
	home := t.TempDir()
	proxytest.NoTelemetry(t, filepath.Join(home, "config"))
	env := append(proxytest.GoEnv(t, u.URL+",direct", "off"), "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, "config"), "GOPRIVATE="+forgeHost, "GONOPROXY=", "GONOSUMDB=",
		"HTTPS_PROXY="+g.proxy.URL, "HTTP_PROXY="+g.proxy.URL, "SSL_CERT_FILE="+g.CertFile, "GIT_SSL_CAINFO="+g.CertFile, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C", "GOVCS=", "GOAUTH=netrc",
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=gc.auto", "GIT_CONFIG_VALUE_0=0", "GIT_CONFIG_KEY_1=maintenance.auto", "GIT_CONFIG_VALUE_1=false", // nothing outlives a test
		"MODHAVEN_PATIENCE=0s",
		"MODHAVEN_STATE="+filepath.Join(t.TempDir(), "state"), brisk)
	return &laptop{t, u, home, append(env, more...)}
}

// write makes a file in the HOME.
func (l *laptop) write(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.home, name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// run runs a command in a new module, with an empty module cache.
func (l *laptop) run(more []string, args ...string) (stdout, stderr string, err error) {
	l.t.Helper()
	cache := l.t.TempDir()
	l.t.Cleanup(func() { _ = exec.Command("chmod", "-R", "u+w", cache).Run() })
	cmd := exec.CommandContext(l.t.Context(), args[0], args[1:]...)
	cmd.Dir = proxytest.GoModule(l.t, "go.mod", "module example.test/main\n\ngo 1.21\n")
	cmd.Env = append(append(slices.Clone(l.env), "GOMODCACHE="+cache), more...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// sum is the h1 of a module as a command downloads it.
func (l *laptop) sum(more []string, module string, command ...string) string {
	l.t.Helper()
	out, errs, err := l.run(more, append(command, "mod", "download", "-json", module)...)
	var got struct{ Sum, Error string }
	if jerr := json.Unmarshal([]byte(out), &got); err != nil || jerr != nil || got.Sum == "" {
		l.t.Fatalf("%q: %v, %v\n%s%s", command, err, jerr, out, errs)
	}
	return got.Sum
}

var plainGo = []string{"go"}

func behindExec() []string { return []string{program, "exec", "-q", "--", "go"} }

// TestExecPrivate: what the go command gets from version control with its caller's own git configuration, it gets behind exec too,
// byte for byte; the proxy fetches it, keeps it, and tells no upstream.
func TestExecPrivate(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*laptop, *forge) (module string){
		"netrc": func(l *laptop, _ *forge) string {
			l.write(".netrc", rightNetrc)
			return forgeHost + "/team/lib@v1.1.0"
		},
		"insteadOf": func(l *laptop, g *forge) string {
			l.write(".gitconfig", "[url \"file://"+g.Root+"/\"]\n\tinsteadOf = https://"+forgeHost+"/\n")
			return forgeHost + "/team/lib.git@v1.1.0"
		},
		"header": func(l *laptop, _ *forge) string {
			l.write(".gitconfig", "[http \"https://"+forgeHost+"/\"]\n\textraHeader = Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(proxytest.GitUser+":"+proxytest.GitPassword))+"\n")
			return forgeHost + "/team/lib.git@v1.1.0"
		},
		"credential helper": func(l *laptop, _ *forge) string {
			l.write(".git-credentials", "https://"+proxytest.GitUser+":"+proxytest.GitPassword+"@"+forgeHost+"\n") // no command line has it, which TestCredentials looks at
			l.write(".gitconfig", "[credential]\n\thelper = store\n")
			return forgeHost + "/team/lib.git@v1.1.0"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newForge(t)
			g.Module("team/lib", "v1.0.0", "v1.1.0")
			l := newLaptop(t, g)
			module := set(l, g)
			if strings.Contains(module, ".git@") { // the module is named as its address is
				g.Repo("team/lib").Commit([]string{"v1.1.0"}, "go.mod", "module "+forgeHost+"/team/lib.git\n\ngo 1.21\n", "lib.go", "package lib\n")
			}
			want := l.sum(nil, module, plainGo...)
			if got := l.sum(nil, module, behindExec()...); got != want {
				t.Errorf("%s behind exec is %s, without it %s", module, got, want)
			}
			if out, errs, err := l.run(nil, program, "exec", "-q", "--", "go", "env", "GONOPROXY"); err != nil || strings.TrimSpace(out) != "none" {
				t.Errorf("GONOPROXY is %q (%v, %s)", out, err, errs)
			}
			if err := os.RemoveAll(filepath.Join(g.Root, "team")); err != nil {
				t.Fatal(err)
			}
			if got := l.sum(nil, module, behindExec()...); got != want {
				t.Errorf("with the host's repository gone %s is %s, want %s from the store", module, got, want)
			}
			if n := l.u.Requests("*" + forgeHost + "*"); n != 0 {
				t.Errorf("the upstream heard %d times of %s", n, forgeHost)
			}
		})
	}
}

// TestExecPrivateYields: what the proxy cannot fetch the command fetches by itself, as without Modhaven.
func TestExecPrivateYields(t *testing.T) {
	t.Parallel()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skipf("git is not installed, which this is about: %v", err)
	}
	g := newForge(t)
	g.Module("team/lib", "v1.0.0")
	// A git that does nothing for others than the person's own go command.
	bin := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n[ \"$GOFLAGS\" = -modcacherw ] && { echo fatal: no >&2; exit 128; }\nexec %s \"$@\"\n", git)
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	l := newLaptop(t, g, "GOFLAGS=", "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	l.write(".netrc", rightNetrc)
	out, errs, err := l.run(nil, program, "exec", "--", "go", "mod", "download", "-json", forgeHost+"/team/lib@v1.0.0")
	if err != nil || !strings.Contains(out, "h1:") || !strings.Contains(errs, "left to the command's own version control") {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
	// Where the list does not go on to direct there is no second way, so the command keeps all of it.
	if out, _, _ := l.run([]string{"GOPROXY=" + l.u.URL}, program, "exec", "-q", "--", "go", "env", "GONOPROXY"); strings.TrimSpace(out) != forgeHost {
		t.Errorf("without direct GONOPROXY is %q", out)
	}
	if n := l.u.Requests("*" + forgeHost + "*"); n != 0 {
		t.Errorf("the upstream heard %d times of %s", n, forgeHost)
	}
}

// TestExecPrivateStateInModule: a CI job keeps the store in its workspace, which is a Go module.
func TestExecPrivateStateInModule(t *testing.T) {
	t.Parallel()
	g := newForge(t)
	g.Module("team/lib", "v1.0.0")
	l := newLaptop(t, g)
	l.write(".netrc", rightNetrc)
	out, errs, err := l.run(nil, program, "exec", "--state", ".cache/modhaven", "--", "go", "mod", "download", "-json", forgeHost+"/team/lib@v1.0.0")
	if err != nil || !strings.Contains(out, "h1:") || !strings.Contains(errs, "1 module (0 from the store)") || strings.Contains(errs, "left to") {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
}

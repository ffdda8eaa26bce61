package gocmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// A failing is a module that cannot be had, and what must be said of it.
type failing struct {
	name, path string
	page       string   // its go-import tag, without the path; "" for none
	want       string   // the kind of error
	says       []string // parts of the reason
}

func failings() []failing {
	return []failing{
		{"no page", hostName + "/none", "", "absent", []string{"404 Not Found"}},
		{"no repository", hostName + "/lost", "git https://" + hostName + "/lost.git", "absent", []string{"not found"}},
		{"no repository where the path names it", hostName + "/lost.git", "", "unavailable", []string{"neither by https nor by ssh"}},
		{"no credential", hostName + "/closed", "git https://" + hostName + "/" + privateDir + "/closed.git", "refused",
			[]string{"authentication failed for " + hostName + ": no credential is configured"}},
		{"host down", downHost + "/m", "", "unavailable", []string{"host " + downHost + " cannot be reached: ", "connection refused"}},
		{"repository's host down", hostName + "/away", "git https://" + downHost + "/away.git", "unavailable", []string{"host " + downHost + " cannot be reached"}},
		{"unknown name", goneHost + "/m", "", "unavailable", []string{"host " + goneHost + " cannot be reached: no such host"}},
		{"private address", innerHost + "/m", "", "refused", []string{innerHost + " is not connected to: its address 10.1.2.3 is one of the inside"}},
		{"metadata", hostName + "/meta", "git https://169.254.169.254/latest", "refused", []string{"no host may have the address 169.254.169.254"}},
		{"loopback", hostName + "/loop", "git https://127.0.0.1:8443/x", "refused", []string{"its address 127.0.0.1 is one of the inside"}},
		{"localhost", hostName + "/local", "git https://localhost:8443/x", "refused", []string{"localhost is not connected to"}},
		{"page in trouble", hostName + "/code503", "", "unavailable", []string{"its host is in trouble"}},
		{"repository in trouble", hostName + "/away5", "git https://" + hostName + "/code500/x.git", "unavailable", []string{"its host is in trouble"}},
		{"page limited", hostName + "/code429", "", "unavailable", []string{"limits requests"}},
		{"repository limited", hostName + "/away429", "git https://" + hostName + "/code429/x.git", "unavailable", []string{"limits requests"}},
		{"page forbidden", hostName + "/code403", "", "refused", []string{"forbids"}},
		{"repository forbidden", hostName + "/away403", "git https://" + hostName + "/code403/x.git", "refused", []string{"forbids"}},
		{"page gone", hostName + "/code410", "", "absent", nil},
		{"page without a tag", hostName + "/code200", "", "absent", []string{"no go-import meta tags"}},
		{"page with credentials", hostName + "/" + privateDir + "/x", "", "refused", []string{"authentication failed for " + hostName}},
		{"repository with a password", hostName + "/leak", "git https://user:pass-word1@" + hostName + "/" + privateDir + "/x.git", "refused", []string{"authentication failed for " + hostName}},
		{"file", hostName + "/file", "git file:///etc", "refused", []string{"file"}},
		{"ext", hostName + "/ext", "git ext::sh", "refused", nil},
		{"ext with a host", hostName + "/ext2", "git ext://sh/x", "refused", []string{"ext"}},
		{"option", hostName + "/option", "git --upload-pack=touch", "refused", nil},
		{"option as a host", hostName + "/option2", "git https://-upload-pack=x/y", "refused", nil},
		{"option as an SSH host", hostName + "/option3", "git ssh://-oProxyCommand=touch/y", "refused", nil},
		{"http", hostName + "/http", "git http://" + hostName + "/http.git", "refused", nil},
		{"git protocol", hostName + "/gitp", "git git://" + hostName + "/http.git", "refused", nil},
		{"other tool", hostName + "/svn", "svn https://" + hostName + "/svn", "refused", []string{"svn"}},
		{"address as host", "127.0.0.1/m", "", "refused", []string{"named hosts"}},
	}
}

// TestFailures has the true kind of error, with a short reason, for a list, a revision and a file.
func TestFailures(t *testing.T) {
	g := newForge(t)
	f := g.fetcher(Options{})
	for _, code := range []int{200, 403, 410, 429, 500, 503} {
		g.status(fmt.Sprintf("code%d", code), code)
	}
	for _, x := range failings() {
		t.Run(x.name, func(t *testing.T) {
			if x.page != "" {
				g.Page(strings.TrimPrefix(x.path, hostName+"/"), x.path+" "+x.page)
			}
			_, err := read(f.List(t.Context(), x.path))
			wantError(t, f, "list", err, x)
			_, err = read(f.Query(t.Context(), x.path, "main"))
			wantError(t, f, "query", err, x)
			_, err = fetch(f, file(x.path, "v1.0.0", goproxy.Zip))
			wantError(t, f, "zip", err, x)
			_, err = fetch(f, file(x.path, "v1.0.0", goproxy.Mod))
			wantError(t, f, "mod", err, x)
		})
	}
}

func wantError(t *testing.T, f *Fetcher, what string, err error, x failing) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	t.Logf("%s: %v", what, err)
	if kind(err) != x.want {
		t.Errorf("%s: %s, want %s: %v", what, kind(err), x.want, err)
	}
	for _, s := range x.says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: the reason lacks %q: %v", what, s, err)
		}
	}
	if text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), From+": "), "not found: "); !strings.HasPrefix(text, x.path) {
		t.Errorf("%s: the reason does not begin with the module: %v", what, err)
	}
	if n := strings.Count(err.Error(), "\n"); n >= 8 {
		t.Errorf("%s: the reason has %d lines: %v", what, n+1, err)
	}
	if strings.Contains(err.Error(), f.dir) || strings.Contains(err.Error(), "pass-word") {
		t.Errorf("%s: the reason says too much: %v", what, err)
	}
}

// TestAbsent has what a repository lacks be absent, and nothing else.
func TestAbsent(t *testing.T) {
	g := newForge(t)
	r := g.Repo("some")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	f := g.fetcher(Options{})
	odd := g.Repo("certificate/timed-out") // names that are as troubles
	odd.Commit(nil, "go.mod", "module "+odd.Path+"\n")
	_, err := read(f.Query(t.Context(), odd.Path, "no.such.host"))
	wantError(t, f, "odd", err, failing{path: odd.Path, want: "absent"})
	for _, x := range []struct{ path, version string }{
		{r.Path, "v1.0.1"},
		{r.Path, "v0.0.0-20260102030405-123456789abc"},
		{r.Path, "v1.0.0-0.20260102030405-123456789abc"},
		{r.Path + "/v2", "v2.0.0"},
		{r.Path + "/sub", "v1.0.0"},
		{r.Path, "v2.0.0+incompatible"},
	} {
		for _, k := range []goproxy.Kind{goproxy.Info, goproxy.Mod, goproxy.Zip} {
			_, err := fetch(f, file(x.path, x.version, k))
			wantError(t, f, file(x.path, x.version, k).String(), err, failing{path: x.path, want: "absent"})
		}
	}
	for _, query := range []string{"nobranch", "v1.0.x", "0123456789abcdef0123456789abcdef01234567", "certificate", "upgrade", "-x", "a b", "../x", ">v1.0.0", ""} {
		_, err := read(f.Query(t.Context(), r.Path, query))
		wantError(t, f, query, err, failing{path: r.Path, want: "absent"})
	}
	_, err = read(f.List(t.Context(), r.Path+"/sub"))
	wantError(t, f, "list", err, failing{path: r.Path + "/sub", want: "absent"})
}

// TestCredentials has a netrc file be used by the go command and by git, read anew each time, and what is in it stay a secret.
func TestCredentials(t *testing.T) {
	g := newForge(t)
	r := g.Repo(privateDir + "/mine")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	netrc := filepath.Join(t.TempDir(), "netrc")
	write(t, netrc, "machine "+hostName+" login "+proxytest.GitUser+" password wrong-pass-word\n")
	f := g.fetcher(Options{Env: []string{"NETRC=" + netrc}})
	x := failing{path: r.Path, want: "refused", says: []string{"authentication failed for " + hostName + ": the credential for it was refused"}}
	_, err := read(f.List(t.Context(), r.Path))
	wantError(t, f, "list", err, x)
	write(t, netrc, "machine "+hostName+" login "+proxytest.GitUser+" password "+proxytest.GitPassword+"\n")
	if list, err := read(f.List(t.Context(), r.Path)); err != nil || list != "v1.0.0\n" {
		t.Errorf("list: %q, %v", list, err)
	}
	if _, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip)); err != nil {
		t.Error(err)
	}
}

// TestSSH has git use the command that is configured for SSH, and what it says be understood.
func TestSSH(t *testing.T) {
	g := newForge(t)
	r := g.Repo("plain")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	g.Page("plain", r.Path+" git ssh://git@"+r.Path+".git")
	ssh := filepath.Join(t.TempDir(), "ssh")
	f := g.fetcher(Options{Env: []string{"GIT_SSH_COMMAND=" + ssh}})
	script := func(text string) {
		write(t, ssh, "#!/bin/sh\n"+text+"\n")
		if err := os.Chmod(ssh, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for said, want := range map[string]failing{
		"git@host: Permission denied (publickey).":           {want: "refused", says: []string{"SSH authentication failed"}},
		"Host key verification failed.":                      {want: "unavailable", says: []string{"known_hosts"}},
		"ERROR: Repository not found.":                       {want: "refused", says: []string{"no such repository, or"}},
		"ssh: connect to host h port 22: Connection refused": {want: "unavailable", says: []string{"cannot be reached"}},
	} {
		script("echo '" + said + "' >&2; exit 255")
		want.path = r.Path
		_, err := read(f.List(t.Context(), r.Path))
		wantError(t, f, "list", err, want)
	}
	script(`for last; do :; done; eval "$(echo "$last" | sed "s,'/,'` + g.Root + `/,")"`) // the last argument is what to run there
	if _, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip)); err != nil {
		t.Error(err)
	}
}

// TestNewerGo has the version and the go.mod of a module that needs a newer Go, and for its zip a reason.
func TestNewerGo(t *testing.T) {
	g := newForge(t)
	r := g.Repo("newer")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n\ngo 1.999\n")
	f := g.fetcher(Options{})
	if list, err := read(f.List(t.Context(), r.Path)); err != nil || list != "v1.0.0\n" {
		t.Errorf("list: %q, %v", list, err)
	}
	if _, err := read(f.Query(t.Context(), r.Path, "latest")); err != nil {
		t.Error(err)
	}
	for _, k := range []goproxy.Kind{goproxy.Info, goproxy.Mod} {
		if _, err := fetch(f, file(r.Path, "v1.0.0", k)); err != nil {
			t.Error(err)
		}
	}
	_, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip))
	wantError(t, f, "zip", err, failing{path: r.Path, want: "unavailable", says: []string{"needs Go 1.999", "install Go 1.999 or newer"}})
}

func TestNoGit(t *testing.T) {
	g := newForge(t)
	r := g.Repo("plain")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	f := g.fetcher(Options{Env: []string{"PATH=" + t.TempDir()}})
	_, err := read(f.List(t.Context(), r.Path))
	wantError(t, f, "list", err, failing{path: r.Path, want: "unavailable", says: []string{"git is not installed on the server; install it"}})
}

func TestClean(t *testing.T) {
	f := &Fetcher{dir: "/state/direct/0"}
	const thing = "example.com/m@v1.0.0"
	for said, want := range map[string]string{
		"": "the go command failed and does not say why",
		"go: module example.com/m: git ls-remote -q origin in /state/direct/0/kept/x: exit status 128:\n\tfatal: no\nConfirm the import path was entered correctly.": "fatal: no",
		"go: example.com/m@v1.0.0: cannot read /state/direct/0/kept/x":        "cannot read DIR/kept/x",
		"fetch https://user:secret@example.com/a and ssh://git@example.com/b": "fetch https://example.com/a and ssh://example.com/b",
		"a\x1b[31mb\x00c":             "a [31mb c",
		strings.Repeat("line\n", 100): strings.TrimSuffix(strings.Repeat("line\n", maxWords), "\n"),
		strings.Repeat("é", maxLine):  strings.Repeat("é", maxLine/2) + "…",
	} {
		if got := strings.Join(f.clean(thing, said), "\n"); got != want {
			t.Errorf("%.200q: got %q, want %q", said, got, want)
		}
	}
}

func TestNoGo(t *testing.T) {
	_, err := New(Options{Go: "no-such-go", Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "install Go") {
		t.Errorf("got %v", err)
	}
}

func TestInModule(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module m\n")
	_, err := New(Options{Dir: filepath.Join(dir, "state", "direct")})
	if err == nil || !strings.Contains(err.Error(), "outside") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("the directory was made")
	}
}

// TestHang has a silent host hold nothing: neither a client that leaves, nor the server longer than its limit.
func TestHang(t *testing.T) {
	g := newForge(t)
	f := g.fetcher(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-g.hung
		cancel()
	}()
	if _, err := read(f.List(ctx, hangHost+"/m")); err != context.Canceled {
		t.Errorf("after the client has left: %v", err)
	}
	// The work of one who has left ends without him.
	f.wg.Wait()
	wantNoProcess(t, f)

	g.Page("stuck", hostName+"/stuck git https://"+hangHost+"/stuck.git")
	stuck := failing{path: hostName + "/stuck", want: "unavailable", says: []string{"host " + hangHost + " has not answered for 1s"}}
	f.patience = time.Second
	_, err := read(f.List(t.Context(), stuck.path))
	wantError(t, f, "list", err, stuck)

	f.patience, f.o.Time = patience, time.Second
	stuck.says = []string{"not fetched within 1s"}
	_, err = read(f.List(t.Context(), stuck.path))
	wantError(t, f, "list", err, stuck)
	f.wg.Wait()
	wantNoProcess(t, f)
}

// TestClose has Close end what runs, and others not wait for a silent host's modules.
func TestClose(t *testing.T) {
	g := newForge(t)
	r := g.Repo("plain")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	f := g.fetcher(Options{})
	g.Page("stuck", hostName+"/stuck git https://"+hangHost+"/stuck.git")
	const stuck = 8
	errs := make(chan error, stuck)
	for i := range stuck {
		go func() {
			_, err := fetch(f, file(hostName+"/stuck", fmt.Sprintf("v1.0.%d", i), goproxy.Zip))
			errs <- err
		}()
	}
	<-g.hung
	if _, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip)); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for range stuck {
		if err := <-errs; kind(err) != "unavailable" || !strings.Contains(err.Error(), "stopping") {
			t.Errorf("got %v", err)
		}
	}
	wantNoProcess(t, f)
	if _, err := read(f.List(t.Context(), hostName+"/stuck")); kind(err) != "unavailable" {
		t.Errorf("after Close: %v", err)
	}
}

package gocmd

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// counted returns a go command that writes a line to a file each time it runs, and a function that counts them.
func counted(t *testing.T) (tool string, count func() int) {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("no shell to count commands with: %v", err)
	}
	real, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tool, log := filepath.Join(dir, "go"), filepath.Join(dir, "log")
	write(t, tool, fmt.Sprintf("#!%s\necho >>%s\nexec %s \"$@\"\n", sh, log, real))
	if err := os.Chmod(tool, 0o755); err != nil {
		t.Fatal(err)
	}
	return tool, func() int {
		b, _ := os.ReadFile(log)
		return len(b)
	}
}

// TestTogether has requests that come together cost one command, a list and "latest" too.
func TestTogether(t *testing.T) {
	g := newForge(t)
	r := g.Repo("plain")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	tool, count := counted(t)
	f := g.fetcher(Options{Go: tool})
	f.surveys.keep = dialTimeout // longer than the test takes
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = read(f.List(t.Context(), r.Path))
			} else {
				_, err = read(f.Query(t.Context(), r.Path, "latest"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := count(); n != 1 {
		t.Errorf("%d commands for 50 lists and 50 times latest, want 1", n)
	}
	for range 3 {
		for _, k := range []goproxy.Kind{goproxy.Info, goproxy.Mod, goproxy.Zip} {
			if _, err := fetch(f, file(r.Path, "v1.0.0", k)); err != nil {
				t.Error(err)
			}
		}
	}
	if n := count(); n > 2 {
		t.Errorf("%d commands with those for the files, want 2 at most", n)
	}
}

// TestMany has cold modules come at once, with as many commands as may run, and nothing left of them but what is kept.
func TestMany(t *testing.T) {
	g := newForge(t)
	f := g.fetcher(Options{Concurrent: 2})
	var all sync.WaitGroup
	for i := range 20 {
		r := g.Repo(fmt.Sprintf("many/m%d", i))
		r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
		all.Go(func() {
			if _, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	left, err := os.ReadDir(filepath.Join(f.dir, "run"))
	if err != nil || len(left) > 0 {
		t.Errorf("%d directories of commands are left, %v", len(left), err)
	}
	if unpacked, _ := filepath.Glob(filepath.Join(f.dir, "kept", hostName, "many", hostName, "*")); len(unpacked) > 1 {
		t.Errorf("modules stay unpacked: %q", unpacked)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	wantNoProcess(t, f)
}

// TestBudget has what was not used for longest be removed, what is in use stay, and what was removed be fetched again.
func TestBudget(t *testing.T) {
	g := newForge(t)
	f := g.fetcher(Options{})
	paths := make([]string, 3)
	for i := range paths {
		r := g.Repo(fmt.Sprintf("kept%d", i))
		r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n", "a.txt", strings.Repeat(fmt.Sprintln(i), 1000))
		paths[i] = r.Path
		if _, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip)); err != nil {
			t.Fatal(err)
		}
		f.wg.Wait()
	}
	all := diskUse(t.Context(), filepath.Join(f.dir, "kept"))
	f.o.Disk = all - 1
	used := f.shelves.use(paths[0])
	f.putBack(f.shelves.use(paths[2])) // has the budget looked at
	f.wg.Wait()
	for i, want := range []bool{true, false, true} {
		if got := exists(f.shelves.use(paths[i]).file(file(paths[i], "v1.0.0", goproxy.Zip))); got != want {
			t.Errorf("module %d is kept: %v, want %v", i, got, want)
		}
	}
	f.putBack(used)
	if _, err := fetch(f, file(paths[1], "v1.0.0", goproxy.Zip)); err != nil {
		t.Error(err)
	}
}

// TestDisk has a command be killed that needs more disk than there may be.
func TestDisk(t *testing.T) {
	g := newForge(t)
	f := g.fetcher(Options{})
	f.o.Disk = 1
	g.Page("stuck", hostName+"/stuck git https://"+hangHost+"/stuck.git")
	_, err := fetch(f, file(hostName+"/stuck", "v1.0.0", goproxy.Zip))
	wantError(t, f, "zip", err, failing{path: hostName + "/stuck", want: "refused", says: []string{"more than the 1 bytes of disk"}})
	wantNoProcess(t, f)
}

// TestShared has processes that share a directory each have a part of it, and the next one what was kept there.
func TestShared(t *testing.T) {
	g := newForge(t)
	r := g.Repo("plain")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	tool, count := counted(t)
	o := Options{Dir: filepath.Join(t.TempDir(), "direct"), Go: tool}
	a, b := g.fetcher(o), g.fetcher(o)
	if a.dir == b.dir {
		t.Fatalf("both have %s", a.dir)
	}
	if _, err := fetch(a, file(r.Path, "v1.0.0", goproxy.Zip)); err != nil {
		t.Fatal(err)
	}
	a.Close()
	c := g.fetcher(o)
	n := count()
	if _, err := fetch(c, file(r.Path, "v1.0.0", goproxy.Zip)); err != nil || count() != n {
		t.Errorf("fetched again with %d commands, %v, though it was kept", count()-n, err)
	}
}

// TestEnvironment has nothing of this process's environment reach a command but what is allowed.
func TestEnvironment(t *testing.T) {
	t.Setenv("GOFLAGS", "-mod=vendor")
	t.Setenv("SECRET_TOKEN", "abc")
	t.Setenv("SSL_CERT_FILE", "/ca.pem")
	t.Setenv("HTTPS_PROXY", "")
	t.Setenv("https_proxy", "http://proxy.example.com:3128")
	env, guarded := environment(Options{VCS: "*:git", Env: []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=a.b", "GOPROXY=https://example.com"}}, "/d")
	for key, want := range map[string]string{"GOFLAGS": "-modcacherw", "SECRET_TOKEN": "", "GIT_SSL_CAINFO": "/ca.pem", "https_proxy": "http://proxy.example.com:3128",
		"GIT_CONFIG_COUNT": fmt.Sprint(1 + len(gitConfig)), "GIT_CONFIG_KEY_0": "a.b", "GIT_CONFIG_KEY_1": gitConfig[0][0], "GOPROXY": "direct"} {
		if got := value(env, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if guarded {
		t.Error("connections go through a guard though a proxy is configured")
	}
}

// TestInsecure has a module come over http where that is allowed, through the guard too.
func TestInsecure(t *testing.T) {
	g := newForge(t)
	r := g.Repo("plain")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	g.Page("plain", r.Path+" git http://"+r.Path+".git")
	f := g.fetcher(Options{Insecure: hostName})
	if _, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip)); err != nil {
		t.Error(err)
	}
}

func TestPermitted(t *testing.T) {
	for _, x := range []struct {
		ip              string
		outside, inside bool
	}{
		{"203.0.113.7", true, true}, {"2001:db8::1", true, true},
		{"10.0.0.1", false, true}, {"172.16.9.9", false, true}, {"192.168.1.1", false, true}, {"fd12::1", false, true}, {"100.64.0.1", false, true},
		{"127.0.0.1", false, true}, {"::1", false, true}, {"127.9.9.9", false, true},
		{"169.254.169.254", false, false}, {"fe80::1", false, false}, {"fd00:ec2::254", false, false}, {"0.0.0.0", false, false}, {"::", false, false}, {"224.0.0.1", false, false},
	} {
		ip := netip.MustParseAddr(x.ip)
		if o, i := permitted(ip, false), permitted(ip, true); o != x.outside || i != x.inside {
			t.Errorf("%s: %v outside and %v inside, want %v and %v", ip, o, i, x.outside, x.inside)
		}
	}
	for host, want := range map[string]bool{"git.corp.example": true, "a.corp.example": true, "corp.example": false, "GIT.corp.example": true, "example.com": false} {
		if got := hostMatches("git.corp.example/team, *.corp.example", host); got != want {
			t.Errorf("%s is inside: %v, want %v", host, got, want)
		}
	}
}

// BenchmarkCold compares the first version of a repository, with what a client asks for it, with what the go command takes by itself, and the
// second version with the first.
func BenchmarkCold(b *testing.B) {
	g := newForge(b)
	r := g.Repo("bench")
	const files = 200
	for i := range files {
		r.Commit(nil, fmt.Sprintf("f%d.go", i%20), fmt.Sprintf("package bench\n\n// %s\n", strings.Repeat(fmt.Sprint(i), 500)), "go.mod", "module "+r.Path+"\n")
	}
	r.Commit([]string{"v1.0.0"}, "first.go", "package bench\n")
	r.Commit([]string{"v1.1.0"}, "second.go", "package bench\n")
	get := func(b *testing.B, f *Fetcher, version string) {
		for _, k := range []goproxy.Kind{goproxy.Info, goproxy.Mod, goproxy.Zip} {
			if _, err := fetch(f, file(r.Path, version, k)); err != nil {
				b.Fatal(err)
			}
		}
	}
	f := g.fetcher(Options{})
	fresh := func() {
		f.wg.Wait()
		removeAll(filepath.Join(f.dir, "kept", hostName))
	}
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			dir := filepath.Join(f.dir, "plain")
			removeAll(dir)
			b.StartTimer()
			if _, err := g.plainGo(f, dir, "mod", "download", "-json", r.Path+"@v1.0.0"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			fresh()
			b.StartTimer()
			get(b, f, "v1.0.0")
		}
	})
	b.Run("second", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			fresh()
			get(b, f, "v1.0.0")
			b.StartTimer()
			get(b, f, "v1.1.0")
		}
	})
}

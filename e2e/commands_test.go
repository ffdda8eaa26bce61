package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// commands is what a go command that stands in PATH before the real one has written down.
type commands struct{ log string }

// commands has servers that start from now on use a go command that writes down when it begins and ends.
func (g *forge) commands() commands {
	g.t.Helper()
	real, err := exec.LookPath("go")
	if err != nil {
		g.t.Fatal(err)
	}
	dir := g.t.TempDir()
	c := commands{filepath.Join(dir, "log")}
	script := fmt.Sprintf("#!/bin/sh\necho + >>%[1]s\n%[2]s \"$@\"\nstatus=$?\necho - >>%[1]s\nexit $status\n", c.log, real)
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o755); err != nil {
		g.t.Fatal(err)
	}
	g.env = append(g.env, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return c
}

// count returns how many began, and how many there were at once.
func (c commands) count() (all, most int) {
	b, _ := os.ReadFile(c.log) // none began
	now := 0
	for line := range bytes.Lines(b) {
		if line[0] == '-' {
			now--
			continue
		}
		all, now = all+1, now+1
		most = max(most, now)
	}
	return all, most
}

// TestThousandLists has a thousand requests for a list cost two commands at most.
func TestThousandLists(t *testing.T) {
	t.Parallel()
	g := newForge(t)
	c := g.commands()
	lib := g.Module("team/lib", "v1.0.0")
	hv := g.start(rightNetrc, "--upstreams", "direct", "--private", forgeHost)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 50 {
				if a, err := hv.try("GET", lib.Path+"/@v/list"); err != nil || a.StatusCode != 200 || a.body != "v1.0.0\n" {
					t.Errorf("got %v %q, %v", a.Response, a.body, err)
					return
				}
			}
		})
	}
	all.Wait()
	if n, _ := c.count(); n < 1 || n > 2 {
		t.Errorf("%d commands for 1000 lists, want 2 at most", n)
	}
}

// TestColdTogether has cold modules that come at once cost no more commands at once than there may be, no zombie, and nothing that outlives the server.
func TestColdTogether(t *testing.T) {
	t.Parallel()
	g := newForge(t)
	c := g.commands()
	const modules, atOnce = 20, 4
	paths := make([]string, modules)
	for i := range paths {
		paths[i] = g.Module(fmt.Sprintf("team%d/lib", i), "v1.0.0").Path
	}
	hv := g.start(rightNetrc, "--upstreams", "direct", "--private", forgeHost)
	var all sync.WaitGroup
	for _, path := range paths {
		all.Go(func() {
			if a, err := hv.try("GET", path+"/@v/v1.0.0.zip"); err != nil || a.StatusCode != 200 || !strings.HasPrefix(a.body, "PK") {
				t.Errorf("%s: got %v, %v", path, a.Response, err)
			}
		})
	}
	all.Wait()
	if n, most := c.count(); n < modules || most > atOnce {
		t.Errorf("%d commands, %d of them at once; want %d at most", n, most, atOnce)
	}
	if runtime.GOOS != "linux" {
		return
	}
	for _, p := range processes(t) {
		if p.parent == hv.pid() && p.state == "Z" {
			t.Errorf("a zombie: %+v", p)
		}
	}
	if peak := peakMemory(t, hv.pid()); !raceEnabled && peak > 256<<20 {
		t.Errorf("the server had %d bytes of memory", peak)
	}
	hv.stop()
	for limit := time.Now().Add(30 * time.Second); ; runtime.Gosched() { // who was killed may take a moment to end
		left := withState(t, hv.state)
		if left == "" {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("a process outlives the server: %s", left)
		}
	}
}

type process struct{ pid, state, parent string }

// processes are all there are.
func processes(t *testing.T) (all []process) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it is gone
		}
		_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " ")
		if f := strings.Fields(rest); len(f) > 1 {
			all = append(all, process{filepath.Base(filepath.Dir(name)), f[0], f[1]})
		}
	}
	return all
}

// withState returns a process whose environment names a state directory, "" for none.
func withState(t *testing.T, state string) string {
	t.Helper()
	for _, p := range processes(t) {
		b, err := os.ReadFile("/proc/" + p.pid + "/environ")
		if err == nil && bytes.Contains(b, []byte("="+state+"/")) {
			cmdline, _ := os.ReadFile("/proc/" + p.pid + "/cmdline")
			return p.pid + " " + string(cmdline)
		}
	}
	return ""
}

// peakMemory is the most that a process has had, in bytes.
func peakMemory(t *testing.T, pid string) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no VmHWM in %s", b)
	return 0
}

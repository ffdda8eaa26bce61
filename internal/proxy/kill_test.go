package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// A killable is a victim as its killer sees it.
type killable struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Writer
	out   *bufio.Scanner
	swept int
	spool string
}

func startVictim(t *testing.T, dir string) *killable {
	t.Helper()
	k := &killable{t: t, cmd: exec.Command(os.Args[0])}
	k.cmd.Env = append(os.Environ(), victimVar+"="+dir)
	k.cmd.Stderr = os.Stderr
	in, err := k.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	k.in, k.out = in, bufio.NewScanner(out)
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.kill)
	line := k.line()
	if n, err := fmt.Sscanf(line, "swept %d %s", &k.swept, &k.spool); n != 2 {
		t.Fatalf("the victim said %q: %v", line, err)
	}
	return k
}

func (k *killable) line() string {
	k.t.Helper()
	if !k.out.Scan() {
		k.t.Fatalf("the victim ended by itself: %v", k.out.Err())
	}
	if line := k.out.Text(); !strings.HasPrefix(line, "error: ") {
		return line
	}
	k.t.Fatalf("the victim said %s", k.out.Text())
	return ""
}

func (k *killable) ask(f goproxy.File) { fmt.Fprintln(k.in, "get "+f.Name()) }

// get has it serve a file, from the store or from its upstream.
func (k *killable) get(f goproxy.File) {
	k.t.Helper()
	k.ask(f)
	for k.line() != "ok" {
	}
}

// kill is SIGKILL, and waits until the process is gone.
func (k *killable) kill() {
	k.cmd.Process.Kill()
	k.cmd.Wait()
}

// TestPeer03KilledFillsLeaveNothingTorn: a peer wrote its store in place: readers got 17 of 472 MB with status 200, and a
// kill -9 or a full disk poisoned the entry for ever. Here a process is killed 200 times at random moments of fills. After each
// kill every file of the store is whole, the next start sweeps what was left, but not the spool of a process that lives, and
// the next request for the same file succeeds.
func TestPeer03KilledFillsLeaveNothingTorn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(memoryDir(t), "state")
	alive, err := store.OpenState(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	mine := filepath.Join(alive.Spool, "fill-mine")
	if err := os.WriteFile(mine, []byte("half a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	const kills = 200
	r := rand.New(rand.NewPCG(11, 12))
	files, checked := victimFiles{}, map[string]bool{}
	var last goproxy.File
	var deadSpool string
	left := 0 // how often a kill left something in the spool
	for i := range kills {
		k := startVictim(t, dir)
		if want := min(i, 1); k.swept != want {
			t.Fatalf("kill %d: the next start swept %d spools, want %d", i, k.swept, want)
		}
		if _, err := os.Stat(deadSpool); i > 0 && err == nil {
			t.Fatalf("kill %d: the spool %s is still there", i, deadSpool)
		}
		if i > 0 {
			k.get(last)
		}
		last = mkFile("example.com/m", fmt.Sprintf("v1.0.%d", 100+i), []goproxy.Kind{goproxy.Zip, goproxy.Zip, goproxy.Mod, goproxy.Info}[i%4])
		k.ask(last)
		for range r.IntN(files.steps(last) + 1) {
			k.line()
		}
		k.kill()
		if entries, err := os.ReadDir(k.spool); err != nil {
			t.Fatal(err)
		} else if len(entries) > 1 { // the lock alone
			left++
		}
		deadSpool = k.spool
		wantWhole(t, dir, files, checked)
		if t.Failed() {
			t.Fatalf("after kill %d", i)
		}
	}
	if b, err := os.ReadFile(mine); err != nil || string(b) != "half a file" {
		t.Errorf("the spool of a living process was swept: %q, %v", b, err)
	}
	if left < kills/10 || left == kills {
		t.Errorf("%d of %d kills left something behind: the moments are not at random", left, kills)
	}
	wantWhole(t, dir, files, map[string]bool{})
	t.Logf("%d of %d kills left something behind; %d files are stored", left, kills, len(checked))
}

// memoryDir returns a new directory, on a disk of memory where there is one: a kill cannot show what was synced, so that
// waiting for it shows nothing.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "modhaven-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// wantWhole compares the files of a state's store with what they must be, but for those checked before.
func wantWhole(t *testing.T, dir string, files victimFiles, checked map[string]bool) {
	t.Helper()
	root := filepath.Join(dir, "modules")
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // the first kill came early
		}
		if err != nil || e.IsDir() || checked[p] || strings.HasSuffix(p, ".etag") {
			return err
		}
		checked[p] = true
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		r, err := goproxy.Parse(filepath.ToSlash(rel))
		if err != nil {
			t.Errorf("the store holds %s: %v", rel, err)
			return nil
		}
		got, err := os.ReadFile(p)
		if want := files.of(r.File); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the store holds a torn %s: %d bytes of %d, %v", rel, len(got), len(want), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func openTestState(t *testing.T, dir string) *State {
	t.Helper()
	s, err := OpenState(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantFormat(t *testing.T, dir string, n int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "format"))
	if want := fmt.Sprintf("modhaven state %d\n", n); err != nil || string(b) != want {
		t.Errorf("the file format says %q, %v; want %q", b, err, want)
	}
}

func TestStateFresh(t *testing.T) {
	parent := t.TempDir()
	t.Chdir(parent)
	for _, dir := range []string{"new", "far/below/new", "."} {
		s, err := OpenState(dir)
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(parent, dir); s.Dir != want {
			t.Errorf("Dir = %s, want %s", s.Dir, want)
		}
		wantFormat(t, dir, StateFormat)
		if fi, err := os.Stat(s.Spool); err != nil || !fi.IsDir() || filepath.Dir(s.Spool) != filepath.Join(s.Dir, "spool") {
			t.Errorf("spool %s: %v", s.Spool, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.Spool); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the spool is still there after Close: %v", err)
		}
		if s, err = OpenState(dir); err != nil || s.Swept != 0 {
			t.Fatalf("again: %+v, %v", s, err)
		}
		s.Close()
		os.RemoveAll("new") // so that "." is empty but for its own
		os.RemoveAll("far")
	}
}

func TestStateForeign(t *testing.T) {
	for _, name := range []string{"main.go", "spool/x", ".git/config", "modules/x"} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, name), "precious")
		_, err := OpenState(dir)
		first, _, _ := strings.Cut(name, "/")
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), first) {
			t.Errorf("a directory with %s: %v; want a refusal that names both", name, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("what was refused has now %v, %v", entries, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	if _, err := OpenState(file); err == nil {
		t.Error("a file was taken for a directory")
	}
}

// TestStateLeftovers: what a first start leaves that is killed, and what file systems have by themselves, is in
// nobody's way.
func TestStateLeftovers(t *testing.T) {
	for _, names := range [][]string{{"lost+found/x"}, {".lock"}, {".lock", "format.new"}, {"format.new"}} {
		dir := t.TempDir()
		for _, name := range names {
			writeFile(t, filepath.Join(dir, name), "modhav")
		}
		openTestState(t, dir)
		wantFormat(t, dir, StateFormat)
	}
}

func TestStateFormats(t *testing.T) {
	tests := []struct{ text, want string }{
		{"modhaven state 2\n", "newer version"},
		{"modhaven state 99999\n", "newer version"},
		{"", "format"},
		{"\x00\x00\x00\x00\x00", "format"},
		{"modhaven state", "format"},
		{"modhaven state \n", "format"},
		{"modhaven state one\n", "format"},
		{"modhaven state 0\n", "format"},
		{"modhaven state -1\n", "format"},
		{"modhaven state 1 2\n", "format"},
		{"athens state 1\n", "format"},
		{strings.Repeat("x", 1<<20), "format"},
	}
	for _, test := range tests {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "format"), test.text)
		writeFile(t, filepath.Join(dir, "spool/1-dead/.lock"), "")
		_, err := OpenState(dir)
		if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 500 {
			t.Errorf("format %.30q: error %.600v; want one with %q", test.text, err, test.want)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "format")); string(b) != test.text {
			t.Errorf("format %.30q became %.30q, %v", test.text, b, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "spool/1-dead")); err != nil {
			t.Errorf("format %.30q: what was refused was swept: %v", test.text, err)
		}
	}
	for _, text := range []string{"modhaven state 1", "modhaven state 1\r\n", " modhaven state 1\n\n"} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "format"), text)
		openTestState(t, dir)
	}
}

func TestStateMigrates(t *testing.T) {
	dir := t.TempDir()
	format := filepath.Join(dir, "format")
	var steps []string
	step := func(n int, err error) func(string) error {
		return func(at string) error {
			if at != dir {
				t.Errorf("migration %d was given %s, want %s", n, at, dir)
			}
			wantFormat(t, dir, n) // the step before is written down
			steps = append(steps, fmt.Sprint(n))
			return err
		}
	}
	broken := errors.New("broken")
	writeFile(t, format, "modhaven state 1\n")
	err := ensureFormat(dir, 4, map[int]func(string) error{1: step(1, nil), 2: step(2, broken), 3: step(3, nil)})
	if !errors.Is(err, broken) || strings.Join(steps, " ") != "1 2" {
		t.Errorf("a failing migration: %v after steps %v", err, steps)
	}
	wantFormat(t, dir, 2)
	steps = nil
	err = ensureFormat(dir, 4, map[int]func(string) error{1: step(1, nil), 2: step(2, nil), 3: step(3, nil)})
	if err != nil || strings.Join(steps, " ") != "2 3" {
		t.Errorf("going on: %v after steps %v", err, steps)
	}
	wantFormat(t, dir, 4)
	if err := ensureFormat(dir, 4, nil); err != nil {
		t.Errorf("current: %v", err)
	}
	if err := ensureFormat(dir, 6, map[int]func(string) error{5: step(5, nil)}); err == nil || !strings.Contains(err.Error(), "4") {
		t.Errorf("without a migration from 4: %v", err)
	}
	wantFormat(t, dir, 4)
	if err := ensureFormat(dir, 3, nil); err == nil {
		t.Error("an older program took a newer directory")
	}
}

// TestStateMigrationsAreComplete: each format there ever was can be migrated.
func TestStateMigrationsAreComplete(t *testing.T) {
	for n := 1; n < StateFormat; n++ {
		if migrations[n] == nil {
			t.Errorf("no migration from format %d", n)
		}
	}
}

// TestStateFirstStartsAtOnce: sixteen first starts on one directory, each with a spool of its own afterwards.
func TestStateFirstStartsAtOnce(t *testing.T) {
	for range 5 {
		dir := filepath.Join(t.TempDir(), "state")
		var all sync.WaitGroup
		states := make([]*State, 16)
		for i := range states {
			all.Go(func() {
				var err error
				if states[i], err = OpenState(dir); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		spools := map[string]bool{}
		for _, s := range states {
			if s == nil {
				continue
			}
			spools[s.Spool] = true
			if _, err := os.Stat(s.Spool); err != nil || s.Swept != 0 {
				t.Errorf("%+v: %v", s, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if len(spools) != len(states) {
			t.Errorf("%d spools for %d", len(spools), len(states))
		}
	}
}

// TestStateSecondSeesFirstStart: the look at a new directory falls between two steps of another's first start.
func TestStateSecondSeesFirstStart(t *testing.T) {
	steps := [][]string{{}, {".lock"}, {".lock", "format.new"}, {".lock", "format"}, {".lock", "format", "spool/1-x/.lock"}}
	for i, names := range steps {
		dir := t.TempDir()
		for _, name := range names {
			writeFile(t, filepath.Join(dir, name), "")
		}
		if err := checkForeign(dir); err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
}

// A holder is another process that has a state directory open.
type holder struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	spool string
	swept int
}

func startHolder(t *testing.T, dir string) *holder {
	t.Helper()
	h := &holder{cmd: exec.Command(os.Args[0])}
	h.cmd.Env = append(os.Environ(), stateVar+"="+dir)
	h.cmd.Stderr = os.Stderr
	var err error
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	if n, err := fmt.Sscanf(line, "%s %d", &h.spool, &h.swept); n != 2 {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	return h
}

// kill ends the process with SIGKILL, if it still runs, and waits for it.
func (h *holder) kill() {
	h.cmd.Process.Kill()
	h.cmd.Wait()
}

func TestStateSweeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	exists := func(spool string) bool {
		_, err := os.Stat(filepath.Join(spool, "fill-1"))
		return err == nil
	}
	dead, alive := startHolder(t, dir), startHolder(t, dir)
	if alive.swept != 0 || !exists(dead.spool) {
		t.Fatalf("the second process swept %d while the first lives", alive.swept)
	}
	dead.kill()
	if !exists(dead.spool) {
		t.Fatal("nothing is left of the killed process: the test shows nothing")
	}
	writeFile(t, filepath.Join(dir, "spool/a-file"), "not a spool")
	writeFile(t, filepath.Join(dir, "spool/7-old/fill-9"), "without a lock")
	s := openTestState(t, dir)
	if s.Swept != 2 || exists(dead.spool) {
		t.Errorf("swept %d, want the killed process's spool and one without a lock; is it there still: %v", s.Swept, exists(dead.spool))
	}
	if !exists(alive.spool) {
		t.Error("the spool of a living process was swept")
	}
	// And one that ends in order leaves nothing.
	alive.stdin.Close()
	if err := alive.cmd.Wait(); err != nil {
		t.Errorf("the living process: %v", err)
	}
	if _, err := os.Stat(alive.spool); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a process that ended in order left its spool: %v", err)
	}
	again := openTestState(t, dir)
	if again.Swept != 0 {
		t.Errorf("swept %d, though the only other spool is this process's own", again.Swept)
	}
	if _, err := os.Stat(s.Spool); err != nil {
		t.Errorf("a second use in one process swept the first: %v", err)
	}
}

// TestPeer19DeadSpoolsAreSwept: after a kill a peer's temporary directories stayed for ever, 901 MB of them.
func TestPeer19DeadSpoolsAreSwept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	for range 3 {
		startHolder(t, dir).kill()
	}
	s := openTestState(t, dir)
	entries, err := os.ReadDir(filepath.Join(dir, "spool"))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(s.Spool) {
		t.Errorf("after three kills and a start the spools are %v, %v; want %s alone", entries, err, s.Spool)
	}
	if s.Swept != 1 { // each start swept the one before
		t.Errorf("swept %d, want the last one", s.Swept)
	}
}

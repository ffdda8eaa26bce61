package ledger

import (
	"bufio"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestKilled kills a process that adds, again and again at random moments, while another one has the ledger open: all
// that it said was recorded is recorded afterwards, with the right hash. A kill cannot show what was synced; that is
// PRAGMA synchronous.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	var level int
	if err := l.inWriter(t, "PRAGMA synchronous", &level); err != nil || level != 2 {
		t.Errorf("synchronous is %d, %v; want 2: FULL", level, err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	var said []string
	for range 30 {
		said = append(said, killed(t, dir, r.IntN(60))...)
	}
	for _, path := range said {
		if e, err := l.Get(t.Context(), zip(path)); err != nil || e.H1 != hash(path) {
			t.Fatalf("%s was added: %+v, %v", path, e, err)
		}
	}
	var verdict string
	if err := l.inWriter(t, "PRAGMA integrity_check", &verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check: %s, %v", verdict, err)
	}
	t.Logf("%d were said to be added, %d are there", len(said), len(show(t, l, "", "")))
}

// killed starts a victim, kills it after it has said n lines, and returns all that it said.
func killed(t *testing.T, dir string, n int) (said []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVar+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		if len(said) == n {
			cmd.Process.Kill()
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			break // half a line was not said
		}
		if strings.HasPrefix(line, "error: ") {
			t.Errorf("the victim said %s", line)
			cmd.Process.Kill()
		}
		said = append(said, strings.TrimSpace(line))
	}
	cmd.Wait()
	return said
}

func (l *Ledger) inWriter(t *testing.T, query string, to any) error {
	return l.change(t.Context(), false, func(w *writer) error { return w.conn.QueryRowContext(t.Context(), query).Scan(to) })
}

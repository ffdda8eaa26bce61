package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/modhaven/modhaven/internal/storetest"
)

func TestOpenAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd ?&#%41 name", "ledger")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			l, err := Open(t.Context(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			mustAdd(t, l, Entry{File: zip(fmt.Sprintf("example.com/m%d", i)), H1: hash("a")})
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != FileName {
		t.Errorf("after the last Close there are %v, %v; want %s alone", left, err, FileName)
	}
	if n := len(show(t, mustOpen(t, dir), "", "")); n != 16 {
		t.Errorf("%d files are recorded, want 16", n)
	}
}

func TestNewerSchema(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	err := l.change(t.Context(), false, func(w *writer) error {
		_, err := w.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA user_version = %d", schemaVersion+1))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), FileName) || !strings.Contains(err.Error(), "use the newer version") {
		t.Errorf("Open of a newer one: %v", err)
	}
}

// TestRestored: a backup that SQLite made is used like the original.
func TestRestored(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, t.TempDir())
	e := mustAdd(t, l, Entry{File: zip("example.com/m"), H1: hash("a")})
	db, err := connect(l.name, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("VACUUM INTO ?", filepath.Join(dir, FileName)); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir)
	if got := mustAdd(t, l, e); got != e {
		t.Errorf("got %+v, want %+v", got, e)
	}
	var mode string
	if err := l.inWriter(t, "PRAGMA journal_mode", &mode); err != nil || mode != "wal" {
		t.Errorf("the journal mode is %s, %v; want wal", mode, err)
	}
}

// TestDamaged: what is found by Open or later says of which file it is and what to do.
func TestDamaged(t *testing.T) {
	whole := func() []byte {
		dir := t.TempDir()
		l := mustOpen(t, dir)
		for i := range 300 {
			mustAdd(t, l, Entry{File: zip(fmt.Sprintf("example.com/m%03d", i)), H1: hash("a")})
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, FileName))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}()
	fill := func(from, to int) []byte {
		b := bytes.Clone(whole)
		for i := range b[from:to] {
			b[from+i] = 0xa5
		}
		return b
	}
	tests := map[string][]byte{
		"another file":  []byte(strings.Repeat("something else\n", 1000)),
		"no header":     fill(0, 100),
		"no schema":     fill(100, 4096),
		"no tables":     fill(4096, 8*4096),
		"half a file":   whole[:len(whole)/2],
		"all but a bit": fill(4096, len(whole)),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, FileName), b, 0o644); err != nil {
				t.Fatal(err)
			}
			l, err := Open(t.Context(), dir)
			if err == nil {
				l.Close()
			}
			wantAdvice(t, dir, err)
		})
	}
	t.Run("found later", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, FileName), whole, 0o644); err != nil {
			t.Fatal(err)
		}
		l := mustOpen(t, dir)
		if err := os.WriteFile(filepath.Join(dir, FileName), fill(4096, len(whole)), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := l.Get(t.Context(), zip("example.com/m150"))
		wantAdvice(t, dir, err)
		_, err = l.Add(t.Context(), Entry{File: zip("example.com/m150"), H1: hash("a")})
		wantAdvice(t, dir, err)
	})
}

func wantAdvice(t *testing.T, dir string, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{filepath.Join(dir, FileName), "damaged", "move the directory " + dir + " aside", "trusted anew"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q lacks %q", err, want)
		}
	}
}

// TestDiskFull: what does not fit is an error and nothing of it is recorded; what was, is; and when there is room again
// it goes on.
func TestDiskFull(t *testing.T) {
	root := storetest.Tmpfs(t, 1<<20)
	l := mustOpen(t, filepath.Join(root, "ledger"))
	ballast := filepath.Join(root, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 400<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	added := 0
	var err error
	for ; err == nil && added < 10_000; added++ {
		path := fmt.Sprintf("example.com/m%d", added)
		_, err = l.Add(t.Context(), Entry{File: zip(path), H1: hash(path), From: strings.Repeat("x", 1000)})
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make room") {
		t.Fatalf("after %d: %v, want ENOSPC", added, err)
	}
	failed := zip(fmt.Sprintf("example.com/m%d", added-1))
	if n := len(show(t, l, "", "")); n != added-1 {
		t.Errorf("%d are recorded, want %d", n, added-1)
	}
	if _, err := l.Get(t.Context(), failed); err == nil {
		t.Error("what failed is recorded")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, l, Entry{File: failed, H1: hash("another")})
}

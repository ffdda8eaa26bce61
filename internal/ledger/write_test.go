package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/storetest"
)

// commits counts the transactions in the log beside the database: frames that say how large the database is after a
// commit (https://sqlite.org/fileformat2.html#the_write_ahead_log).
func commits(t *testing.T, l *Ledger) (n int) {
	t.Helper()
	b, err := os.ReadFile(l.name + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 32 {
		return 0
	}
	page := int(binary.BigEndian.Uint32(b[8:]))
	for frame := b[32:]; len(frame) >= 24+page; frame = frame[24+page:] {
		if binary.BigEndian.Uint32(frame[4:]) != 0 {
			n++
		}
	}
	return n
}

// held keeps the writer of l busy until the function that it returns is called, inside a bubble.
func held(l *Ledger) (release func()) {
	until := make(chan struct{})
	go l.change(context.Background(), false, func(*writer) error { <-until; return nil })
	synctest.Wait()
	return func() { close(until) }
}

// TestGroupCommit: those who wait while a commit is under way share the next one.
func TestGroupCommit(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := mustOpen(t, dir)
		before := commits(t, l)
		release := held(l)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				path := fmt.Sprintf("example.com/m%d", i)
				if got := mustAdd(t, l, Entry{File: zip(path), H1: hash(path)}); got.H1 != hash(path) {
					t.Errorf("%s: got the hash of another", path)
				}
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		if got := commits(t, l) - before; got != 1 {
			t.Errorf("200 files took %d commits, want 1", got)
		}
	})
}

// TestServed writes each second, and at once when there are many; what has no room is counted.
func TestServed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := mustOpen(t, dir)
		one := Served{At: day, Client: "192.0.2.1", Path: "example.com/m", Version: "v1.0.0", What: "zip", Status: 200, Bytes: 1 << 40, Cache: "hit"}
		l.Serve(one)
		synctest.Wait()
		if got := history(t, l, "", "", 10); len(got) != 0 {
			t.Errorf("at once: %v", got)
		}
		time.Sleep(flushEvery)
		synctest.Wait()
		if got := history(t, l, "", "", 10); len(got) != 1 || got[0] != one {
			t.Errorf("after a second: %v, want %v", got, one)
		}
		before := commits(t, l)
		for range 2*maxBatch + 1 {
			l.Serve(one)
		}
		synctest.Wait()
		if got, n := len(history(t, l, "", "", 1<<20)), commits(t, l)-before; got != 1+2*maxBatch || n != 2 {
			t.Errorf("%d are written in %d commits, want two batches", got, n)
		}
		release := held(l)
		for range maxQueue + 7 {
			l.Serve(one)
		}
		if got := l.Dropped(); got != 7 {
			t.Errorf("%d dropped, want 7", got)
		}
		release()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if got := len(history(t, mustOpen(t, dir), "", "", 1<<20)); got != 1+2*maxBatch+1+maxQueue {
		t.Errorf("after Close %d are written, want all but the dropped ones", got)
	}
}

// TestServedDiskFull: while the disk is full records wait, and are written when there is room.
func TestServedDiskFull(t *testing.T) {
	root := storetest.Tmpfs(t, 1<<20)
	synctest.Test(t, func(t *testing.T) {
		l := mustOpen(t, filepath.Join(root, "ledger"))
		ballast := filepath.Join(root, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o644); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("filling the disk: %v", err)
		}
		for i := range 2 * maxBatch {
			l.Serve(Served{At: day, Client: fmt.Sprint(i, strings.Repeat("x", 100))})
		}
		time.Sleep(3 * flushEvery)
		synctest.Wait()
		if got := len(history(t, l, "", "", 1<<20)); got != 0 {
			t.Fatalf("%d were written to a full disk", got)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * flushEvery)
		synctest.Wait()
		if got := len(history(t, l, "", "", 1<<20)); got != 2*maxBatch || l.Dropped() != 0 {
			t.Errorf("%d are written and %d dropped, want all", got, l.Dropped())
		}
	})
}

func history(t *testing.T, l *Ledger, path, version string, limit int) []Served {
	t.Helper()
	all, err := l.History(t.Context(), path, version, limit)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestHistory(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for i, what := range []struct{ path, version string }{{"example.com/a", "v1.0.0"}, {"example.com/a", "v1.1.0"}, {"example.com/b", "v1.0.0"}, {"example.com/a", ""}, {"example.com/a", "v1.0.0"}} {
		l.Serve(Served{At: day, Client: fmt.Sprint("client ", i%2), Path: what.path, Version: what.version, Status: 200 + i})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir)
	tests := []struct {
		path, version string
		limit         int
		want          string
	}{
		{"", "", 9, "[204 203 202 201 200]"},
		{"example.com/a", "", 9, "[204 203 201 200]"},
		{"example.com/a", "v1.0.0", 9, "[204 200]"},
		{"example.com/a", "", 2, "[204 203]"},
		{"example.com/a", "v9.0.0", 9, "[]"},
		{"example.com/c", "", 9, "[]"},
	}
	for _, test := range tests {
		statuses := []int{}
		for _, s := range history(t, l, test.path, test.version, test.limit) {
			statuses = append(statuses, s.Status)
		}
		if got := fmt.Sprint(statuses); got != test.want {
			t.Errorf("%s@%s, %d: got %s, want %s", test.path, test.version, test.limit, got, test.want)
		}
	}
}

// TestDurable sees what waits for the disk: what nothing proves does, and what is proven does with the next flush, though
// nothing is to be flushed.
func TestDurable(t *testing.T) {
	l := &Ledger{name: filepath.Join(t.TempDir(), FileName)}
	w, err := l.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { w.close(); l.closeDB() }()
	journal := func() int64 {
		fi, err := os.Stat(l.name + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	add := func(path, by string) (level int) {
		t.Helper()
		o := op{proven: by != "", done: make(chan error, 1), do: func(w *writer) error {
			e := Entry{File: zip(path), H1: hash(path), By: by}
			if err := e.complete(day); err != nil {
				return err
			}
			if _, _, err := w.add(e); err != nil {
				return err
			}
			return w.conn.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&level)
		}}
		l.commit(w, o)
		if err := <-o.done; err != nil {
			t.Fatal(err)
		}
		return level
	}
	if level := add("example.com/unproven", ""); level != 2 || w.loose {
		t.Errorf("what nothing proves was added at synchronous %d, loose %v; want 2: FULL", level, w.loose)
	}
	if level := add("example.com/proven", "sum.example.com"); level != 1 || !w.loose {
		t.Errorf("what is proven was added at synchronous %d, loose %v; want 1: NORMAL", level, w.loose)
	}
	before := journal()
	if err := w.flush(nil); err != nil || w.loose || w.lax {
		t.Errorf("a flush: %v, loose %v, lax %v", err, w.loose, w.lax)
	}
	if after := journal(); after <= before {
		t.Errorf("a flush without records wrote nothing (the journal has %d bytes), so that nothing waited for the disk", after)
	}
}

package store_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/modhaven/modhaven/internal/store"
	"github.com/modhaven/modhaven/internal/storetest"
)

// TestDirDiskFull puts what does not fit on a real disk: nothing of it stays, and what fits goes on being stored.
func TestDirDiskFull(t *testing.T) {
	ctx := context.Background()
	root := storetest.Tmpfs(t, 1<<20)
	tmp := filepath.Join(root, "spool")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := store.NewDir(root, tmp)
	if err != nil {
		t.Fatal(err)
	}
	old := storetest.Content(100_000, 1)
	if err := d.Put(ctx, "old", storetest.Section(old), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	large := storetest.Section(storetest.Content(2<<20, 2))
	for name, cond := range map[string]string{"new": "", "old": "*", "a/b/new": ""} {
		if err := d.Put(ctx, name, large, store.PutOptions{If: cond}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Put of 2 MiB on a disk of 1: %v, want ENOSPC", err)
		}
	}
	for _, name := range []string{"new", "a/b/new"} {
		if _, err := d.Open(ctx, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open %s: %v, want absence", name, err)
		}
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
	young := storetest.Content(100_000, 3)
	if err := d.Put(ctx, "young", storetest.Section(young), store.PutOptions{}); err != nil {
		t.Errorf("Put of what fits: %v", err)
	}
	for name, want := range map[string][]byte{"old": old, "young": young} {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s holds %d bytes, %v; want %d", name, len(got), err, len(want))
		}
	}
}

package store_test

import (
	"path/filepath"
	"testing"

	"github.com/modhaven/modhaven/internal/store"
	"github.com/modhaven/modhaven/internal/storetest"
)

// newDir returns a Dir and its root and temporary directory; the latter must be empty when the test ends.
func newDir(t *testing.T) *store.Dir {
	t.Helper()
	tmp := t.TempDir()
	d, err := store.NewDir(filepath.Join(t.TempDir(), "root"), tmp)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := filepath.Glob(filepath.Join(tmp, "*")); err != nil || left != nil {
			t.Errorf("left in the temporary directory: %q, %v", left, err)
		}
	})
	return d
}

func TestDir(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return newDir(t) })
}

func TestMem(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return &store.Mem{} })
}

func TestCacheOverDir(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return store.NewCache(newDir(t), 4<<20) })
}

func TestCacheOverMem(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return store.NewCache(&store.Mem{}, 4<<20) })
}

// TestCacheOfNothing has no room for anything.
func TestCacheOfNothing(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return store.NewCache(&store.Mem{}, 0) })
}

package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// TestDirDamaged changes the length of an object behind the store's back, as a broken disk or a person does.
func TestDirDamaged(t *testing.T) {
	for _, size := range []int{0, 1, Small, Small + 1, len(huge) - 1, len(huge) + 1} {
		w := watch(t, t.TempDir())
		if err := w.Put(background, "x", section(huge), PutOptions{ETag: "abc"}); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(w.root, "x"), int64(size)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.read("x"); !errors.Is(err, ErrDamaged) {
			t.Errorf("Open of what was cut to %d bytes: %v, want ErrDamaged", size, err)
		}
		if _, err := w.Stat(background, "x"); !errors.Is(err, ErrDamaged) {
			t.Errorf("Stat of what was cut to %d bytes: %v, want ErrDamaged", size, err)
		}
		if err := w.Put(background, "x", section(tiny), PutOptions{}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Put over a damaged one: %v, want fs.ErrExist", err)
		}
		if err := w.Remove(background, "x"); err != nil {
			t.Error(err)
		}
		if err := w.Put(background, "x", section(tiny), PutOptions{}); err != nil {
			t.Error(err)
		}
		if b, _, err := w.read("x"); err != nil || !bytes.Equal(b, tiny) {
			t.Errorf("put anew: %q, %v", b, err)
		}
	}
}

// TestDirOddETagFiles: whatever a crash left beside an object, it is served; nothing odd becomes an ETag.
func TestDirOddETagFiles(t *testing.T) {
	size := strconv.Itoa(len(huge))
	for _, text := range []string{"", "abc", "abc\n", "abc ", "abc x\n", " " + size + "\n", "a b " + size + "\n", "abc " + size,
		"a\x00c " + size + "\n", "a\"c " + size + "\n", "é " + size + "\n", string(make([]byte, 100)), string(bytes.Repeat([]byte("a"), 200)) + " " + size + "\n"} {
		w := watch(t, t.TempDir())
		if err := w.Put(background, "x", section(huge), PutOptions{ETag: "abc"}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(w.root, "x.etag"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if b, etag, err := w.read("x"); err != nil || !bytes.Equal(b, huge) || etag != "" {
			t.Errorf("with %q beside it: %d bytes, ETag %q, %v", text, len(b), etag, err)
		}
	}
}

func FuzzParseETag(f *testing.F) {
	f.Add([]byte(formatETag("abc", 0)))
	f.Add([]byte("abc 12"))
	f.Add([]byte("\x00 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		etag, size, ok := parseETag(b)
		if !ok {
			if etag != "" || size != 0 {
				t.Errorf("refused, and yet %q, %d", etag, size)
			}
			return
		}
		if got := formatETag(etag, size); got != string(b) {
			t.Errorf("%q was read as %q, %d, which is written %q", b, etag, size, got)
		}
	})
}

// TestDirRoots: a root that is not clean, and one that is relative.
func TestDirRoots(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, root := range []string{".", "./a", "b/", "c//d/../d", "e"} {
		d, err := NewDir(root, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Put(background, "modules/m/x", section(tiny), PutOptions{}); err != nil {
			t.Errorf("root %s: %v", root, err)
		}
		if _, err := os.Stat(filepath.Join(root, "modules/m/x")); err != nil {
			t.Errorf("root %s: %v", root, err)
		}
	}
}

func TestNewDirFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if d, err := NewDir(filepath.Join(file, "root"), t.TempDir()); err == nil {
		t.Errorf("a Dir below a file: %v", d)
	}
}

// TestDirRemovedDirectories: someone tidied up below a running process.
func TestDirRemovedDirectories(t *testing.T) {
	w := watch(t, t.TempDir())
	for range 2 {
		if err := w.Put(background, "modules/a/b/x", section(tiny), PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(w.root, "modules")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDirKnownIsBounded: the memory for directories does not grow with the modules.
func TestDirKnownIsBounded(t *testing.T) {
	w := watch(t, t.TempDir())
	for i := range 2 * maxKnown {
		w.known[strconv.Itoa(i)] = true
	}
	if err := w.Put(background, "a/b/c/x", section(tiny), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(w.known) > maxKnown {
		t.Errorf("%d directories are known, at most %d may be", len(w.known), maxKnown)
	}
}

// TestDirClosesFiles opens what is no object, is damaged or is small, and looks for open files.
func TestDirClosesFiles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	w := watch(t, t.TempDir())
	for name, b := range map[string][]byte{"dir/small": tiny, "damaged": huge, "large": huge} {
		if err := w.Put(background, name, section(b), PutOptions{ETag: "abc"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(w.root, "damaged"), 10); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	for range 20 {
		for _, name := range []string{"dir", "dir/small", "damaged", "absent", "large/below"} {
			w.Open(background, name)
			w.Stat(background, name)
		}
		w.Stat(background, "large")
		w.Put(background, "large", section(tiny), PutOptions{If: "conflict"})
		w.Remove(background, "dir")
	}
	if after := count(); after > before {
		t.Errorf("%d files were open before, %d after", before, after)
	}
}

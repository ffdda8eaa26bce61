package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// two returns two Dirs on one root, as of two processes.
func two(t *testing.T) [2]*watched {
	root := t.TempDir()
	return [2]*watched{watch(t, root), watch(t, root)}
}

// TestDirTwoCreate lets two processes with eight goroutines each create the same names.
func TestDirTwoCreate(t *testing.T) {
	dirs := two(t)
	for round := range 10 {
		name := fmt.Sprintf("new/%d/x", round)
		var errs [16]error
		var all sync.WaitGroup
		content := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, Small-8+i) }
		for i := range errs {
			all.Go(func() { errs[i] = dirs[i%2].Put(background, name, section(content(i)), PutOptions{}) })
		}
		all.Wait()
		winners := 0
		for i, err := range errs {
			if err != nil {
				if !errors.Is(err, fs.ErrExist) {
					t.Errorf("%s: a loser was told %v", name, err)
				}
				continue
			}
			winners++
			for _, d := range dirs {
				if b, _, err := d.read(name); err != nil || !bytes.Equal(b, content(i)) {
					t.Errorf("%s: %d bytes, %v; want the winner's %d", name, len(b), err, len(content(i)))
				}
			}
		}
		if winners != 1 {
			t.Errorf("%s: %d winners", name, winners)
		}
	}
	dirs[0].wantClean()
	dirs[1].wantClean()
}

// TestDirTwoCount counts in one object from both, while a third replaces another object: no count is lost.
func TestDirTwoCount(t *testing.T) {
	dirs := two(t)
	if err := dirs[0].Put(background, "count", section([]byte("0")), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	const times = 25
	var all sync.WaitGroup
	for _, d := range dirs {
		for range 2 {
			all.Go(func() {
				for done := 0; done < times; {
					b, etag, err := d.read("count")
					n, aerr := strconv.Atoi(string(b))
					if err != nil || aerr != nil {
						t.Errorf("reading the count: %q, %v", b, err)
						return
					}
					switch err := d.Put(background, "count", section([]byte(strconv.Itoa(n+1))), PutOptions{If: etag}); {
					case err == nil:
						done++
					case !errors.Is(err, ErrConflict):
						t.Error(err)
						return
					}
				}
			})
		}
	}
	all.Wait()
	if b, _, err := dirs[0].read("count"); string(b) != strconv.Itoa(4*times) {
		t.Errorf("counted to %s, %v; want %d", b, err, 4*times)
	}
}

// TestDirLinkNeverOverwrites: between the look and the link another process creates the name.
func TestDirLinkNeverOverwrites(t *testing.T) {
	for _, b := range [][]byte{tiny, huge} {
		dirs := two(t)
		link := dirs[0].disk.link
		dirs[0].disk.link = func(from, to string) error {
			if err := os.WriteFile(to, []byte("the other's"), 0o644); err != nil {
				t.Error(err)
			}
			return link(from, to)
		}
		if err := dirs[0].Put(background, "x", section(b), PutOptions{ETag: "abc"}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Put = %v, want fs.ErrExist", err)
		}
		if got, _, err := dirs[1].read("x"); string(got) != "the other's" {
			t.Errorf("it holds %.20q, %v", got, err)
		}
		dirs[0].wantClean()
	}
}

// TestDirTwoFileSystems puts a file from elsewhere, which cannot be linked: it is copied.
func TestDirTwoFileSystems(t *testing.T) {
	for _, cond := range []string{"", "*", ETag(tiny)} {
		w := watch(t, t.TempDir())
		if cond != "" {
			if err := w.Put(background, "x", section(tiny), PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		f := spoolFile(t, t.TempDir(), huge)
		link, tried := w.disk.link, 0
		w.disk.link = func(from, to string) error {
			if from == f.Name() {
				tried++
				return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EXDEV}
			}
			return link(from, to)
		}
		if err := w.Put(background, "x", io.NewSectionReader(f, 0, int64(len(huge))), PutOptions{If: cond, ETag: "abc"}); err != nil {
			t.Errorf("if %q: %v", cond, err)
		}
		if b, etag, err := w.read("x"); err != nil || !bytes.Equal(b, huge) || etag != "abc" {
			t.Errorf("if %q: %d bytes, ETag %q, %v", cond, len(b), etag, err)
		}
		if tried != 1 {
			t.Errorf("if %q: tried to link %d times, want 1", cond, tried)
		}
		w.wantClean()
	}
}

func spoolFile(t *testing.T, dir string, b []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "fill-1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestDirKeepsTheFile: the caller's file becomes the object without a copy.
func TestDirKeepsTheFile(t *testing.T) {
	root := t.TempDir()
	tmp := filepath.Join(root, "spool")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := NewDir(root, tmp)
	if err != nil {
		t.Fatal(err)
	}
	f := spoolFile(t, tmp, huge)
	if err := d.Put(background, "x", io.NewSectionReader(f, 0, int64(len(huge))), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	spooled, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := os.Stat(filepath.Join(root, "x"))
	if err != nil || !os.SameFile(spooled, stored) {
		t.Errorf("the object is a copy of the file, %v", err)
	}
}

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var background = context.Background()

func section(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

// A watched Dir writes down what it does with the disk, in order, and can be made to fail.
type watched struct {
	*Dir
	t    *testing.T
	fail int   // which operation fails, counted from 0; negative: none
	err  error // with what

	mu  sync.Mutex
	ops []string
}

// watch returns a Dir on root, which watches. Names in ops are relative to root; files in the temporary directory
// are "new".
func watch(t *testing.T, root string) *watched {
	t.Helper()
	d, err := NewDir(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{Dir: d, t: t, fail: -1, err: syscall.ENOSPC}
	d.disk = disk{
		sync:    func(f *os.File) error { return w.do("sync", f.Name(), func() error { return osDisk.sync(f) }) },
		syncDir: func(dir string) error { return w.do("syncDir", dir, func() error { return osDisk.syncDir(dir) }) },
		link:    func(from, to string) error { return w.do("link", to, func() error { return osDisk.link(from, to) }) },
		rename: func(from, to string) error {
			return w.do("rename", to, func() error { return osDisk.rename(from, to) })
		},
	}
	return w
}

func (w *watched) do(op, name string, f func() error) error {
	w.mu.Lock()
	n := len(w.ops)
	w.ops = append(w.ops, op+" "+w.short(name))
	w.mu.Unlock()
	if n == w.fail {
		return &fs.PathError{Op: op, Path: name, Err: w.err}
	}
	return f()
}

func (w *watched) short(name string) string {
	rel, err := filepath.Rel(w.root, name)
	switch {
	case err == nil && rel != ".." && !strings.HasPrefix(rel, "../"):
		return filepath.ToSlash(rel)
	case filepath.Dir(name) == w.tmp:
		return "new"
	}
	return filepath.Base(name)
}

// taken returns the operations since it was last called.
func (w *watched) taken() []string {
	ops := w.ops
	w.ops = nil
	return ops
}

// wantClean checks that nothing is left in the temporary directory.
func (w *watched) wantClean() {
	w.t.Helper()
	entries, err := os.ReadDir(w.tmp)
	if err != nil || len(entries) > 0 {
		w.t.Errorf("left in the temporary directory: %v, %v", entries, err)
	}
}

func (w *watched) read(name string) ([]byte, string, error) {
	c, err := w.Open(background, name)
	if err != nil {
		return nil, "", err
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	return b, c.ETag, err
}

var (
	tiny = []byte("tiny")
	huge = bytes.Repeat([]byte("huge"), Small)
)

// TestDirOrder: content is durable before it has its name, the name before Put returns, and so are new ancestors.
func TestDirOrder(t *testing.T) {
	w := watch(t, filepath.Join(t.TempDir(), "root"))
	file := filepath.Join(t.TempDir(), "fill-1")
	if err := os.WriteFile(file, huge, 0o644); err != nil {
		t.Fatal(err)
	}
	whole, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	steps := []struct {
		what string
		name string
		src  *io.SectionReader
		o    PutOptions
		want []string
	}{
		{"create in new directories", "modules/a/b/x", section(tiny), PutOptions{},
			[]string{"sync new", "link modules/a/b/x", "syncDir modules/a/b", "syncDir modules/a", "syncDir modules", "syncDir ."}},
		{"create beside it", "modules/a/b/y", section(tiny), PutOptions{},
			[]string{"sync new", "link modules/a/b/y", "syncDir modules/a/b"}},
		{"create above it", "modules/z", section(tiny), PutOptions{},
			[]string{"sync new", "link modules/z", "syncDir modules"}},
		{"what is there is not touched", "modules/z", section(huge), PutOptions{}, nil},
		{"create a large one with an ETag", "modules/large", section(huge), PutOptions{ETag: "abc"},
			[]string{"sync new", "link modules/large", "rename modules/large.etag", "syncDir modules"}},
		{"create a large one without", "modules/large2", section(huge), PutOptions{},
			[]string{"sync new", "link modules/large2", "syncDir modules"}},
		{"create from a file", "modules/file", io.NewSectionReader(whole, 0, int64(len(huge))), PutOptions{},
			[]string{"sync fill-1", "link modules/file", "syncDir modules"}},
		{"create from a part of a file", "modules/part", io.NewSectionReader(whole, 1, 10), PutOptions{},
			[]string{"sync new", "link modules/part", "syncDir modules"}},
		{"replace", "modules/z", section(huge), PutOptions{If: "*", ETag: "abc"},
			[]string{"sync new", "rename modules/z", "rename modules/z.etag", "syncDir modules"}},
		{"swap", "modules/a/b/x", section(tiny), PutOptions{If: ETag(tiny)},
			[]string{"sync new", "rename modules/a/b/x", "syncDir modules/a/b"}},
		{"swap in vain", "modules/a/b/x", section(tiny), PutOptions{If: "other"}, []string{"sync new"}},
		{"replace by a file", "modules/z", io.NewSectionReader(whole, 0, int64(len(huge))), PutOptions{If: "*"},
			[]string{"sync fill-1", "link new", "rename modules/z", "syncDir modules"}},
	}
	for _, step := range steps {
		err := w.Put(background, step.name, step.src, step.o)
		if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", step.what, err)
		}
		if diff := cmp.Diff(step.want, w.taken()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", step.what, diff)
		}
		w.wantClean()
	}
}

// TestDirSyncsWhatOthersMade: a directory that is there may be the work of a process that was killed before it
// synced the parent.
func TestDirSyncsWhatOthersMade(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "modules/a"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := watch(t, root)
	if err := w.Put(background, "modules/a/x", section(tiny), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"sync new", "link modules/a/x", "syncDir modules/a", "syncDir modules", "syncDir ."}
	if diff := cmp.Diff(want, w.taken()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestDirContentIsThereWhenItIsPublished looks at the file at the moment of the link and of the rename.
func TestDirContentIsThereWhenItIsPublished(t *testing.T) {
	w := watch(t, t.TempDir())
	published := 0
	see := func(next func(from, to string) error) func(from, to string) error {
		return func(from, to string) error {
			if b, err := os.ReadFile(from); err != nil || !bytes.Equal(b, tiny) && !bytes.Equal(b, huge) {
				t.Errorf("%s: %d bytes, %v, when it is published", to, len(b), err)
			}
			published++
			return next(from, to)
		}
	}
	w.disk.link, w.disk.rename = see(w.disk.link), see(w.disk.rename)
	for i, b := range [][]byte{tiny, huge} {
		for _, cond := range []string{"", "*"} {
			if err := w.Put(background, fmt.Sprintf("%d%s", i, cond), section(b), PutOptions{If: cond}); err != nil {
				t.Error(err)
			}
		}
	}
	if published != 4 {
		t.Errorf("%d objects were published, want 4", published)
	}
}

// TestDirFailures makes each step of each way to put fail.
func TestDirFailures(t *testing.T) {
	old := []byte("old")
	tests := []struct {
		what   string
		before []byte // nil: absent
		b      []byte
		o      PutOptions
		ops    int
		public int // the operation that gives it its name
		may    []int
	}{
		{"create", nil, tiny, PutOptions{}, 5, 1, nil},
		{"create a large one", nil, huge, PutOptions{ETag: "abc"}, 6, 1, []int{2}},
		{"replace", old, tiny, PutOptions{If: "*"}, 3, 1, nil},
		{"replace by a large one", old, huge, PutOptions{If: "*", ETag: "abc"}, 4, 1, []int{2}},
		{"swap", old, tiny, PutOptions{If: ETag(old)}, 3, 1, nil},
	}
	for _, test := range tests {
		for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
			for fail := range test.ops {
				t.Run(fmt.Sprintf("%s/%v/%d", test.what, errno, fail), func(t *testing.T) {
					w := watch(t, t.TempDir())
					if test.before != nil {
						if err := w.Put(background, "a/b/x", section(test.before), PutOptions{}); err != nil {
							t.Fatal(err)
						}
						w.taken()
					}
					w.fail, w.err = fail, errno
					err := w.Put(background, "a/b/x", section(test.b), test.o)
					w.fail = -1
					if may := slices.Contains(test.may, fail); may != (err == nil) {
						t.Fatalf("Put = %v, after %q", err, w.ops)
					}
					if err != nil && (!errors.Is(err, errno) || !strings.Contains(err.Error(), "a/b/x")) {
						t.Errorf("the error is %q; it must be %v and name the object", err, errno)
					}
					want := test.b
					if fail <= test.public {
						want = test.before
					}
					if b, etag, err := w.read("a/b/x"); want == nil && !errors.Is(err, fs.ErrNotExist) ||
						want != nil && (err != nil || !bytes.Equal(b, want)) || len(b) > Small && etag != "" && etag != "abc" {
						t.Errorf("after the failure there are %d bytes %.10q, ETag %q, %v; want %.10q", len(b), b, etag, err, want)
					}
					w.wantClean()
					// Nothing is in the way of the next.
					if err := w.Put(background, "a/b/x", section(huge), PutOptions{If: "*"}); err != nil {
						t.Errorf("Put after the failure: %v", err)
					}
				})
			}
		}
	}
}

// TestVolatile: nobody waits for the disk for what can be had again, and what is put beside it afterwards lasts as ever.
func TestVolatile(t *testing.T) {
	w := watch(t, t.TempDir())
	section := func(b []byte) *io.SectionReader { return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))) }
	if err := w.Put(background, "a/b/one", section(tiny), PutOptions{Volatile: true}); err != nil {
		t.Fatal(err)
	}
	if ops, want := w.taken(), []string{"link a/b/one"}; !slices.Equal(ops, want) {
		t.Errorf("done: %q, want %q", ops, want)
	}
	if b, _, err := w.read("a/b/one"); err != nil || !bytes.Equal(b, tiny) {
		t.Errorf("read: %q, %v", b, err)
	}
	if err := w.Put(background, "a/b/two", section(tiny), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if ops, want := w.taken(), []string{"sync new", "link a/b/two", "syncDir a/b", "syncDir a", "syncDir ."}; !slices.Equal(ops, want) {
		t.Errorf("done: %q, want %q", ops, want)
	}
	w.wantClean()
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Dir is a Store in a directory tree. An object larger than Small has its ETag in a file
// beside it, NAME.etag, written after the object: without it the object has none.
type Dir struct {
	root string
	tmp  string // same file system as root; the caller sweeps it
	disk disk

	mu    sync.Mutex      // guards known
	known map[string]bool // directories that exist and are durable
}

// maxKnown bounds the memory for directories that need no second check.
const maxKnown = 4096

const etagSuffix = ".etag"

// NewDir returns a Store of the files below root. Temporary files are made in tmp, which
// must exist, be this process's own and be on the file system of root.
func NewDir(root, tmp string) (*Dir, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &Dir{root: root, tmp: tmp, disk: osDisk, known: map[string]bool{root: true}}, nil
}

func (d *Dir) file(name string) string { return filepath.Join(d.root, filepath.FromSlash(name)) }

// Open implements Store.
func (d *Dir) Open(_ context.Context, name string) (*goproxy.Content, error) {
	if err := checkName("open", name); err != nil {
		return nil, err
	}
	f, err := os.Open(d.file(name))
	if err != nil {
		return nil, asAbsent("open", name, err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = absent("open", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if fi.Size() <= Small {
		b := make([]byte, fi.Size())
		_, err := io.ReadFull(f, b)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("store: %s: %w", name, err)
		}
		return small(b), nil
	}
	return &goproxy.Content{Meta: goproxy.Meta{Size: fi.Size(), ETag: d.etag(name)}, Body: f}, nil
}

// etag returns the remembered ETag of a large object, or "".
func (d *Dir) etag(name string) string {
	b, err := os.ReadFile(d.file(name) + etagSuffix)
	if err != nil || len(b) > 128 {
		return ""
	}
	return string(b)
}

// Stat implements Store.
func (d *Dir) Stat(ctx context.Context, name string) (goproxy.Meta, error) {
	if err := checkName("stat", name); err != nil {
		return goproxy.Meta{}, err
	}
	fi, err := os.Stat(d.file(name))
	if err != nil {
		return goproxy.Meta{}, asAbsent("stat", name, err)
	}
	if fi.Mode().IsRegular() && fi.Size() > Small {
		return goproxy.Meta{Size: fi.Size(), ETag: d.etag(name)}, nil
	}
	c, err := d.Open(ctx, name)
	if err != nil {
		return goproxy.Meta{}, err
	}
	c.Body.Close()
	return c.Meta, nil
}

// Put implements Store.
func (d *Dir) Put(_ context.Context, name string, src *io.SectionReader, o PutOptions) error {
	if err := checkName("put", name); err != nil {
		return err
	}
	if err := d.put(name, src, o); err != nil {
		if errors.Is(err, fs.ErrExist) || errors.Is(err, ErrConflict) {
			return err
		}
		return fmt.Errorf("store: %s: %w", name, err)
	}
	if src.Size() > Small && o.ETag != "" {
		d.writeETag(name, o.ETag)
	}
	return nil
}

func (d *Dir) put(name string, src *io.SectionReader, o PutOptions) error {
	to := d.file(name)
	if o.If == "" {
		if _, err := os.Lstat(to); err == nil {
			return &fs.PathError{Op: "put", Path: name, Err: fs.ErrExist}
		}
	}
	from, temporary, err := d.durable(src)
	if err != nil {
		return err
	}
	if temporary {
		defer os.Remove(from)
	}
	if err := d.mkdir(filepath.Dir(to)); err != nil {
		return err
	}
	switch o.If {
	case "":
		err = d.disk.link(from, to)
		if errors.Is(err, syscall.EXDEV) && !temporary {
			return d.putCopy(name, src, o)
		}
	case "*":
		err = d.replace(from, to, temporary)
	default:
		err = d.swap(name, from, to, temporary, o.If)
	}
	if err != nil {
		return err
	}
	return d.disk.syncDir(filepath.Dir(to))
}

// putCopy puts a copy of src, where the file itself cannot be linked.
func (d *Dir) putCopy(name string, src *io.SectionReader, o PutOptions) error {
	return d.put(name, io.NewSectionReader(struct{ io.ReaderAt }{src}, 0, src.Size()), o)
}

// durable returns a synced file with the bytes of src: src's own where it is a whole
// file, else a temporary copy.
func (d *Dir) durable(src *io.SectionReader) (name string, temporary bool, err error) {
	outer, off, n := src.Outer()
	if f, ok := outer.(*os.File); ok && off == 0 {
		if fi, err := f.Stat(); err == nil && fi.Size() == n {
			return f.Name(), false, d.disk.sync(f)
		}
	}
	f, err := os.CreateTemp(d.tmp, "put-*")
	if err != nil {
		return "", false, err
	}
	_, err = io.Copy(f, io.NewSectionReader(src, 0, src.Size()))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = d.disk.sync(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(f.Name())
		return "", false, err
	}
	return f.Name(), true, nil
}

// replace puts the file from in place of to. What is not temporary keeps its own name.
func (d *Dir) replace(from, to string, temporary bool) error {
	if !temporary {
		second := filepath.Join(d.tmp, "swap-"+path.Base(from))
		if err := d.disk.link(from, second); err != nil {
			return err
		}
		defer os.Remove(second)
		from = second
	}
	return d.disk.rename(from, to)
}

// swap replaces name where it has the ETag want now. The lock holds off other processes.
func (d *Dir) swap(name, from, to string, temporary bool, want string) error {
	lock := flock.New(filepath.Join(d.root, ".swap.lock"))
	if err := lock.Lock(); err != nil {
		return err
	}
	defer lock.Unlock()
	m, err := d.Stat(context.Background(), name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || m.ETag != want {
		return ErrConflict
	}
	return d.replace(from, to, temporary)
}

// mkdir makes dir and makes every new ancestor durable.
func (d *Dir) mkdir(dir string) error {
	d.mu.Lock()
	known := d.known[dir]
	d.mu.Unlock()
	if known {
		if _, err := os.Lstat(dir); err == nil {
			return nil
		}
	}
	if dir != d.root {
		parent := filepath.Dir(dir)
		if err := d.mkdir(parent); err != nil {
			return err
		}
		// Also where it exists: whoever made it may not have got as far as syncing it.
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := d.disk.syncDir(parent); err != nil {
			return err
		}
	}
	d.mu.Lock()
	if len(d.known) >= maxKnown {
		clear(d.known)
	}
	d.known[dir] = true
	d.mu.Unlock()
	return nil
}

// writeETag remembers an ETag. A failure costs clients their validator and nothing else.
func (d *Dir) writeETag(name, etag string) {
	f, err := os.CreateTemp(d.tmp, "etag-*")
	if err != nil {
		return
	}
	_, err = f.WriteString(etag)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil || os.Chmod(f.Name(), 0o644) != nil || d.disk.rename(f.Name(), d.file(name)+etagSuffix) != nil {
		os.Remove(f.Name())
	}
}

// List implements Store.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		start := d.root
		if dir := path.Dir(prefix); prefix != "" && dir != "." {
			if checkName("list", dir) != nil {
				return
			}
			start = d.file(dir)
		}
		stopped := errors.New("stopped")
		err := filepath.WalkDir(start, func(p string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			entry, ok := d.entry(p, e, prefix)
			if ok && !yield(entry, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && err != stopped {
			yield(Entry{}, fmt.Errorf("store: listing %s: %w", prefix, err))
		}
	}
}

func (d *Dir) entry(p string, e fs.DirEntry, prefix string) (Entry, bool) {
	rel, err := filepath.Rel(d.root, p)
	if err != nil || !e.Type().IsRegular() {
		return Entry{}, false
	}
	name := filepath.ToSlash(rel)
	if !strings.HasPrefix(name, prefix) || strings.HasSuffix(name, etagSuffix) || strings.HasPrefix(name, ".") {
		return Entry{}, false
	}
	fi, err := e.Info()
	if err != nil {
		return Entry{}, false // removed meanwhile
	}
	return Entry{Name: name, Size: fi.Size(), ModTime: fi.ModTime()}, true
}

// Remove implements Store.
func (d *Dir) Remove(_ context.Context, name string) error {
	if err := checkName("remove", name); err != nil {
		return err
	}
	os.Remove(d.file(name) + etagSuffix)
	if err := os.Remove(d.file(name)); err != nil && !errors.Is(asAbsent("", "", err), fs.ErrNotExist) {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// asAbsent turns the errors of names that cannot exist into absence.
func asAbsent(op, name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
		return absent(op, name)
	}
	return fmt.Errorf("store: %w", err)
}

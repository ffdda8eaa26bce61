package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Dir is a Store in a directory tree. An object larger than Small has its ETag and size in a file
// beside it, NAME.etag, written after the object: without it the object has no ETag.
type Dir struct {
	root string
	tmp  string // same file system as root; the caller sweeps it
	disk disk

	change sync.Mutex // held, before the lock file, to change what may be there already or has a NAME.etag

	mu    sync.Mutex      // guards known
	known map[string]bool // directories that exist and are durable
}

// maxKnown bounds the memory for directories that need no second check.
const maxKnown = 4096

// NewDir returns a Store of the files below root. Temporary files are made in tmp, which
// must exist, be this process's own and be on the file system of root.
func NewDir(root, tmp string) (*Dir, error) {
	root = filepath.Clean(root) // ancestors of a file must come to it
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
	var etag string
	if err == nil {
		etag, err = d.etag(name, fi)
	}
	if err == nil && fi.Size() > Small {
		return &goproxy.Content{Meta: goproxy.Meta{Size: fi.Size(), ETag: etag}, Body: f}, nil
	}
	defer f.Close()
	if err != nil {
		return nil, err
	}
	b := make([]byte, fi.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("store: %s: %w", name, err)
	}
	return small(b), nil
}

// Stat implements Store.
func (d *Dir) Stat(ctx context.Context, name string) (goproxy.Meta, error) {
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
	err := d.put(name, src, o)
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, ErrConflict) {
		return err
	}
	return fmt.Errorf("store: %s: %w", name, err)
}

func (d *Dir) put(name string, src *io.SectionReader, o PutOptions) error {
	to := d.file(name)
	if o.If == "" {
		if _, err := os.Lstat(to); err == nil {
			return &fs.PathError{Op: "put", Path: name, Err: fs.ErrExist}
		}
	}
	from, temporary, err := d.durable(src, !o.Volatile)
	if err != nil {
		return err
	}
	if temporary {
		defer os.Remove(from)
	}
	dir := filepath.Dir(to)
	fresh, err := d.mkdir(dir)
	if err != nil {
		return err
	}
	err = d.publish(name, from, temporary, src.Size(), o)
	if errors.Is(err, syscall.EXDEV) && !temporary {
		return d.putCopy(name, src, o)
	}
	if err != nil || o.Volatile {
		return err
	}
	return d.syncNames(dir, fresh)
}

// publish gives the file from, of size bytes, its name. What creates a small object needs no lock: the link alone
// decides.
func (d *Dir) publish(name, from string, temporary bool, size int64, o PutOptions) error {
	to := d.file(name)
	if o.If == "" && size <= Small {
		return d.disk.link(from, to)
	}
	unlock, err := d.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.check(name, o.If); err != nil {
		return err
	}
	// Before and after: whatever is killed, no object has the ETag of another.
	if err := os.Remove(to + etagSuffix); err != nil && !errors.Is(asAbsent("put", name, err), fs.ErrNotExist) {
		return err
	}
	if o.If == "" {
		err = d.disk.link(from, to)
	} else {
		err = d.replace(from, to, temporary)
	}
	if err == nil && size > Small && o.ETag != "" {
		d.writeETag(to, o.ETag, size)
	}
	return err
}

// lock holds off all who change what is there, of other processes too.
func (d *Dir) lock() (unlock func(), err error) {
	d.change.Lock()
	f := flock.New(filepath.Join(d.root, ".swap.lock"))
	if err := f.Lock(); err != nil {
		d.change.Unlock()
		return nil, err
	}
	return func() { f.Close(); d.change.Unlock() }, nil
}

// check compares what is there with PutOptions.If. The caller holds the lock.
func (d *Dir) check(name, want string) error {
	if want == "*" {
		return nil
	}
	m, err := d.Stat(context.Background(), name)
	switch {
	case want == "" && err == nil:
		return &fs.PathError{Op: "put", Path: name, Err: fs.ErrExist}
	case want == "":
		return nil // the link will say
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil || m.ETag != want:
		return ErrConflict
	}
	return nil
}

// putCopy puts a copy of src, where the file itself cannot be linked.
func (d *Dir) putCopy(name string, src *io.SectionReader, o PutOptions) error {
	return d.put(name, io.NewSectionReader(struct{ io.ReaderAt }{src}, 0, src.Size()), o)
}

// durable returns a file with the bytes of src, synced where that is asked for: src's own where it is a whole
// file, else a temporary copy.
func (d *Dir) durable(src *io.SectionReader, sync bool) (name string, temporary bool, err error) {
	outer, off, n := src.Outer()
	if f, ok := outer.(*os.File); ok && off == 0 {
		if fi, err := f.Stat(); err == nil && fi.Size() == n {
			if sync {
				err = d.disk.sync(f)
			}
			return f.Name(), false, err
		}
	}
	f, err := os.CreateTemp(d.tmp, "put-*")
	if err != nil {
		return "", false, err
	}
	if _, err = io.CopyN(f, io.NewSectionReader(src, 0, n), n); errors.Is(err, io.EOF) {
		err = shortSource(err)
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil && sync {
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

// mkdir makes dir and returns those of its ancestors, and itself, that may not last yet: outermost first.
func (d *Dir) mkdir(dir string) (fresh []string, err error) {
	d.mu.Lock()
	known := d.known[dir]
	d.mu.Unlock()
	if known {
		if _, err := os.Lstat(dir); err == nil {
			return nil, nil
		}
	}
	if dir == d.root {
		return nil, nil
	}
	fresh, err = d.mkdir(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// Also where it exists: whoever made it may not have got as far as syncing its name.
	return append(fresh, dir), nil
}

// syncNames makes the names in dir last, and those of fresh. The innermost comes first, and once: a journal that is
// written for it has the others too.
func (d *Dir) syncNames(dir string, fresh []string) error {
	if err := d.disk.syncDir(dir); err != nil {
		return err
	}
	for _, dir := range slices.Backward(fresh) {
		if err := d.disk.syncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dir := range fresh {
		if len(d.known) >= maxKnown {
			clear(d.known)
		}
		d.known[dir] = true
	}
	return nil
}

// Remove implements Store.
func (d *Dir) Remove(_ context.Context, name string) error {
	if err := checkName("remove", name); err != nil {
		return err
	}
	unlock, err := d.lock()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer unlock()
	fi, err := os.Lstat(d.file(name))
	if err == nil && !fi.Mode().IsRegular() {
		return nil // a directory is no object
	}
	if err == nil {
		os.Remove(d.file(name) + etagSuffix)
		err = os.Remove(d.file(name))
	}
	if err != nil && !errors.Is(asAbsent("remove", name, err), fs.ErrNotExist) {
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

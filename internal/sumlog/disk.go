package sumlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// The names in a log's directory.
const (
	latest    = "latest"
	supported = "supported"
	lookupDir = "lookup/"
	lockFile  = ".lock"
	pending   = ".pending"
	indexFile = ".index"
	tmpDir    = ".tmp"
)

// operations are what a log does to a disk whose order matters, so that a test can watch the order and break off at each.
type operations struct {
	sync    func(f *os.File) error
	syncDir func(dir string) error
	link    func(from, to string) error
	rename  func(from, to string) error
	remove  func(name string) error
}

var osDisk = operations{sync: (*os.File).Sync, syncDir: syncDir, link: os.Link, rename: os.Rename, remove: os.RemoveAll}

// syncDir makes the names in dir durable. Windows has no such call: NTFS journals names.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// A file is what is to be under a name.
type file struct {
	name string
	data []byte
}

// A disk writes files so that they last.
type disk struct {
	operations
	dir string

	mu    sync.Mutex
	known map[string]bool // directories, by name, whose own names last
}

const (
	maxKnown = 4096
	// maxWrites is how many files are written at once: a disk makes them durable together.
	maxWrites = 16
)

func newDisk(dir string, ops operations) *disk {
	return &disk{operations: ops, dir: dir, known: map[string]bool{}}
}

func (d *disk) file(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

// create writes files that are not there. A file that is there must be the same. All last on return; after an error
// some may be there.
func (d *disk) create(files []file) error {
	dirs := map[string]bool{}
	for _, f := range files {
		if err := d.mkdir(path.Dir(f.name), dirs); err != nil {
			return err
		}
	}
	var g errgroup.Group
	g.SetLimit(maxWrites)
	for _, f := range files {
		g.Go(func() error { return d.createOne(f) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return d.syncDirs(dirs)
}

func (d *disk) createOne(f file) error {
	tmp, err := d.temporary(f.data)
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	defer os.Remove(tmp)
	err = d.link(tmp, d.file(f.name))
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	have, err := readAtMost(d.file(f.name), int64(len(f.data)))
	if err != nil || !bytes.Equal(have, f.data) {
		return fmt.Errorf("%s: it is there with other bytes: an older copy of %s was put in place, or something else writes here; restore the newest copy of the directory", f.name, latest)
	}
	return nil
}

// mkdir makes a directory and notes in dirs which directories must be synced: that one, and whichever has a name that
// may not last yet.
func (d *disk) mkdir(name string, dirs map[string]bool) error {
	dirs[name] = true
	if name == "." {
		return nil
	}
	d.mu.Lock()
	known := d.known[name]
	d.mu.Unlock()
	if known {
		return nil
	}
	if err := os.MkdirAll(d.file(name), 0o755); err != nil {
		return err
	}
	return d.mkdir(path.Dir(name), dirs) // its name is there
}

func (d *disk) syncDirs(dirs map[string]bool) error {
	var g errgroup.Group
	g.SetLimit(maxWrites)
	for name := range dirs {
		g.Go(func() error { return d.syncDir(d.file(name)) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known)+len(dirs) > maxKnown {
		clear(d.known)
	}
	maps.Copy(d.known, dirs)
	return nil
}

// replace gives a file new bytes: it has the old or the new ones, and the new ones last on return.
func (d *disk) replace(name string, data []byte) error {
	tmp, err := d.temporary(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := d.rename(tmp, d.file(name)); err != nil {
		os.Remove(tmp)
		return err
	}
	return d.syncDir(d.dir)
}

// temporary returns a new file with these bytes, which last.
func (d *disk) temporary(data []byte) (string, error) {
	f, err := os.CreateTemp(d.file(tmpDir), "new-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = d.sync(f)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// sweep removes what killed processes left. The caller holds the lock.
func (d *disk) sweep() error {
	entries, err := os.ReadDir(d.file(tmpDir))
	for _, e := range entries {
		if err == nil {
			err = os.Remove(filepath.Join(d.file(tmpDir), e.Name()))
		}
	}
	return err
}

// readAtMost returns a file's bytes, and an error where it has more than max.
func readAtMost(name string, max int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(b)) > max {
		return nil, fmt.Errorf("%s: it has more than %d bytes", name, max)
	}
	return b, err
}

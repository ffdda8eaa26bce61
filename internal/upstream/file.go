package upstream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

const (
	fileEvery = time.Second // between two looks at a file
	maxFile   = 1 << 20     // bytes
)

// A watchedFile is one whose contents are read again when they change.
type watchedFile[T any] struct {
	name  string
	parse func(string) (T, error)
	must  bool // be there

	mu     sync.Mutex // guards all below
	looked time.Time
	mtime  time.Time
	size   int64
	value  T
}

// openFile reads a file that must be there.
func openFile[T any](name string, parse func(string) (T, error)) (*watchedFile[T], error) {
	f := &watchedFile[T]{name: name, parse: parse, must: true, looked: time.Now()}
	return f, f.read()
}

// lateFile is a file that need not be there.
func lateFile[T any](name string, parse func(string) (T, error)) *watchedFile[T] {
	return &watchedFile[T]{name: name, parse: parse}
}

// get returns what the file says, or said when it was last right: one that is being written is not yet.
// A file that is gone says nothing, unless it had to be there.
func (f *watchedFile[T]) get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.looked) >= fileEvery {
		f.looked = now
		_ = f.read() // the value stays
	}
	return f.value
}

// read reads the file if it is not the one that was read last.
func (f *watchedFile[T]) read() error {
	info, err := os.Stat(f.name)
	if errors.Is(err, fs.ErrNotExist) && !f.must {
		var nothing T
		f.value, f.mtime, f.size = nothing, time.Time{}, 0
		return nil
	}
	if err != nil {
		return err
	}
	if info.ModTime().Equal(f.mtime) && info.Size() == f.size {
		return nil
	}
	if info.Size() > maxFile {
		return fmt.Errorf("%s: has more than %d bytes", f.name, maxFile)
	}
	b, err := os.ReadFile(f.name)
	if err != nil {
		return err
	}
	v, err := f.parse(string(b))
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	f.value, f.mtime, f.size = v, info.ModTime(), info.Size()
	return nil
}

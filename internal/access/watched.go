package access

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often a file is looked at while it is in use: a revoked token works for so long.
const lookEvery = time.Second

// watched is what a file says, read again when it changes. One that becomes unreadable or wrong leaves what it said before, and
// that is logged once for each change.
type watched[T any] struct {
	name    string
	max     int64 // bytes
	missing bool  // whether a file that does not exist is an empty one
	parse   func([]byte) (T, error)
	log     *slog.Logger
	now     func() time.Time

	mu     sync.Mutex // guards all below
	looked time.Time
	seen   fs.FileInfo // of what value is from, or of what was wrong; nil where there was none
	value  T
}

// watch reads a file for the first time.
func watch[T any](name string, max int64, missing bool, parse func([]byte) (T, error), log *slog.Logger, now func() time.Time) (*watched[T], error) {
	w := &watched[T]{name: name, max: max, missing: missing, parse: parse, log: log, now: now, looked: now()}
	v, fi, err := w.read()
	w.value, w.seen = v, fi
	return w, err
}

// get returns what the file says, or said within the last second, which nobody may change.
func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	if since := w.now().Sub(w.looked); since >= 0 && since < lookEvery {
		return w.value
	}
	return w.look()
}

// latest returns what the file says now: for who is not in what get returned. It costs a look at the file's date; the file is read where
// that has changed alone, so that who tries what he likes has nothing read.
func (w *watched[T]) latest() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.look()
}

// look reads the file if it has changed. w.mu is held.
func (w *watched[T]) look() T {
	w.looked = w.now()
	fi, err := os.Stat(w.name)
	if err != nil {
		fi = nil
	}
	if fi == nil && w.seen == nil || fi != nil && w.seen != nil && same(fi, w.seen) {
		return w.value
	}
	v, opened, err := w.read()
	if w.seen = fi; opened != nil {
		w.seen = opened
	}
	if err != nil {
		w.log.Error("a file of credentials cannot be read again; what it said before holds", "err", err)
		return w.value
	}
	w.value = v
	return v
}

func same(a, b fs.FileInfo) bool {
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// read returns what the file says, and what it was when it was opened.
func (w *watched[T]) read() (v T, fi fs.FileInfo, err error) {
	b, fi, err := readBounded(w.name, w.max)
	if w.missing && errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return v, fi, err
	}
	if v, err = w.parse(b); err != nil {
		err = fmt.Errorf("%s: %w", w.name, err)
	}
	return v, fi, err
}

// readBounded returns a file's bytes, at most max, and what it was when it was opened.
func readBounded(name string, max int64) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(b)) > max {
		err = fmt.Errorf("%s: it has more than %d bytes; is it another file?", name, max)
	}
	return b, fi, err
}

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// StateFormat is the version of the layout of a state directory.
const StateFormat = 1

const formatPrefix = "modhaven state "

// migrations[n] turns a directory of format n into one of format n+1.
var migrations = map[int]func(dir string) error{}

// State is a state directory in use by this process.
type State struct {
	Dir   string // absolute
	Spool string // this process's own: fills and temporary files
	Swept int    // spools of dead processes that were removed
	lock  *flock.Flock
}

// OpenState makes dir a state directory if it is absent or empty, migrates an older one, refuses a newer
// one or one that is something else, gives this process a spool, and sweeps the spools of dead processes.
func OpenState(dir string) (*State, error) {
	s, err := openState(dir)
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", dir, err)
	}
	return s, nil
}

func openState(dir string) (*State, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	// One lock for everything below that must not happen twice at once.
	guard := flock.New(filepath.Join(dir, ".lock"))
	if err := checkForeign(dir); err != nil {
		return nil, err
	}
	if err := guard.Lock(); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	defer guard.Close()
	if err := ensureFormat(dir, StateFormat, migrations); err != nil {
		return nil, err
	}
	s := &State{Dir: dir}
	spools := filepath.Join(dir, "spool")
	if err := os.MkdirAll(spools, 0o755); err != nil {
		return nil, err
	}
	if s.Swept, err = sweep(spools); err != nil {
		return nil, err
	}
	if s.Spool, err = os.MkdirTemp(spools, strconv.Itoa(os.Getpid())+"-"); err != nil {
		return nil, err
	}
	s.lock = flock.New(filepath.Join(s.Spool, ".lock"))
	if ok, err := s.lock.TryLock(); err != nil || !ok {
		return nil, fmt.Errorf("locking the spool %s: %w", s.Spool, errors.Join(err, errors.New("held by another process")))
	}
	return s, nil
}

// checkForeign refuses a directory that has other things in it and was never a state directory.
func checkForeign(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "format")); err == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case ".lock", "lost+found", "format", "format.new": // also what a first start leaves that is killed
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "format")); err == nil {
			return nil // the first start of another process has come further meanwhile
		}
		return fmt.Errorf("it holds %s and is no state directory; name an empty or a new directory", e.Name())
	}
	return nil
}

// ensureFormat writes or checks the file "format", migrating step by step.
func ensureFormat(dir string, current int, migrations map[int]func(string) error) error {
	name := filepath.Join(dir, "format")
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return writeFormat(name, current)
	}
	if err != nil {
		return err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(b)), formatPrefix)
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 1 {
		return fmt.Errorf("the file format says %.40q, not %q and a number", b, formatPrefix)
	}
	if n > current {
		return fmt.Errorf("its format is %d, this version of Modhaven knows formats up to %d: use the newer version, or another directory", n, current)
	}
	for ; n < current; n++ {
		migrate, ok := migrations[n]
		if !ok {
			return fmt.Errorf("its format is %d, which this version of Modhaven cannot migrate to %d: use another directory", n, current)
		}
		if err := migrate(dir); err != nil {
			return fmt.Errorf("migrating from format %d: %w", n, err)
		}
		if err := writeFormat(name, n+1); err != nil {
			return err
		}
	}
	return nil
}

// writeFormat is durable, or a crash would leave a file that no start understands.
func writeFormat(name string, n int) error {
	f, err := os.Create(name + ".new")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s%d\n", formatPrefix, n)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// sweep removes the spools whose owner is gone: those whose lock is free.
func sweep(spools string) (n int, err error) {
	entries, err := os.ReadDir(spools)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		dir := filepath.Join(spools, e.Name())
		lock := flock.New(filepath.Join(dir, ".lock"))
		ok, err := lock.TryLock()
		if err != nil || !ok {
			continue // alive, or not ours to judge
		}
		lock.Close()
		if os.RemoveAll(dir) == nil {
			n++
		}
	}
	return n, nil
}

// Close gives the spool up and removes it.
func (s *State) Close() error {
	err := s.lock.Close()
	return errors.Join(err, os.RemoveAll(s.Spool))
}

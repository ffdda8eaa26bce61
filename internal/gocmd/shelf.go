package gocmd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/sync/semaphore"
)

// shelves are the module caches of the go command, with the clones in them: one for all modules whose paths begin with the same two elements. A repository's
// modules share one, so that they share its clone, unless it is the root of its host; and what nobody uses can be removed whole.
type shelves struct {
	dir   string
	turns int64 // of each

	mu     sync.Mutex
	all    map[string]*shelf // by name
	sweeps bool              // one goroutine sweeps
}

type shelf struct {
	dir   string              // GOMODCACHE
	turns *semaphore.Weighted // commands at once: fewer than in all, so that a silent host does not keep others from their turn

	// under shelves.mu:
	users int
	used  time.Time // last
	size  int64     // bytes on disk when last measured; negative: not since it was used
}

// open learns what an earlier process has kept.
func (s *shelves) open(dir string) error {
	s.dir, s.all = dir, map[string]*shelf{}
	names, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		s.all[name] = &shelf{dir: name, turns: semaphore.NewWeighted(s.turns), used: info.ModTime(), size: -1}
	}
	return nil
}

// use returns the shelf of a module, whose path has been checked. It is not removed until it is put back.
func (s *shelves) use(path string) *shelf {
	host, rest, _ := strings.Cut(path, "/")
	first, _, _ := strings.Cut(rest, "/")
	if first == "" {
		first = "+" // no element of a path
	}
	esc, err := module.EscapePath(host + "/" + first)
	if err != nil { // of parts that could be no path by themselves, such as "v2": their letters are safe but for their case
		esc = host + "/" + strings.ToLower(first)
	}
	dir := filepath.Join(s.dir, filepath.FromSlash(esc))
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.all[dir]
	if sh == nil {
		sh = &shelf{dir: dir, turns: semaphore.NewWeighted(s.turns)}
		s.all[dir] = sh
	}
	sh.users++
	return sh
}

// putBack ends a use.
func (f *Fetcher) putBack(sh *shelf) {
	s := &f.shelves
	s.mu.Lock()
	defer s.mu.Unlock()
	sh.users--
	sh.used, sh.size = time.Now(), -1
	if sh.users > 0 || s.sweeps || f.life.Err() != nil {
		return
	}
	s.sweeps = true
	f.wg.Go(f.sweep)
}

// sweep measures what was used and removes what is too much, until nothing has been used meanwhile.
func (f *Fetcher) sweep() {
	s := &f.shelves
	for {
		s.mu.Lock()
		sh := s.unmeasured()
		if sh == nil || f.life.Err() != nil {
			s.sweeps = false
			gone := s.excess(f)
			s.mu.Unlock()
			for _, dir := range gone {
				if err := removeAll(dir); err != nil {
					f.o.Log.Warn("direct: clones could not be removed", "dir", dir, "err", err)
				}
			}
			return
		}
		sh.size = 0
		used := sh.used
		s.mu.Unlock()
		_ = os.Chtimes(sh.dir, used, used) // for the next process; what was not even made has no times
		size := diskUse(f.life, sh.dir)
		s.mu.Lock()
		if sh.size == 0 {
			sh.size = size
		}
		s.mu.Unlock()
	}
}

func (s *shelves) unmeasured() *shelf {
	for _, sh := range s.all {
		if sh.users == 0 && sh.size < 0 {
			return sh
		}
	}
	return nil
}

// excess takes shelves away, those first that were not used for longest, until what is left is within the budget. The caller removes them, without the lock.
func (s *shelves) excess(f *Fetcher) (gone []string) {
	for {
		var total int64
		oldest, at := "", time.Time{}
		for name, sh := range s.all {
			total += max(sh.size, 0)
			if sh.users == 0 && (oldest == "" || sh.used.Before(at)) {
				oldest, at = name, sh.used
			}
		}
		if total <= f.o.Disk || oldest == "" {
			return gone
		}
		trash, err := os.MkdirTemp(filepath.Join(f.dir, "trash"), "")
		if err == nil {
			err = os.Rename(oldest, filepath.Join(trash, "kept"))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.o.Log.Warn("direct: clones could not be removed", "dir", oldest, "err", err)
			return gone
		}
		f.o.Log.Info("direct: clones removed, over the budget of disk", "dir", oldest, "bytes", s.all[oldest].size, "kept", total, "budget", f.o.Disk)
		delete(s.all, oldest)
		gone = append(gone, trash)
	}
}

// diskUse returns how many bytes the files below dir have, as far as they stay while it looks.
func diskUse(ctx context.Context, dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return ctx.Err()
	})
	return n
}

// removeAll removes a directory even where tools have made it read-only.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(name, 0o700) //nolint:gosec // a directory of our own, to be removed
		}
		return nil
	})
	return os.RemoveAll(dir)
}

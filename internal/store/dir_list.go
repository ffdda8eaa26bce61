package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"path/filepath"
	"strings"
)

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
			if err != nil && errors.Is(asAbsent("list", p, err), fs.ErrNotExist) {
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
		if err != nil && !errors.Is(err, stopped) {
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

package store

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Mem is a Store in memory, without bounds: for tests. Its zero value is empty and ready.
type Mem struct {
	// Fail, where set, is asked before each operation ("open", "stat", "put", "list",
	// "remove"); its error is the operation's.
	Fail func(op, name string) error

	mu      sync.Mutex // guards objects
	objects map[string]memObject
}

type memObject struct {
	b  []byte
	at time.Time
}

func (m *Mem) fail(op, name string) error {
	if err := checkName(op, name); err != nil && op != "list" {
		return err
	}
	if m.Fail != nil {
		return m.Fail(op, name)
	}
	return nil
}

// Open implements Store.
func (m *Mem) Open(_ context.Context, name string) (*goproxy.Content, error) {
	if err := m.fail("open", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	o, ok := m.objects[name]
	m.mu.Unlock()
	if !ok {
		return nil, absent("open", name)
	}
	return small(o.b), nil
}

// Stat implements Store.
func (m *Mem) Stat(ctx context.Context, name string) (goproxy.Meta, error) {
	if err := m.fail("stat", name); err != nil {
		return goproxy.Meta{}, err
	}
	m.mu.Lock()
	o, ok := m.objects[name]
	m.mu.Unlock()
	if !ok {
		return goproxy.Meta{}, absent("stat", name)
	}
	return small(o.b).Meta, nil
}

// Put implements Store.
func (m *Mem) Put(_ context.Context, name string, src *io.SectionReader, o PutOptions) error {
	if err := m.fail("put", name); err != nil {
		return err
	}
	b, err := readAll(src)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, exists := m.objects[name]
	switch {
	case o.If == "" && exists:
		return &fs.PathError{Op: "put", Path: name, Err: fs.ErrExist}
	case o.If != "" && o.If != "*" && (!exists || ETag(old.b) != o.If):
		return ErrConflict
	}
	if m.objects == nil {
		m.objects = map[string]memObject{}
	}
	m.objects[name] = memObject{b, time.Now()}
	return nil
}

// List implements Store.
func (m *Mem) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := m.fail("list", prefix); err != nil {
			yield(Entry{}, err)
			return
		}
		m.mu.Lock()
		objects := maps.Clone(m.objects)
		m.mu.Unlock()
		names := slices.Collect(maps.Keys(objects))
		slices.SortFunc(names, func(a, b string) int {
			return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
		})
		for _, name := range names {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			o := objects[name]
			if ctx.Err() != nil {
				yield(Entry{}, ctx.Err())
				return
			}
			if !yield(Entry{Name: name, Size: int64(len(o.b)), ModTime: o.at}, nil) {
				return
			}
		}
	}
}

// Remove implements Store.
func (m *Mem) Remove(_ context.Context, name string) error {
	if err := m.fail("remove", name); err != nil {
		return err
	}
	m.mu.Lock()
	delete(m.objects, name)
	m.mu.Unlock()
	return nil
}

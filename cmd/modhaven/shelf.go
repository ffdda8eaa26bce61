package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/store"
)

const (
	// saveQuiet is how long nothing must have been brought before what waits is stored: a new file takes the processor half a
	// millisecond, which whoever brings answers needs himself. saveLate is how long one waits at most.
	saveQuiet = time.Second
	saveLate  = 10 * time.Second
	// maxSaves is how many answers may wait; who brings one more helps to store them. At half of it none waits any longer.
	maxSaves = 1024
)

// shelf keeps what a checksum database has proven in the store, below prefix. Who asked for an answer does not wait until it is
// stored: a crash loses what can be asked for again. Close it.
type shelf struct {
	store  store.Store
	prefix string
	log    *slog.Logger

	saving sync.Mutex // held while answers are stored, in the order in which they came

	mu      sync.Mutex // guards all below
	waiting []*proof
	byName  map[string]*proof // of waiting, and of what is being stored
	since   time.Time         // when the first of waiting came
	timer   *time.Timer       // stores them
	closed  bool
}

// A proof is an answer of the database.
type proof struct {
	name string
	b    []byte
}

func newShelf(s store.Store, prefix string, log *slog.Logger) *shelf {
	return &shelf{store: s, prefix: prefix, log: log, byName: map[string]*proof{}}
}

// close stores what waits. What comes later is stored by who brings it.
func (k *shelf) close() {
	k.mu.Lock()
	k.closed = true
	if k.timer != nil {
		k.timer.Stop()
	}
	k.mu.Unlock()
	k.flush()
}

// flush returns when all that was brought before is stored.
func (k *shelf) flush() {
	k.saving.Lock()
	defer k.saving.Unlock()
	k.mu.Lock()
	batch := k.waiting
	k.waiting = nil
	k.mu.Unlock()
	for _, p := range batch {
		k.save(context.Background(), p.name, p.b)
		k.mu.Lock()
		if k.byName[p.name] == p { // else a newer one waits
			delete(k.byName, p.name)
		}
		k.mu.Unlock()
	}
}

// wait adds an answer to what waits, and reports whether there is too much of it.
func (k *shelf) wait(p *proof) (full bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if len(k.waiting) == 0 {
		k.since = now
	}
	k.waiting = append(k.waiting, p)
	k.byName[p.name] = p
	if k.closed || len(k.waiting) >= maxSaves {
		return true
	}
	in := min(saveQuiet, saveLate-now.Sub(k.since))
	if len(k.waiting) >= maxSaves/2 {
		in = 0
	}
	if k.timer == nil {
		k.timer = time.AfterFunc(in, k.flush)
	} else {
		k.timer.Reset(in)
	}
	return false
}

// Load implements sumdb.Keeper.
func (k *shelf) Load(ctx context.Context, name string) ([]byte, bool) {
	k.mu.Lock()
	p := k.byName[name]
	k.mu.Unlock()
	if p != nil {
		return p.b, true
	}
	c, err := k.store.Open(ctx, k.prefix+name)
	if err != nil {
		return nil, false
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	return b, err == nil
}

// Save implements sumdb.Keeper.
func (k *shelf) Save(_ context.Context, name string, b []byte) {
	if k.wait(&proof{name, b}) {
		k.flush()
	}
}

func (k *shelf) save(ctx context.Context, name string, b []byte) {
	o := store.PutOptions{Volatile: strings.HasPrefix(name, "lookup/")} // a torn record is none; a tile has no such shape
	err := k.store.Put(ctx, k.prefix+name, bytesSection(b), o)
	if errors.Is(err, fs.ErrExist) { // another process has it, or it is damaged
		o.If = "*"
		err = k.store.Put(ctx, k.prefix+name, bytesSection(b), o)
	}
	if err != nil {
		k.log.Error("the store takes no checksum answer; clients were answered all the same", "name", name, "err", err)
	}
}

// Swap implements sumdb.Shelf. What was to be saved before is stored first: a head comes after what it proves.
func (k *shelf) Swap(ctx context.Context, name string, old, b []byte) (bool, error) {
	k.flush()
	o := store.PutOptions{}
	if old != nil {
		o.If = store.ETag(old)
	}
	err := k.store.Put(ctx, k.prefix+name, bytesSection(b), o)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, store.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

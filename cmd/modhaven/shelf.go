package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"

	"github.com/modhaven/modhaven/internal/store"
)

// maxSaves is how many checksum answers wait to be stored; who has one more stores it himself.
const maxSaves = 256

// shelf keeps what a checksum database has proven in the store, below prefix. Who asked for an answer does not wait until it is
// stored: a crash loses what can be asked for again. Close it.
type shelf struct {
	store  store.Store
	prefix string
	log    *slog.Logger

	mu     sync.RWMutex // guards closed
	closed bool
	saves  chan func()
	saver  sync.WaitGroup
}

func newShelf(s store.Store, prefix string, log *slog.Logger) *shelf {
	k := &shelf{store: s, prefix: prefix, log: log, saves: make(chan func(), maxSaves)}
	k.saver.Go(func() {
		for save := range k.saves {
			save()
		}
	})
	return k
}

// close waits for what is to be stored. What comes later is stored by who brings it.
func (k *shelf) close() {
	k.mu.Lock()
	k.closed = true
	close(k.saves)
	k.mu.Unlock()
	k.saver.Wait()
}

// later has f run after all that was handed over before; false where too much waits already.
func (k *shelf) later(f func()) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.closed {
		return false
	}
	select {
	case k.saves <- f:
		return true
	default:
		return false
	}
}

// barrier returns when all that was handed over before is stored.
func (k *shelf) barrier() {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if !k.closed {
		stored := make(chan struct{})
		k.saves <- func() { close(stored) }
		<-stored
	}
}

// Load implements sumdb.Keeper.
func (k *shelf) Load(ctx context.Context, name string) ([]byte, bool) {
	c, err := k.store.Open(ctx, k.prefix+name)
	if err != nil {
		return nil, false
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	return b, err == nil
}

// Save implements sumdb.Keeper.
func (k *shelf) Save(ctx context.Context, name string, b []byte) {
	ctx = context.WithoutCancel(ctx)
	if !k.later(func() { k.save(ctx, name, b) }) {
		k.save(ctx, name, b)
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
	k.barrier()
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

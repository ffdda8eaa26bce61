package store

import (
	"context"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/lru"
)

// Cache is a Store that keeps small objects of another in memory. It is for objects that never
// change: what another process replaces would not be seen.
type Cache struct {
	next  Store
	small *lru.Cache[object]

	changes atomic.Int64 // of next, by this Cache
	mu      sync.Mutex   // held to change small: what was read before a change must not come in after it
}

type object struct {
	meta goproxy.Meta
	b    []byte
}

// NewCache returns a Cache over next of at most max bytes.
func NewCache(next Store, max int64) *Cache {
	return &Cache{next: next, small: lru.New(max, func(o object) int64 { return int64(len(o.b)) })}
}

// Open implements Store.
func (c *Cache) Open(ctx context.Context, name string) (*goproxy.Content, error) {
	if o, ok := c.small.Get(name); ok {
		return goproxy.InMemory(o.meta, o.b), nil
	}
	before := c.changes.Load()
	content, err := c.next.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	if b, ok := content.Body.(*goproxy.Bytes); ok {
		c.mu.Lock()
		if c.changes.Load() == before {
			c.small.Put(name, object{content.Meta, b.All()})
		}
		c.mu.Unlock()
	}
	return content, nil
}

// forget drops what may have changed in next.
func (c *Cache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes.Add(1)
	c.small.Remove(name)
}

// Stat implements Store.
func (c *Cache) Stat(ctx context.Context, name string) (goproxy.Meta, error) {
	if o, ok := c.small.Get(name); ok {
		return o.meta, nil
	}
	return c.next.Stat(ctx, name)
}

// Put implements Store.
func (c *Cache) Put(ctx context.Context, name string, src *io.SectionReader, o PutOptions) error {
	defer c.forget(name)
	return c.next.Put(ctx, name, src, o)
}

// List implements Store.
func (c *Cache) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return c.next.List(ctx, prefix)
}

// Remove implements Store.
func (c *Cache) Remove(ctx context.Context, name string) error {
	defer c.forget(name)
	return c.next.Remove(ctx, name)
}

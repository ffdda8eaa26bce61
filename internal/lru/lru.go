// Package lru keeps values in memory up to a number of bytes, the least recently used leaving first.
//
// It knows nothing of what it keeps and has no notion of time.
package lru

import (
	"container/list"
	"hash/maphash"
	"sync"
)

// perValue is about what a value costs beyond what its cost function counts.
const perValue = 256

const shardCount = 16

// A Cache maps strings to values. All methods may be called at once.
type Cache[V any] struct {
	cost   func(V) int64
	seed   maphash.Seed
	shards [shardCount]shard[V]
}

type shard[V any] struct {
	mu    sync.Mutex // guards all below
	max   int64
	size  int64
	order *list.List // of *entry[V], the most recently used first
	names map[string]*list.Element
}

type entry[V any] struct {
	name  string
	value V
	cost  int64
}

// New returns a Cache of about max bytes, where cost tells the bytes of a value. A value of more
// than a sixteenth of max is not kept.
func New[V any](max int64, cost func(V) int64) *Cache[V] {
	c := &Cache[V]{cost: cost, seed: maphash.MakeSeed()}
	for i := range c.shards {
		s := &c.shards[i]
		s.max, s.order, s.names = max/shardCount, list.New(), map[string]*list.Element{}
	}
	return c
}

func (c *Cache[V]) shard(name string) *shard[V] {
	return &c.shards[maphash.String(c.seed, name)%shardCount]
}

// Get returns the value and marks it as used.
func (c *Cache[V]) Get(name string) (v V, ok bool) {
	s := c.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.names[name]
	if !ok {
		return v, false
	}
	s.order.MoveToFront(e)
	return e.Value.(*entry[V]).value, true
}

// Put keeps the value in place of an earlier one.
func (c *Cache[V]) Put(name string, v V) {
	n := &entry[V]{name, v, c.cost(v) + int64(len(name)) + perValue}
	s := c.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.names[name]; ok {
		s.remove(e)
	}
	if n.cost > s.max {
		return
	}
	s.names[name] = s.order.PushFront(n)
	s.size += n.cost
	for s.size > s.max {
		s.remove(s.order.Back())
	}
}

// Remove forgets the value.
func (c *Cache[V]) Remove(name string) {
	s := c.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.names[name]; ok {
		s.remove(e)
	}
}

// Size returns the bytes in use.
func (c *Cache[V]) Size() (n int64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += s.size
		s.mu.Unlock()
	}
	return n
}

func (s *shard[V]) remove(e *list.Element) {
	n := s.order.Remove(e).(*entry[V])
	delete(s.names, n.name)
	s.size -= n.cost
}

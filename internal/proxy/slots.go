package proxy

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// slots bound how many upstream requests run at once and how many wait for that. What is stored needs none.
type slots struct {
	sem   *semaphore.Weighted
	max   int64 // running and waiting
	share int64 // of these for one client: it must not keep the others from what they miss

	mu    sync.Mutex // guards all below
	taken int64
	by    map[string]int64 // clients that have begun any
}

func newSlots(running, waiting int64) *slots {
	return &slots{
		sem:   semaphore.NewWeighted(running),
		max:   running + waiting,
		share: max(running, (running+waiting)/4),
		by:    map[string]int64{},
	}
}

// enter takes a place for what the client of ctx begins, or says at once that there is none: before anything is
// prepared for a request that comes to nothing. Who begins for no client has no share. Call leave once.
func (s *slots) enter(ctx context.Context) (leave func(), err error) {
	client := goproxy.Client(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.taken >= s.max:
		return nil, full("too many requests wait for upstreams already")
	case client == "":
		s.taken++
		return s.free, nil
	case s.by[client] >= s.share:
		return nil, full("too many requests of this client wait for upstreams already")
	}
	s.taken++
	s.by[client]++
	return func() { s.leave(client) }, nil
}

func full(reason string) error {
	return &goproxy.Unavailable{Reason: reason, RetryAfter: time.Second}
}

func (s *slots) free() {
	s.mu.Lock()
	s.taken--
	s.mu.Unlock()
}

func (s *slots) leave(client string) {
	s.free()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[client]--; s.by[client] == 0 {
		delete(s.by, client)
	}
}

// acquire waits for a slot, in turn, until ctx ends. The turn is over when it is released.
func (s *slots) acquire(ctx context.Context) (*turn, error) {
	if err := s.sem.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return &turn{s.sem, true}, nil
}

// A turn is one upstream request's. Whoever has it can step aside while it waits for long.
type turn struct {
	sem *semaphore.Weighted
	has bool
}

func (t *turn) release() {
	if t.has {
		t.has = false
		t.sem.Release(1)
	}
}

// with lets what is asked in ctx step aside. Its turn comes again if still, called then, returns nil.
func (t *turn) with(ctx context.Context, still func() error) context.Context {
	return goproxy.WithAside(ctx, func(wait func() error) error {
		t.release()
		if err := errors.Join(wait(), still()); err != nil {
			return err
		}
		err := t.sem.Acquire(ctx, 1)
		t.has = err == nil
		return err
	})
}

// always is for what goes on whoever has left.
func always() error { return nil }

package gocmd

import (
	"context"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// flights joins calls for the same thing. A call belongs to nobody who waits for it: it ends early only when the last of them has left.
type flights[T any] struct {
	keep time.Duration // a good answer is given again for so long

	mu     sync.Mutex
	calls  map[string]*flight[T]
	closed bool
}

type flight[T any] struct {
	done   chan struct{}
	cancel context.CancelFunc
	waits  int // under flights.mu

	got   T
	err   error
	ended time.Time // zero while it runs; under flights.mu
}

// do returns what work returns for key, of a call that runs already where there is one. The context of work has the values of ctx,
// and ends with f's life and when nobody waits.
func (s *flights[T]) do(ctx context.Context, f *Fetcher, key string, work func(context.Context) (T, error)) (T, error) {
	var none T
	c := s.join(ctx, f, key, work)
	if c == nil {
		return none, errClosed(key)
	}
	select {
	case <-c.done:
		s.leave(key, c)
		return c.got, c.err
	case <-ctx.Done():
		s.leave(key, c)
		return none, ctx.Err()
	}
}

func (s *flights[T]) join(ctx context.Context, f *Fetcher, key string, work func(context.Context) (T, error)) *flight[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.forget()
	if c := s.calls[key]; c != nil {
		c.waits++
		return c
	}
	if s.calls == nil {
		s.calls = map[string]*flight[T]{}
	}
	wctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(f.life, cancel)
	c := &flight[T]{done: make(chan struct{}), cancel: cancel, waits: 1}
	s.calls[key] = c
	f.wg.Go(func() {
		defer stop()
		defer cancel()
		c.got, c.err = work(wctx)
		if f.life.Err() != nil && c.err != nil {
			c.err = errClosed(key)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		c.ended = time.Now()
		if s.calls[key] == c && (c.err != nil || s.keep == 0) {
			delete(s.calls, key)
		}
		close(c.done)
	})
	return c
}

// forget drops answers that have been kept for long enough.
func (s *flights[T]) forget() {
	for key, c := range s.calls {
		if !c.ended.IsZero() && time.Since(c.ended) > s.keep {
			delete(s.calls, key)
		}
	}
}

// leave ends a call that runs and that nobody waits for any more. Who asks next starts another one.
func (s *flights[T]) leave(key string, c *flight[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.waits--
	if c.waits > 0 || !c.ended.IsZero() {
		return
	}
	c.cancel()
	if s.calls[key] == c {
		delete(s.calls, key)
	}
}

// close has no more calls start.
func (s *flights[T]) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func errClosed(thing string) error {
	return &goproxy.Unavailable{From: From, Reason: thing + ": the server is stopping", Err: context.Canceled}
}

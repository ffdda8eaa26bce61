package proxy

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// slots bound how many upstream requests run at once and how many wait. What is stored needs none.
type slots struct {
	sem     *semaphore.Weighted
	waiting atomic.Int64
	max     int64
}

// acquire waits for a slot, in turn, until ctx ends; where too many wait already it says so at once.
func (s *slots) acquire(ctx context.Context) error {
	if s.sem.TryAcquire(1) {
		return nil
	}
	if s.waiting.Add(1) > s.max {
		s.waiting.Add(-1)
		return &goproxy.Unavailable{Reason: "too many requests wait for upstreams already", RetryAfter: time.Second}
	}
	defer s.waiting.Add(-1)
	return s.sem.Acquire(ctx, 1)
}

func (s *slots) release() { s.sem.Release(1) }

package proxy

import (
	"context"
	"errors"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// TestTaskContext: a task knows whose request began it and outlives that request, but not the Service.
func TestTaskContext(t *testing.T) {
	s := New(Options{Store: &store.Mem{}, Spool: t.TempDir()})
	ctx, leave := context.WithCancel(goproxy.WithClient(t.Context(), "192.0.2.1"))
	task := s.begin(ctx, "fill", "x")
	leave()
	if err := task.ctx.Err(); err != nil || goproxy.Client(task.ctx) != "192.0.2.1" {
		t.Errorf("%v, of %q", err, goproxy.Client(task.ctx))
	}
	s.Close()
	<-task.ctx.Done()
	if err := context.Cause(task.ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	task.end(nil)
}

// TestTaskEnds: a task that is over leaves nothing behind in the Service's context.
func TestTaskEnds(t *testing.T) {
	s := New(Options{Store: &store.Mem{}, Spool: t.TempDir()})
	defer s.Close()
	task := s.begin(t.Context(), "fill", "x")
	task.end(errors.New("no"))
	<-task.ctx.Done()
	if got := s.Load(); got != (Load{}) {
		t.Errorf("load %+v, want none", got)
	}
}

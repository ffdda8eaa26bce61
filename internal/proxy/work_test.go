package proxy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w work
		if err := w.wait(t.Context()); err != nil {
			t.Errorf("waiting for nothing: %v", err)
		}
		gates := []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{})}
		waits := func(i int) func() { return func() { <-gates[i] } }
		if !w.start(waits(0)) || !w.start(waits(1)) {
			t.Fatal("not started")
		}
		gaveUp, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 3)
		for _, ctx := range []context.Context{t.Context(), t.Context(), gaveUp} {
			go func() { ended <- w.wait(ctx) }()
		}
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a wait that was given up: %v", err)
		}
		close(gates[0])
		w.close()
		if w.start(func() { t.Error("runs after close") }) {
			t.Error("started after close")
		}
		w.also(waits(2)) // of what runs still
		close(gates[1])
		synctest.Wait()
		if len(ended) > 0 {
			t.Error("the wait ended before the work")
		}
		close(gates[2])
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestWorkBeginsWhileOthersWait: the count falls to nothing and rises again before those who wait are awake, as when
// requests come while the server drains.
func TestWorkBeginsWhileOthersWait(t *testing.T) {
	var w work
	for range 1000 {
		gate := make(chan struct{})
		w.start(func() { <-gate })
		ended := make(chan error)
		go func() { ended <- w.wait(context.Background()) }()
		close(gate)
		w.start(func() {})
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	if err := w.wait(t.Context()); err != nil {
		t.Error(err)
	}
}

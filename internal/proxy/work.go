package proxy

import (
	"context"
	"sync"
)

// work counts goroutines. Unlike with a sync.WaitGroup, more may begin while someone waits, and waiting can be given up.
type work struct {
	mu      sync.Mutex // guards all below
	running int
	closed  bool
	idle    chan struct{} // closed when running falls to 0; nil while nobody waits
	ctx     context.Context
	cancel  context.CancelFunc

	beside sync.WaitGroup // what runs in the background
}

// start runs f; false after close.
func (w *work) start(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.goLocked(f)
	return true
}

// also runs f for work that is running, even after close.
func (w *work) also(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.goLocked(f)
}

// background runs f beside the work, until close: nobody waits for its end but stop. It is false after close.
func (w *work) background(f func(context.Context)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	if w.ctx == nil {
		w.ctx, w.cancel = context.WithCancel(context.Background())
	}
	ctx := w.ctx
	w.beside.Go(func() { f(ctx) })
	return true
}

// stop ends what runs in the background.
func (w *work) stop() {
	w.mu.Lock()
	if w.cancel != nil {
		w.cancel()
	}
	w.mu.Unlock()
	w.beside.Wait()
}

func (w *work) goLocked(f func()) {
	w.running++
	go func() {
		defer w.ended()
		f()
	}()
}

func (w *work) ended() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running--; w.running == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// close makes every later start fail.
func (w *work) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// wait waits until nothing runs, or until ctx ends.
func (w *work) wait(ctx context.Context) error {
	w.mu.Lock()
	if w.running == 0 {
		w.mu.Unlock()
		return nil
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

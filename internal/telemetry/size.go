package telemetry

import (
	"context"
	"time"
)

// Size is how much is stored, as it was counted at some time.
type Size struct {
	Files   int64     `json:"files"`
	Bytes   int64     `json:"bytes"`
	Counted time.Time `json:"counted,omitzero"`
}

const (
	sizeEvery = 10 * time.Minute
	// sizeShare bounds the cost of counting: it runs one part of the time in this many.
	sizeShare = 50
)

// measure counts what is stored, again and again.
func (t *Telemetry) measure(count func(context.Context) (Size, error)) {
	for {
		began := time.Now()
		size, err := count(t.ctx)
		if t.ctx.Err() != nil {
			return
		}
		if err != nil {
			t.log.Warn("what is stored cannot be counted", "err", err)
		} else {
			size.Counted = time.Now()
			t.size.Store(&size)
		}
		select {
		case <-t.ctx.Done():
			return
		case <-time.After(max(sizeEvery, sizeShare*time.Since(began))):
		}
	}
}

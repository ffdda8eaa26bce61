package proxy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/modhaven/modhaven/internal/goproxy"
)

func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 1)
		var leave []func()
		for range 2 {
			l, err := s.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leave = append(leave, l)
		}
		var u *goproxy.Unavailable
		if _, err := s.enter(t.Context()); !errors.As(err, &u) || u.RetryAfter <= 0 {
			t.Errorf("the third: %v, want *Unavailable with RetryAfter", err)
		}
		first, err := s.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		gaveUp, cancel := context.WithCancel(t.Context())
		got := make(chan error, 2)
		acquire := func(ctx context.Context) {
			_, err := s.acquire(ctx)
			got <- err
		}
		go acquire(gaveUp)
		synctest.Wait()
		go acquire(t.Context())
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("one that gave up: %v", err)
		}
		first.release()
		first.release() // once more does nothing
		if err := <-got; err != nil {
			t.Errorf("the next in turn: %v", err)
		}
		for _, l := range leave {
			l()
		}
		if s.taken != 0 {
			t.Errorf("%d places are taken", s.taken)
		}
	})
}

func TestSpareBudget(t *testing.T) {
	s := newSpare(100)
	if !s.take(60) || s.take(41) || !s.take(40) || s.take(1) {
		t.Error("more was given than there is, or less")
	}
	s.give(60)
	s.give(40)
	if got := s.left.Load(); got != 100 {
		t.Errorf("%d of 100 are left", got)
	}
}

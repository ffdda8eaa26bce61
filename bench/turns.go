package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	calmShare      = 0.05 // others may use this share of the processor when a measurement begins
	disturbedShare = 0.10 // and this one while it lasts
)

// turns calls each of fs once in every round. The order is turned round with every
// round (A B C, C B A, …), so that a drift of the machine falls on all alike.
//
// Where the user has patience (-calm), a measurement begins when other processes leave
// the processor alone, and a round is repeated, and what it added to samples
// taken away, when they did not until its end. Nothing else decides which rounds count.
func (l *lab) turns(ctx context.Context, rounds int, samples []*sample, fs ...func(round int) error) error {
	for r := 0; r < rounds; {
		before := lengths(samples)
		whole, err := l.round(ctx, r, fs)
		if err != nil {
			return fmt.Errorf("round %d: %w", r+1, err)
		}
		if !whole {
			truncate(samples, before)
			l.repeated++
			continue
		}
		r++
	}
	return nil
}

// round calls each of fs. It gives up, and whole is false, when others disturb it and there is patience.
func (l *lab) round(ctx context.Context, r int, fs []func(int) error) (whole bool, err error) {
	var worst float64
	order := slices.Clone(fs)
	if r%2 == 1 {
		slices.Reverse(order)
	}
	for _, f := range order {
		if err := l.calm(ctx); err != nil {
			return false, err
		}
		then := readCPU()
		if err := f(r); err != nil {
			return false, err
		}
		if worst = max(worst, readCPU().others(then)); worst > disturbedShare && l.patient() {
			return false, nil
		}
	}
	l.disturbed, l.watched = max(l.disturbed, worst), true
	return true, nil
}

// patient reports whether the benchmark may still wait for others and repeat rounds.
func (l *lab) patient() bool { return time.Since(l.began) < l.opt.calm }

// calm waits until other processes leave the processor alone, while there is patience.
// Nothing of ours may be working meanwhile.
func (l *lab) calm(ctx context.Context) error {
	for l.patient() {
		then := readCPU()
		select {
		case <-time.After(400 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if readCPU().others(then) < calmShare {
			return nil
		}
	}
	return ctx.Err()
}

// begin starts a benchmark's account of disturbances, and end says it.
func (l *lab) begin() {
	l.began, l.clock, l.watched, l.disturbed, l.repeated, l.remarks = time.Now(), readCPU(), false, 0, 0, nil
}

func (l *lab) end(name string) string {
	if !l.watched {
		return fmt.Sprintf("%s: other processes used %.0f %% of the processor on average", name, 100*readCPU().others(l.clock))
	}
	s := fmt.Sprintf("%s: other processes used at most %.0f %% of the processor during a measurement", name, 100*l.disturbed)
	if l.repeated > 0 {
		s += fmt.Sprintf("; %d rounds in which it was more than %.0f %% were repeated", l.repeated, 100*disturbedShare)
	}
	return s
}

func lengths(samples []*sample) []int {
	n := make([]int, len(samples))
	for i, s := range samples {
		n[i] = len(*s)
	}
	return n
}

func truncate(samples []*sample, n []int) {
	for i, s := range samples {
		*s = (*s)[:n[i]]
	}
}

package main

import (
	"context"
	"fmt"
)

// switchedOff are the flags of Modhaven without what these cases are about.
func switchedOff() []string {
	return []string{"--upstream-options", "* attempts=1 hedge=off check=off", "--patience", "0s"}
}

// benchNone compares the same binary with itself, in turns. What counts is the upper end
// of the interval: the true ratio is below it.
func benchNone(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(20, 1, 1, 1)
	if err != nil {
		return nil, err
	}
	var on, off sample
	one := func(into *sample, flags ...string) func(int) error {
		return func(r int) error {
			w, err := c.alone(c.well(r))
			if err != nil {
				return err
			}
			defer w.close()
			h, err := c.startHaven(ctx, w, flags...)
			if err != nil {
				return err
			}
			defer h.close()
			o, err := c.client(ctx, w, h.url(), nil, throughLimit, 1)
			if err == nil && !o.ok {
				err = fmt.Errorf("a download without faults failed: %s", o.why)
			}
			*into = append(*into, o.took)
			return err
		}
	}
	if err := c.turns(ctx, c.runs, []*sample{&on, &off}, one(&on), one(&off, switchedOff()...)); err != nil {
		return nil, err
	}
	low, mean, high := on.over(off).interval()
	return []row{
		{figure: fmt.Sprintf("time without faults ÷ with all switched off, %d pairs", len(on)), value: fmt.Sprintf("%.3f", mean),
			spread: fmt.Sprintf("95 %%: %.3f–%.3f", low, high), target: "≤ 1.03, all of the interval", met: reached(high <= 1.03)},
		{figure: "… with", value: fmt.Sprintf("%.2f s", on.mean()), spread: on.spread("%.2f")},
		{figure: "… without", value: fmt.Sprintf("%.2f s", off.mean()), spread: off.spread("%.2f")},
	}, nil
}

package main

import (
	"cmp"
	"fmt"
	"slices"
)

// A sample is the figures of several rounds, in the order they were taken.
type sample []float64

// quantile returns the value below which the share q of the sample
// lies; 0 for an empty sample.
func (s sample) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	return quantileSorted(slices.Sorted(slices.Values(s)), q)
}

func (s sample) median() float64 { return s.quantile(0.5) }

// over returns the ratios s[i]/t[i]: the two were taken in turn, so what slowed the
// machine in one round slowed both.
func (s sample) over(t sample) sample {
	r := make(sample, min(len(s), len(t)))
	for i := range r {
		r[i] = s[i] / t[i]
	}
	return r
}

// spread returns "lowest–highest (n)" in the given format.
func (s sample) spread(format string) string {
	if len(s) == 0 {
		return ""
	}
	return fmt.Sprintf(format+"–"+format+" (%d)", slices.Min(s), slices.Max(s), len(s))
}

// quantileSorted is quantile for what is sorted already, and for any kind of number.
func quantileSorted[T cmp.Ordered](sorted []T, q float64) T {
	var zero T
	if len(sorted) == 0 {
		return zero
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

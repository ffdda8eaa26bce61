package main

import (
	"cmp"
	"fmt"
	"math"
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

func (s sample) mean() float64 {
	if len(s) == 0 {
		return 0
	}
	var sum float64
	for _, x := range s {
		sum += x
	}
	return sum / float64(len(s))
}

// interval is the geometric mean of ratios with its 95 % interval by Student's t of their logarithms.
func (s sample) interval() (low, mean, high float64) {
	n := float64(len(s))
	if n < 2 {
		return 0, s.mean(), math.Inf(1)
	}
	logs := make(sample, len(s))
	for i, x := range s {
		logs[i] = math.Log(x)
	}
	m := logs.mean()
	var squares float64
	for _, x := range logs {
		squares += (x - m) * (x - m)
	}
	half := student(len(s)-1) * math.Sqrt(squares/(n-1)/n)
	return math.Exp(m - half), math.Exp(m), math.Exp(m + half)
}

// student is the 97.5 % quantile of Student's t, for at least one degree of freedom.
func student(freedom int) float64 {
	few := []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
		2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042}
	if freedom <= len(few) {
		return few[freedom-1]
	}
	return 1.96 + 2.5/float64(freedom) // within 0.002 from there on
}

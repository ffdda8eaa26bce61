package main

import (
	"maps"
	"slices"
)

// A comparison holds one pass through the target against the baseline. Its
// lists are sorted.
type comparison struct {
	regressed []string // pass directly, and not here
	excused   []string // the same, but allowed to
	unneeded  []string // allowed to fail, and passed
	broken    []string // fail here and directly: they tell nothing
}

// compare holds got, the outcomes of one pass over the scripts named, against
// the baseline. A script without a result has regressed: the test process may
// have died. So has one that is skipped here but passed directly.
func compare(baseline map[string]outcome, got map[string]outcome, scripts []string, allowed map[string]string) comparison {
	var c comparison
	for _, script := range slices.Sorted(slices.Values(scripts)) {
		_, mayFail := allowed[script]
		switch now, worse := outcomeOf(got, script), isWorse(outcomeOf(baseline, script), outcomeOf(got, script)); {
		case worse && mayFail:
			c.excused = append(c.excused, script)
		case worse:
			c.regressed = append(c.regressed, script)
		case mayFail && now == passed:
			c.unneeded = append(c.unneeded, script)
		case now == failed:
			c.broken = append(c.broken, script)
		}
	}
	return c
}

func outcomeOf(m map[string]outcome, script string) outcome {
	if o, ok := m[script]; ok {
		return o
	}
	return missing
}

// isWorse reports whether now is a regression from then.
func isWorse(then, now outcome) bool {
	switch now {
	case passed:
		return false
	case skipped:
		return then == passed
	default: // failed or missing
		return then != failed
	}
}

// totals is the last line of the report. Every script counts once: one that
// regressed in any pass failed; one that fails by permission, or fails
// directly too, tells nothing and counts as skipped.
func totals(baseline map[string]outcome, passes []comparison) (pass, fail, skip int) {
	verdict := maps.Clone(baseline)
	for script, o := range verdict {
		if o == failed || o == missing {
			verdict[script] = skipped
		}
	}
	for _, c := range passes {
		for _, script := range c.excused {
			verdict[script] = skipped
		}
	}
	for _, c := range passes {
		for _, script := range c.regressed {
			verdict[script] = failed
		}
	}
	for _, o := range verdict {
		switch o {
		case passed:
			pass++
		case failed:
			fail++
		default:
			skip++
		}
	}
	return pass, fail, skip
}

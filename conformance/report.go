package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// enough is how many scripts must reach the target for the default pattern to
// mean anything. About 150 do in short mode.
const enough = 100

// report prints what one pass found.
func (r *runner) report(p pass, allowed map[string]string) {
	r.say("%s: %d scripts: %d passed, %d failed, %d skipped, in %v; %d reached %s", p.name, len(p.scripts),
		p.count(passed), p.count(failed), p.count(skipped), p.took, len(p.reached()), r.targetName())
	if line := p.traffic(); line != "" {
		r.say("  %s", line)
	}
	for _, fault := range p.faults {
		r.say("  front: %v", fault)
	}
	for _, script := range p.excused {
		r.say("  allowed to fail: %s: %s", script, allowed[script])
	}
	for _, script := range p.unneeded {
		r.say("  allowed to fail, but passes: %s: allowed.txt may not need it", script)
	}
	for _, script := range p.broken {
		r.say("  fails without Modhaven, too: %s", script)
	}
	for _, script := range p.regressed {
		r.say("  REGRESSED: %s (%s)\n%s", script, outcomeOf(p.outcome, script), indent(indent(excerpt(p.log[script]))))
	}
}

// targetName is what stands in the middle, for people.
func (r *runner) targetName() string {
	if r.standin {
		return "the stand-in"
	}
	return "Modhaven"
}

// traffic is what the front and the pipes saw, in one line.
func (p pass) traffic() string {
	kinds, total := map[string]int{}, 0
	for _, byKind := range p.requests {
		for kind, n := range byKind {
			kinds[kind] += n
			total += n
		}
	}
	var parts []string
	if total > 0 {
		parts = append(parts, fmt.Sprintf("%d requests through the front: %s", total, counts(kinds)))
		parts = append(parts, "answers: "+counts(p.statuses))
	}
	if len(p.piped) > 0 {
		n := 0
		for _, c := range p.piped {
			n += c
		}
		parts = append(parts, fmt.Sprintf("%d connections of %d scripts straight to it", n, len(p.piped)))
	}
	return strings.Join(parts, "; ")
}

// counts prints a histogram in the order of its keys.
func counts[K int | string](m map[K]int) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%v %d", key, m[key]))
	}
	return strings.Join(parts, ", ")
}

// summarise prints the last lines and turns them into the run's result.
func (r *runner) summarise(base baseline, passes []pass) error {
	good := true
	comparisons := make([]comparison, 0, len(passes))
	for _, p := range passes {
		comparisons = append(comparisons, p.comparison)
		good = good && len(p.regressed) == 0 && len(p.faults) == 0
		if n, want := len(p.reached()), r.want(); n < want {
			r.say("%s: only %d scripts reached %s, want at least %d: the run means nothing", p.name, n, r.targetName(), want)
			good = false
		}
	}
	pass, fail, skip := totals(base.Outcome, comparisons)
	if r.direct {
		pass, fail, skip = base.count(passed), base.count(failed), base.count(skipped)
		good = fail == 0
	}
	r.say("%d passed, %d failed, %d skipped", pass, fail, skip)
	if !good {
		return errFailed
	}
	return nil
}

// want is how many scripts must reach the target.
func (r *runner) want() int {
	if r.pattern == defaultPattern && !r.vcs {
		return enough
	}
	return 1
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// baselineLimit ends a baseline that hangs.
const baselineLimit = 45 * time.Minute

// A baseline is what the scripts do without Modhaven.
type baseline struct {
	Outcome map[string]outcome
	Reached []string // the scripts that connect to a proxy at all, sorted
	Took    time.Duration
}

// limit is how long a pass may take: generous, since machines differ and get
// busy, but not so long that a hang costs an hour.
func (b baseline) limit() time.Duration { return 4*time.Minute + 4*b.Took }

// baseline runs every script straight against the test proxy, through pipes
// that note who connects, or takes the result of an earlier run.
func (r *runner) baseline(ctx context.Context) (baseline, error) {
	file := filepath.Join(r.binary.dir, "baseline-"+r.baselineKey()+".json")
	if b, ok := loadBaseline(file, r.texts); ok && !r.fresh && !r.direct {
		r.say("%s (from an earlier run)", b)
		return b, nil
	}
	r.say("baseline: %d scripts without Modhaven …", len(r.texts))
	pipes, stop := context.WithCancel(ctx)
	g := newGates()
	defer g.close()
	defer stop()
	p := plan{Proxy: map[string]string{}}
	for script := range r.texts {
		ln, err := g.open(script)
		if err != nil {
			return baseline{}, err
		}
		g.pipe(pipes, ln, r.upstream.addr)
		p.Proxy[script] = "http://" + ln.Addr().String() + "/mod"
	}
	o, err := r.run(ctx, "baseline", p, baselineLimit)
	if err != nil {
		return baseline{}, err
	}
	b := baseline{Outcome: o.outcome, Reached: slices.Sorted(maps.Keys(g.connections())), Took: o.took}
	r.say("%s, in %v", b, o.took)
	for script := range r.texts {
		switch outcomeOf(b.Outcome, script) {
		case missing:
			return b, fmt.Errorf("baseline: %s has no result: the test process ended early\n%s", script, indent(excerpt(o.log[""])))
		case failed:
			r.say("  %s fails without Modhaven, too:\n%s", script, indent(indent(excerpt(o.log[script]))))
		}
	}
	if b.count(failed) > 0 {
		return b, nil // worth asking again next time
	}
	data, err := json.Marshal(b)
	if err != nil {
		return b, err
	}
	return b, os.WriteFile(file, data, 0o644)
}

// baselineKey names what a baseline depends on besides the test binary: the
// mode, the scripts, and the tools for which scripts are skipped.
func (r *runner) baselineKey() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %v %v %d", r.mode, r.pattern, r.vcs, r.quick, os.Getuid())
	for _, tool := range []string{"git", "hg", "svn", "fossil", "bzr", "gcc", "clang", os.Getenv("CC")} {
		path, _ := exec.LookPath(tool)
		fmt.Fprintf(h, " %q", path)
	}
	return r.mode + "-" + fmt.Sprintf("%x", h.Sum(nil)[:6])
}

// loadBaseline reads a kept baseline; it must know every script of this run.
func loadBaseline(file string, scripts map[string]string) (baseline, bool) {
	var b baseline
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &b) != nil {
		return b, false
	}
	for script := range scripts {
		if outcomeOf(b.Outcome, script) == missing {
			return b, false
		}
	}
	return b, len(b.Outcome) == len(scripts) && b.Took > 0
}

func (b baseline) count(o outcome) int { return results{outcome: b.Outcome}.count(o) }

func (b baseline) String() string {
	return fmt.Sprintf("baseline: %d passed, %d failed, %d skipped; %d ask a proxy",
		b.count(passed), b.count(failed), b.count(skipped), len(b.Reached))
}

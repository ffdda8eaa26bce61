package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A campaign is one case: the same downloads in the same worlds by the real go command,
// plainly, up to three times over, and through a Modhaven that is new each time.
type campaign struct {
	*lab
	project project
	rtt     time.Duration
	world   func(run int, sick bool) (*world, error) // not sick is the same without faults

	runs     int // through Modhaven, in sick worlds
	clean    int // and in well ones, between these
	others   int // plain, and three times over
	atOnce   int // of these, where their time is not judged
	parallel int // of the others, where they do nothing but wait

	flags  []string // of Modhaven
	shared bool     // an upstream is the same for all runs: requests cannot be told apart

	beside func(context.Context, *haven) error // runs while the go command does, through Modhaven; may be nil

	// The targets; 0 is none.
	maxTime, maxRequests float64

	through, plain, retried contender
}

// A contender is one way to download, with what became of it.
type contender struct {
	name        string
	sick, clean tally
}

// A tally is the outcomes of several runs.
type tally struct {
	mu                    sync.Mutex
	ok, n                 int
	took, requests, bytes sample         // of those that succeeded
	faults                map[string]int // of all
	why                   string         // the first failure
	wrong                 int            // runs that were given a wrong file
}

func (t *tally) add(o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	if o.wrong {
		t.wrong++
	}
	if o.ok {
		t.ok++
		t.took = append(t.took, o.took)
		t.requests = append(t.requests, o.requests)
		t.bytes = append(t.bytes, o.bytes)
	} else if t.why == "" {
		t.why = o.why
	}
	if t.faults == nil {
		t.faults = map[string]int{}
	}
	for kind, n := range o.faults {
		t.faults[kind] += n
	}
}

// failedFirst reports whether no run has failed before.
func (t *tally) failedFirst() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ok == t.n
}

func (*campaign) into(who *contender, sick bool) *tally {
	if sick {
		return &who.sick
	}
	return &who.clean
}

// run does all runs and returns the rows.
func (c *campaign) run(ctx context.Context) ([]row, error) {
	if err := c.throughAll(ctx); err != nil {
		return nil, err
	}
	if err := c.plainAll(ctx); err != nil {
		return c.rows(), err
	}
	return c.rows(), nil
}

// throughAll has the well worlds spread evenly among the sick ones.
func (c *campaign) throughAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, c.atOnce))
	for r := range c.runs {
		g.Go(func() error { return c.throughOne(ctx, r, true) })
		if r*c.clean/c.runs < (r+1)*c.clean/c.runs {
			g.Go(func() error { return c.throughOne(ctx, r, false) })
		}
	}
	return g.Wait()
}

func (c *campaign) throughOne(ctx context.Context, run int, sick bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w, err := c.world(run, sick)
	if err != nil {
		return err
	}
	defer w.close()
	h, err := c.startHaven(ctx, w, c.flags...)
	if err != nil {
		return err
	}
	defer h.close()
	g, gctx := errgroup.WithContext(ctx)
	if c.beside != nil {
		g.Go(func() error { return c.beside(gctx, h) })
	}
	g.Go(func() error { return c.download(gctx, w, h, c.into(&c.through, sick), run) })
	return g.Wait()
}

// download is one download through h.
func (c *campaign) download(ctx context.Context, w *world, h *haven, into *tally, run int) error {
	o, err := c.client(ctx, w, h.url(), nil, throughLimit, 1)
	if err != nil {
		return err
	}
	if !o.ok && into.failedFirst() {
		c.logf("run %d failed through Modhaven: %.600s\n%v", run, o.why, h.failure("its log ends with"))
	}
	into.add(o)
	return nil
}

// client has a new client download all by itself.
func (c *campaign) client(ctx context.Context, w *world, proxy string, env []string, limit time.Duration, tries int) (outcome, error) {
	cl, err := c.newClient(c.project)
	if err != nil {
		return outcome{}, err
	}
	defer cl.remove()
	o := cl.try(ctx, proxy, env, limit, tries, "mod", "download")
	if ctx.Err() != nil {
		return o, context.Cause(ctx)
	}
	seen, err := w.seen()
	o.requests, o.bytes, o.faults = float64(seen.Requests), float64(seen.Bytes), seen.Faults
	return o, err
}

func (c *campaign) plainAll(ctx context.Context) error {
	for r := range min(3, c.others) {
		if err := c.plainOne(ctx, r, 1, false, &c.plain.clean); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, c.parallel))
	for r := range c.others {
		g.Go(func() error { return c.plainOne(gctx, r, 1, true, &c.plain.sick) })
		g.Go(func() error { return c.plainOne(gctx, r, 3, true, &c.retried.sick) })
	}
	return g.Wait()
}

func (c *campaign) plainOne(ctx context.Context, run, tries int, sick bool, into *tally) error {
	w, err := c.world(run, sick)
	if err != nil {
		return err
	}
	defer w.close()
	o, err := c.client(ctx, w, w.list, w.env, plainLimit, tries)
	if err == nil {
		into.add(o)
	}
	return err
}

// rows has what was wanted first, then the same of the other contenders.
func (c *campaign) rows() []row {
	c.through.name, c.plain.name, c.retried.name = "through Modhaven", "plain go", "go up to three times"
	var rows []row
	success := fmt.Sprintf("%d of %d", c.through.sick.n, c.through.sick.n)
	rows = append(rows, c.through.sick.successRow("downloads that succeed, "+c.through.name, success))
	for _, k := range []*contender{&c.plain, &c.retried} {
		if k.sick.n > 0 {
			rows = append(rows, k.sick.successRow("… "+k.name, ""))
		}
	}
	rows = append(rows, c.ratios("time ÷ without faults", "%.2f s", c.maxTime, func(t *tally) sample { return t.took })...)
	if !c.shared {
		rows = append(rows, c.ratios("upstream requests ÷ without faults", "%.0f", c.maxRequests, func(t *tally) sample { return t.requests })...)
	}
	if len(c.through.sick.faults) > 0 {
		c.remark("faults met %s: %s", c.through.name, listFaults(c.through.sick.faults))
	}
	for _, k := range []*contender{&c.through, &c.plain, &c.retried} {
		if k.sick.why != "" {
			c.remark("first failure, %s: %s", k.name, oneLine(k.sick.why))
		}
	}
	return rows
}

// ratios are the lines of one figure, over all runs that succeeded. Who never did has none, but Modhaven.
func (c *campaign) ratios(figure, format string, target float64, of func(*tally) sample) []row {
	if c.through.clean.n == 0 {
		return nil
	}
	rows := []row{meanRow(figure+", "+c.through.name, format, of(&c.through.sick), of(&c.through.clean), target)}
	if c.plain.clean.ok == 0 {
		return rows
	}
	for _, k := range []*contender{&c.plain, &c.retried} {
		if k.sick.ok > 0 {
			rows = append(rows, meanRow("… "+k.name, format, of(&k.sick), of(&c.plain.clean), 0))
		}
	}
	return rows
}

// meanRow is the ratio of two means; a target is missed where there is nothing to compare.
func meanRow(figure, format string, sick, clean sample, target float64) row {
	r := row{figure: figure, value: "none succeeded", spread: sick.spread(format)}
	ratio := math.Inf(1)
	if len(sick) > 0 && len(clean) > 0 {
		ratio = sick.mean() / clean.mean()
		r.value = fmt.Sprintf("%.3f ("+format+" ÷ "+format+")", ratio, sick.mean(), clean.mean())
	}
	if target > 0 {
		r.target, r.met = fmt.Sprintf("≤ %.2f", target), reached(ratio <= target)
	}
	return r
}

func (t *tally) successRow(figure, target string) row {
	r := row{figure: figure, value: fmt.Sprintf("%d of %d", t.ok, t.n), target: target}
	if target != "" {
		r.met = reached(t.n > 0 && t.ok == t.n)
	}
	return r
}

func listFaults(faults map[string]int) string {
	var s []string
	for _, kind := range slices.Sorted(maps.Keys(faults)) {
		s = append(s, fmt.Sprintf("%d × %s", faults[kind], kind))
	}
	return strings.Join(s, ", ")
}

// oneLine makes an error fit for a list.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 240 {
		s = string(r[:240]) + "…"
	}
	return s
}

package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// An aheadLab compares the go command straight from a far upstream with the go command through an empty Modhaven that fetches
// ahead, and through one that does not.
type aheadLab struct {
	*coldLab
	off, cpuOff sample
	unasked     sample // share of the bytes from the upstream that nobody asked for
}

// distantLink is an upstream on another continent: 150 ms away, 10 MB/s a connection, 100 MB/s in all.
func distantLink() link { return link{RTT: 150 * time.Millisecond, Conn: 10e6, Total: 100e6} }

// benchAhead says what it is worth to fetch what will be asked for.
func benchAhead(ctx context.Context, l *lab) ([]row, error) {
	rows := []row{{figure: "GOMAXPROCS", value: fmt.Sprint(runtime.GOMAXPROCS(0))}}
	for _, far := range []struct {
		what, project string
		recipes       func() ([]recipe, recipe)
		args          []string
		target        float64
		zips          int
	}{
		{"go mod download, 100 modules, 150 ms away", "tidy", coldRecipes, []string{"mod", "download"}, 0.35, coldModules},
		{"go mod graph, 390 .mod files, 150 ms away", "graph", graphRecipes, []string{"mod", "graph"}, 0.40, 0},
	} {
		a, err := l.startAhead(far.project, far.recipes, distantLink(), far.args...)
		if err != nil {
			return rows, err
		}
		err = a.far(ctx, far.zips)
		a.upstream.stop()
		if err != nil {
			return rows, err
		}
		rows = append(rows, a.rows(far.what, far.target)...)
	}
	near, err := l.benchNear(ctx)
	return append(rows, near...), err
}

func (l *lab) startAhead(name string, recipes func() ([]recipe, recipe), far link, args ...string) (*aheadLab, error) {
	p, err := l.project(name, recipes)
	if err != nil {
		return nil, err
	}
	up, err := l.startUpstream(upstreamSettings{Dir: p.upstream, Link: far})
	if err != nil {
		return nil, err
	}
	return &aheadLab{coldLab: &coldLab{lab: l, project: p, args: args, upstream: up}}, nil
}

func (a *aheadLab) far(ctx context.Context, zips int) error {
	return a.turns(ctx, a.rounds(5, 1), []*sample{&a.direct, &a.through, &a.off, &a.cpu, &a.cpuOff, &a.unasked},
		func(int) error { return a.goes(ctx, a.upstream.url(), &a.direct) },
		func(int) error { return a.on(ctx, zips) },
		func(int) error { return a.throughWith(ctx, &a.off, &a.cpuOff, "--read-ahead", "off") })
}

// on runs the go command through a Modhaven that fetches ahead, and asks it what came of that.
func (a *aheadLab) on(ctx context.Context, zips int) error {
	return a.withEmpty(ctx, a.upstream.url(), func(m *server) error {
		if _, err := a.upstream.take(); err != nil {
			return err
		}
		if err := a.goes(ctx, m.url(), &a.through); err != nil {
			return err
		}
		cpu, err := m.cpu()
		if err != nil {
			return err
		}
		a.cpu = append(a.cpu, cpu.Seconds())
		share, err := unaskedShare(m)
		if err != nil {
			return err
		}
		a.unasked = append(a.unasked, share)
		if a.seen, err = a.upstream.take(); err == nil && a.seen.Gets["zip"]-a.seen.Ranges != zips {
			err = fmt.Errorf("the upstream saw %d requests for whole zips, want %d", a.seen.Gets["zip"]-a.seen.Ranges, zips)
		}
		return err
	})
}

func (a *aheadLab) rows(what string, target float64) []row {
	unasked := a.unasked.median()
	return []row{
		ratioRow(what+": time through an empty Modhaven ÷ direct", a.through.over(a.direct), target, false),
		ratioRow(what+": … that fetches nothing ahead ÷ direct", a.off.over(a.direct), 0, false),
		{figure: what + ": direct", value: fmt.Sprintf("%.2f s", a.direct.median()), spread: a.direct.spread("%.2f")},
		{figure: what + ": through", value: fmt.Sprintf("%.2f s", a.through.median()), spread: a.through.spread("%.2f")},
		{figure: what + ": bytes that nobody asked for ÷ bytes asked for", value: fmt.Sprintf("%.3f", unasked), spread: a.unasked.spread("%.3f"), target: "≤ 0.10", met: reached(unasked <= 0.10)},
	}
}

// benchNear has nothing to gain: the upstream is 1 ms away and unlimited.
func (l *lab) benchNear(ctx context.Context) ([]row, error) {
	a, err := l.startAhead("tidy", coldRecipes, link{RTT: time.Millisecond}, "mod", "download")
	if err != nil {
		return nil, err
	}
	defer a.upstream.stop()
	err = a.turns(ctx, a.rounds(20, 2), []*sample{&a.through, &a.off, &a.cpu, &a.cpuOff, &a.unasked},
		func(int) error { return a.on(ctx, coldModules) },
		func(int) error { return a.throughWith(ctx, &a.off, &a.cpuOff, "--read-ahead", "off") })
	if err != nil {
		return nil, err
	}
	const what = "go mod download, 100 modules, 1 ms away"
	low, mean, high := a.through.over(a.off).interval()
	return []row{
		{figure: fmt.Sprintf("%s: time ÷ that without fetching ahead, %d pairs", what, len(a.through)), value: fmt.Sprintf("%.3f", mean),
			spread: fmt.Sprintf("95 %%: %.3f–%.3f", low, high), target: "≤ 1.03, all of the interval", met: reached(high <= 1.03)},
		{figure: what + ": Modhaven's processor time", value: fmt.Sprintf("%.2f s", a.cpu.median()), spread: a.cpu.spread("%.2f")},
		{figure: what + ": … without fetching ahead", value: fmt.Sprintf("%.2f s", a.cpuOff.median()), spread: a.cpuOff.spread("%.2f")},
	}, nil
}

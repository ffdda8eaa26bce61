package main

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// farLink is the upstream of the benchmarks with the go command: 20 ms away, 30 MB/s a connection.
func farLink() link { return link{RTT: 20 * time.Millisecond, Conn: 30e6} }

// A coldLab compares the go command straight from an upstream with the go command through
// an empty Modhaven before the same upstream.
type coldLab struct {
	*lab
	project         project
	args            []string
	upstream        *upstream
	direct, through sample // seconds
	pass            sample // through a proxy that stores and checks nothing
	out             []byte // what the first run printed: all must print the same
	cpu             sample // seconds of Modhaven's processor time
	seen            upstreamStats
}

func (l *lab) startCold(p project, args ...string) (*coldLab, error) {
	up, err := l.startUpstream(upstreamSettings{Dir: p.upstream, Link: farLink()})
	if err != nil {
		return nil, err
	}
	return &coldLab{lab: l, project: p, args: args, upstream: up}, nil
}

// compare does the rounds.
func (c *coldLab) compare(ctx context.Context, rounds int) error {
	return c.turns(ctx, rounds, []*sample{&c.direct, &c.through, &c.pass, &c.cpu},
		func(int) error { return c.goes(ctx, c.upstream.url(), &c.direct) },
		func(int) error { return c.throughModhaven(ctx) },
		func(int) error { return c.passThrough(ctx) })
}

func (c *coldLab) goes(ctx context.Context, proxy string, into *sample) error {
	r, err := c.goCommand(ctx, c.project, proxy, c.args...)
	if err != nil {
		return err
	}
	if c.out == nil {
		c.out = append([]byte{}, r.out...)
	}
	if !bytes.Equal(c.out, r.out) {
		return fmt.Errorf("GOPROXY=%s go %v: printed something else than the first run", proxy, c.args)
	}
	*into = append(*into, r.took.Seconds())
	return nil
}

// throughModhaven starts a new Modhaven with an empty state each time: its connections are
// as cold as its store.
func (c *coldLab) throughModhaven(ctx context.Context) error {
	return c.throughWith(ctx, &c.through, &c.cpu)
}

func (c *coldLab) throughWith(ctx context.Context, into, seconds *sample, flags ...string) error {
	return c.withEmpty(ctx, c.upstream.url(), func(m *server) error {
		if _, err := c.upstream.take(); err != nil {
			return err
		}
		if err := c.goes(ctx, m.url(), into); err != nil {
			return err
		}
		cpu, err := m.cpu()
		if err != nil {
			return err
		}
		*seconds = append(*seconds, cpu.Seconds())
		c.seen, err = c.upstream.take()
		return err
	}, flags...)
}

// passThrough shows what one process more on the way costs on this machine by itself.
func (c *coldLab) passThrough(ctx context.Context) error {
	s, err := c.startPass(c.upstream.url())
	if err != nil {
		return err
	}
	defer s.stop()
	return c.goes(ctx, s.url(), &c.pass)
}

func (c *coldLab) rows(what string, target float64) []row {
	return []row{
		ratioRow(what+": time through an empty Modhaven ÷ direct", c.through.over(c.direct), target, false),
		ratioRow(what+": … through a proxy that stores and checks nothing ÷ direct", c.pass.over(c.direct), 0, false),
		{figure: what + ": direct", value: fmt.Sprintf("%.2f s", c.direct.median()), spread: c.direct.spread("%.2f")},
		{figure: what + ": through", value: fmt.Sprintf("%.2f s", c.through.median()), spread: c.through.spread("%.2f")},
		{figure: what + ": Modhaven's processor time", value: fmt.Sprintf("%.2f s", c.cpu.median()), spread: c.cpu.spread("%.2f")},
	}
}

// benchCold downloads a project of 100 modules.
func benchCold(ctx context.Context, l *lab) ([]row, error) {
	p, err := l.project("tidy", coldRecipes)
	if err != nil {
		return nil, err
	}
	c, err := l.startCold(p, "mod", "download")
	if err != nil {
		return nil, err
	}
	defer c.upstream.stop()
	if err := c.compare(ctx, l.rounds(9, 2)); err != nil {
		return nil, err
	}
	if n := c.seen.Gets["zip"] - c.seen.Ranges; n != coldModules {
		return nil, fmt.Errorf("the upstream saw %d requests for whole zips, want %d", n, coldModules)
	}
	return c.rows("go mod download, 100 modules", 1.05), nil
}

// benchGraph reads 390 go.mod files and no zip.
func benchGraph(ctx context.Context, l *lab) ([]row, error) {
	p, err := l.project("graph", graphRecipes)
	if err != nil {
		return nil, err
	}
	c, err := l.startCold(p, "mod", "graph")
	if err != nil {
		return nil, err
	}
	defer c.upstream.stop()
	if err := c.compare(ctx, l.rounds(5, 2)); err != nil {
		return nil, err
	}
	if n := c.seen.Gets["mod"]; n != graphMods {
		return nil, fmt.Errorf("the upstream saw %d requests for .mod files, want %d", n, graphMods)
	}
	zips := c.seen.Gets["zip"]
	return append(c.rows("go mod graph, 390 .mod files", 1.1),
		row{figure: "go mod graph: zips fetched", value: fmt.Sprint(zips), target: "0", met: reached(zips == 0)}), nil
}

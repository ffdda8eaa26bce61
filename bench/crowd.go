package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modhaven/modhaven/internal/telemetry"
)

const (
	crowdClients = 100
	crowdModules = 400 // of all projects
	crowdRoots   = 30  // of one
	// crowdAtOnce is how many requests a client has under way, as the go command on a machine with so many processors.
	crowdAtOnce = 4
	// crowdBound is how many connections an upstream is given at most.
	crowdBound = 256
)

// A crowdLab has a hundred clients, each with an address and a project of its own, download at once what they need from an empty Modhaven:
// one that fetches ahead and one that does not.
type crowdLab struct {
	*lab
	upstream *upstream
	projects [][]module.Version
	on, off  crowdCost
	unasked  sample
}

// A crowdCost is what it took: the time of single requests and of all, and Modhaven's highest memory.
type crowdCost struct {
	p50, p99, wall, peak, conns sample // ms, ms, s, bytes, connections to the upstream
}

func (c *crowdCost) samples() []*sample {
	return []*sample{&c.p50, &c.p99, &c.wall, &c.peak, &c.conns}
}

// crowdRecipes are modules that require one another, as those of coldRecipes.
func crowdRecipes() (all []recipe) {
	rng := rand.New(rand.NewPCG(8, 8))
	version := func(i int) module.Version {
		return module.Version{Path: fmt.Sprintf("example.com/crowd%d/lib%03d", i%13, i), Version: "v1.2.0"}
	}
	for i := range crowdModules {
		r := recipe{Version: version(i), Go: "1.21", Size: int(30e3 * math.Exp(rng.NormFloat64())), Seed: uint64(i) + 12000}
		for range rng.IntN(8) {
			if j := i + 1 + rng.IntN(crowdModules-i); j < crowdModules {
				r.Requires = append(r.Requires, version(j))
			}
		}
		all = append(all, r)
	}
	return all
}

// benchCrowd says what it costs others that files are fetched ahead.
func benchCrowd(ctx context.Context, l *lab) ([]row, error) {
	recipes := crowdRecipes()
	site, err := l.fixture("crowd", func(dir string) error { _, err := writeAll(dir, recipes); return err })
	if err != nil {
		return nil, err
	}
	up, err := l.startUpstream(upstreamSettings{Dir: site, Link: link{RTT: 20 * time.Millisecond, Total: 100e6}})
	if err != nil {
		return nil, err
	}
	defer up.stop()
	c := &crowdLab{lab: l, upstream: up}
	rng := rand.New(rand.NewPCG(9, 9))
	for range crowdClients {
		var roots []module.Version
		for _, i := range rng.Perm(crowdModules)[:crowdRoots] {
			roots = append(roots, recipes[i].Version)
		}
		module.Sort(roots)
		c.projects = append(c.projects, roots)
	}
	samples := append(slices.Concat(c.on.samples(), c.off.samples()), &c.unasked)
	if err := l.turns(ctx, l.rounds(9, 2), samples,
		func(int) error { return c.with(ctx, &c.on, "--read-ahead", "on") },
		func(int) error { return c.with(ctx, &c.off, "--read-ahead", "off") },
	); err != nil {
		return nil, err
	}
	return c.rows(), nil
}

// with has all clients download through an empty Modhaven.
func (c *crowdLab) with(ctx context.Context, into *crowdCost, flags ...string) error {
	return c.withEmpty(ctx, c.upstream.url(), func(m *server) error {
		if _, err := c.upstream.take(); err != nil {
			return err
		}
		var mu sync.Mutex
		var times sample // of each request, in ms
		begin := time.Now()
		g, ctx := errgroup.WithContext(ctx)
		for i, roots := range c.projects {
			g.Go(func() error {
				got, err := downloads(ctx, m.url(), fmt.Sprintf("127.0.1.%d", i+1), roots)
				mu.Lock()
				defer mu.Unlock()
				times = append(times, got...)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		into.wall = append(into.wall, time.Since(begin).Seconds())
		into.p50, into.p99 = append(into.p50, times.median()), append(into.p99, times.quantile(0.99))
		_, peak, err := m.memory()
		if err != nil {
			return err
		}
		into.peak = append(into.peak, float64(peak))
		seen, err := c.upstream.take()
		if err != nil {
			return err
		}
		into.conns = append(into.conns, float64(seen.Conns))
		if into == &c.on {
			share, err := unaskedShare(m)
			c.unasked = append(c.unasked, share)
			return err
		}
		return nil
	}, flags...)
}

// downloads asks from an address for what "go mod download" asks for, in its order, and returns what each request took in milliseconds.
func downloads(ctx context.Context, base, from string, roots []module.Version) (took sample, err error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	tr := &http.Transport{DialContext: dialer.DialContext, DisableCompression: true, MaxIdleConnsPerHost: crowdAtOnce}
	defer tr.CloseIdleConnections()
	client := http.Client{Transport: tr, Timeout: time.Minute}
	var mu sync.Mutex
	for _, suffix := range []string{".mod", ".info", ".zip"} {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(crowdAtOnce)
		for _, v := range roots {
			g.Go(func() error {
				begin := time.Now()
				err := drain(ctx, &client, base+"/"+v.Path+"/@v/"+v.Version+suffix)
				mu.Lock()
				defer mu.Unlock()
				took = append(took, time.Since(begin).Seconds()*1000)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return took, err
		}
	}
	return took, nil
}

// drain reads a 200 to its end.
func drain(ctx context.Context, c *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return fmt.Errorf("%s: %s: %s", url, resp.Status, text)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// unaskedShare is how much was fetched ahead that nobody asked for, of the bytes that were sent.
func unaskedShare(m *server) (float64, error) {
	b, _, err := fetch(m.url() + "/status")
	if err != nil {
		return 0, err
	}
	var s telemetry.Status
	if err := json.Unmarshal(b, &s); err != nil {
		return 0, err
	}
	return float64(s.Load.Ahead.Bytes-s.Load.Ahead.AskedBytes) / float64(max(s.Requests.Bytes, 1)), nil
}

func (c *crowdLab) rows() []row {
	peak, most := slices.Max(c.on.peak), slices.Max(c.on.conns)
	unasked := c.unasked.median()
	of := func(figure, format string, s sample) row {
		return row{figure: figure, value: fmt.Sprintf(format, s.median()), spread: s.spread(strings.Fields(format)[0])}
	}
	return []row{
		ratioRow("a client's own requests: p99 ÷ that without fetching ahead", c.on.p99.over(c.off.p99), 1.1, false),
		ratioRow("… median", c.on.p50.over(c.off.p50), 0, false),
		of("… p99", "%.0f ms", c.on.p99),
		of("… p99 without fetching ahead", "%.0f ms", c.off.p99),
		ratioRow("all done ÷ without fetching ahead", c.on.wall.over(c.off.wall), 0, false),
		of("all done", "%.2f s", c.on.wall),
		{figure: "highest resident memory", value: mib(int64(peak)), target: "< 150 MiB", met: reached(peak < 150<<20)},
		{figure: "… without fetching ahead", value: mib(int64(slices.Max(c.off.peak)))},
		{figure: "connections to the upstream", value: fmt.Sprintf("%.0f", most), target: fmt.Sprintf("≤ %d", crowdBound), met: reached(most <= crowdBound)},
		{figure: "bytes that nobody asked for ÷ bytes asked for", value: fmt.Sprintf("%.3f", unasked), spread: c.unasked.spread("%.3f"), target: "≤ 0.10", met: reached(unasked <= 0.10)},
	}
}

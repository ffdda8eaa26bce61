package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	absentRate  = 10_000 // a second
	absentConns = 5000   // of one client: more than a server should hold, so that the rate is kept up
	absentBound = 256    // an upstream asked for more than this at once counts as flooded
)

// benchAbsent measures hits while one client asks for 10,000 names a second that do not
// exist, no name twice, of an upstream that takes 200 ms for a 404: unbounded, 2000
// requests would be there at once. In a third condition the same client asks at the same
// rate for stored files, which shows what the processor alone costs.
func benchAbsent(ctx context.Context, l *lab) ([]row, error) {
	h, err := l.startHits(ctx)
	if err != nil {
		return nil, err
	}
	up, err := l.startUpstream(upstreamSettings{Dir: h.site, Absent: 200 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	defer up.stop()
	a := &absentLab{hitsLab: h, up: up}
	err = l.turns(ctx, l.rounds(5, 2), a.samples(),
		func(int) error { return a.under(ctx, &a.quiet, nil) },
		func(r int) error {
			return a.under(ctx, &a.flooded, &floodSettings{Rate: absentRate, Conns: absentConns, Salt: fmt.Sprintf("r%dn", r)})
		},
		func(int) error {
			return a.under(ctx, &a.busy, &floodSettings{Rate: absentRate, Conns: absentConns, Paths: h.smallTexts()})
		})
	if err != nil {
		return nil, err
	}
	return a.rows(), nil
}

type absentLab struct {
	*hitsLab
	up                   *upstream
	quiet, flooded, busy tail
	inFlight, upRate     sample
	peak, offered        sample
	answers              map[int]int
	failed               int
	failure              string
}

func (a *absentLab) samples() []*sample {
	return slices.Concat(a.quiet.samples(), a.flooded.samples(), a.busy.samples(), []*sample{&a.inFlight, &a.upRate, &a.peak, &a.offered})
}

func (h *hitsLab) smallTexts() []string {
	return slices.DeleteFunc(slices.Clone(h.paths), func(p string) bool { return strings.HasSuffix(p, ".zip") })
}

// under measures hits while flood runs; nil is no flood.
func (a *absentLab) under(ctx context.Context, into *tail, s *floodSettings) error {
	return a.with(ctx, a.up, func(m *server) error {
		if _, err := a.up.take(); err != nil {
			return err
		}
		var f *runningFlood
		if s != nil {
			s.Addr = m.addr
			var err error
			if f, err = a.startFlood(*s); err != nil {
				return err
			}
			defer f.stop()
			time.Sleep(time.Second)
		}
		p50, p99, err := a.measure(ctx, m)
		if err != nil {
			return err
		}
		into.add(p50, p99)
		if s == nil || len(s.Paths) > 0 {
			return nil
		}
		return a.note(m, f)
	})
}

// note remembers what the flood and the upstream saw.
func (a *absentLab) note(m *server, f *runningFlood) error {
	_, peak, err := m.memory()
	if err != nil {
		return err
	}
	seen, err := a.up.take()
	if err != nil {
		return err
	}
	r, err := f.end()
	if err != nil {
		return err
	}
	if a.answers == nil {
		a.answers = make(map[int]int)
	}
	total := 0
	for status, n := range r.Statuses {
		a.answers[status] += n
		total += n
	}
	if r.Statuses[200] > 0 {
		return fmt.Errorf("%d absent names were answered 200", r.Statuses[200])
	}
	if r.Failed > 0 {
		a.failed, a.failure = a.failed+r.Failed, r.Error
	}
	a.inFlight = append(a.inFlight, float64(seen.MaxInFlight))
	a.upRate = append(a.upRate, float64(seen.Absent)/seen.Seconds)
	a.offered = append(a.offered, float64(total)/r.Seconds)
	a.peak = append(a.peak, float64(peak))
	return nil
}

func (a *absentLab) rows() []row {
	var statuses []string
	for _, s := range slices.Sorted(maps.Keys(a.answers)) {
		statuses = append(statuses, fmt.Sprintf("%d × %d", a.answers[s], s))
	}
	if a.failed > 0 {
		statuses = append(statuses, fmt.Sprintf("%d connections broke (%s)", a.failed, a.failure))
	}
	return []row{
		a.flooded.row(fmt.Sprintf("p99 of hits at %d a second under the flood", hitRate), &a.quiet),
		a.quiet.row("p99 of hits without", nil),
		a.busy.row("p99 of hits under as many hits instead", nil),
		{figure: "absent names asked a second", value: fmt.Sprintf("%.0f", a.offered.median()), spread: a.offered.spread("%.0f"),
			target: fmt.Sprintf("≥ %d, or the flood was none", absentRate*9/10), met: reached(a.offered.median() >= absentRate*9/10)},
		{figure: "upstream requests at once, at most", value: fmt.Sprintf("%.0f", slices.Max(a.inFlight)), spread: a.inFlight.spread("%.0f"),
			target: fmt.Sprintf("≤ %d", absentBound), met: reached(slices.Max(a.inFlight) <= absentBound)},
		{figure: "upstream requests a second", value: fmt.Sprintf("%.0f", a.upRate.median()), spread: a.upRate.spread("%.0f")},
		{figure: "answers: " + strings.Join(statuses, ", ")},
		{figure: fmt.Sprintf("highest resident memory, %d connections", absentConns), value: mib(int64(slices.Max(a.peak)))},
	}
}

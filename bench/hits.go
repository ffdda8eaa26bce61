package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A hitsLab looks at the latency of stored files while something else goes on.
type hitsLab struct {
	*lab
	site  string
	state string // filled
	paths []string
	want  map[string][]byte
}

// startHits fills a state directory with the small modules.
func (l *lab) startHits(ctx context.Context) (*hitsLab, error) {
	site, err := l.siteFixture()
	if err != nil {
		return nil, err
	}
	h := &hitsLab{lab: l, site: site, want: make(map[string][]byte)}
	for i := range smalls {
		for _, ext := range []string{"info", "mod", "zip"} {
			p := "/" + smallPath(i) + "/@v/v1.0.0." + ext
			h.paths = append(h.paths, p)
			if h.want[p], err = os.ReadFile(filepath.Join(site, filepath.FromSlash(p))); err != nil {
				return nil, err
			}
		}
	}
	if h.state, err = l.emptyState(); err != nil {
		return nil, err
	}
	up, err := l.startUpstream(upstreamSettings{Dir: site})
	if err != nil {
		return nil, err
	}
	defer up.stop()
	return h, h.with(ctx, up, func(*server) error { return nil })
}

// with runs f with a new Modhaven over the filled state and the given upstream. Every
// file was asked for once: the small ones are in memory.
func (h *hitsLab) with(ctx context.Context, up *upstream, f func(*server) error) error {
	return h.withState(ctx, h.state, up.url(), func(m *server) error {
		if err := allSame(h.site, h.paths, m); err != nil {
			return err
		}
		return f(m)
	})
}

const hitRate = 2000 // a second

// measure returns the p50 and p99 in milliseconds.
func (h *hitsLab) measure(ctx context.Context, m *server) (p50, p99 float64, err error) {
	took, err := h.load(m).run(ctx)
	if err != nil {
		return 0, 0, err
	}
	ms := func(q float64) float64 { return quantileSorted(took, q).Seconds() * 1000 }
	return ms(0.5), ms(0.99), nil
}

func (h *hitsLab) load(m *server) load {
	return load{addr: m.addr, paths: h.paths, want: h.want, rate: hitRate, conns: 32, lasting: h.lasting(6 * time.Second)}
}

// A tail is the latencies of one condition, in milliseconds.
type tail struct{ p50, p99 sample }

func (t *tail) add(p50, p99 float64) {
	t.p50, t.p99 = append(t.p50, p50), append(t.p99, p99)
}

func (t *tail) samples() []*sample { return []*sample{&t.p50, &t.p99} }

// row shows the p99. Where quiet is given the target is less than double its p99, or
// less than a millisecond more.
func (t *tail) row(figure string, quiet *tail) row {
	r := row{figure: figure, value: fmt.Sprintf("%.2f ms (p50 %.2f)", t.p99.median(), t.p50.median()), spread: t.p99.spread("%.2f")}
	if quiet != nil {
		limit := max(2*quiet.p99.median(), quiet.p99.median()+1)
		r.target, r.met = fmt.Sprintf("< %.2f ms", limit), reached(t.p99.median() < limit)
	}
	return r
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// benchHot measures what is stored already. The bare handler is there twice: writing the
// body only, and setting the headers that Modhaven sets as well.
func benchHot(ctx context.Context, l *lab) ([]row, error) {
	site, err := l.siteFixture()
	if err != nil {
		return nil, err
	}
	h, err := l.startHot(ctx, site)
	if err != nil {
		return nil, err
	}
	defer h.stop()
	var rows []row
	for _, f := range h.texts() {
		more, err := h.text(ctx, f)
		if rows = append(rows, more...); err != nil {
			return rows, err
		}
	}
	more, err := h.zip(ctx)
	return append(rows, more...), err
}

// A hotLab is the contenders of benchHot, all of them running.
type hotLab struct {
	*lab
	site                      string
	upstream                  *upstream
	modhaven, bare, same, ngx *server
}

type hotFile struct{ name, path string }

func (h *hotLab) texts() []hotFile {
	base := "/" + hotPath + "/@v/"
	return []hotFile{{".info", base + hotLatest + ".info"}, {".mod", base + hotLatest + ".mod"}, {"list", base + "list"}}
}

func (h *hotLab) paths() []string {
	var p []string
	for _, f := range h.texts() {
		p = append(p, f.path)
	}
	return p
}

// startHot starts all contenders, fills Modhaven, and checks that all give the same bytes.
func (l *lab) startHot(ctx context.Context, site string) (h *hotLab, err error) {
	h = &hotLab{lab: l, site: site}
	defer func() {
		if err != nil {
			h.stop()
		}
	}()
	state, err := l.emptyState()
	if err != nil {
		return nil, err
	}
	if h.upstream, err = l.startUpstream(upstreamSettings{Dir: site}); err != nil {
		return nil, err
	}
	if h.modhaven, err = l.startModhaven(ctx, state, h.upstream.url()); err != nil {
		return nil, err
	}
	headers := make(map[string]http.Header)
	for _, p := range h.paths() {
		_, head, err := fetch(h.modhaven.url() + p)
		if err != nil {
			return nil, err
		}
		head.Del("Date") // net/http sets its own
		headers[p] = head
	}
	if h.bare, err = l.startBare(bareSettings{Dir: site, Paths: h.paths()}); err != nil {
		return nil, err
	}
	if h.same, err = l.startBare(bareSettings{Dir: site, Paths: h.paths(), Headers: headers}); err != nil {
		return nil, err
	}
	if h.ngx, err = l.startNginx(ctx, site); err != nil {
		return nil, err
	}
	return h, h.check()
}

// check compares the bytes of all contenders with the fixture.
func (h *hotLab) check() error {
	if err := allSame(h.site, h.paths(), h.modhaven, h.bare, h.same, h.ngx); err != nil {
		return err
	}
	return allSame(h.site, []string{bigZip}, h.modhaven, h.ngx)
}

func (h *hotLab) stop() {
	for _, s := range []*server{h.modhaven, h.bare, h.same, h.ngx} {
		if s != nil {
			s.stop()
		}
	}
	if h.upstream != nil {
		h.upstream.stop()
	}
}

// A loaded is what one server did under wrk, a figure a round.
type loaded struct {
	requests, bytes sample // a second
	cpu             sample // µs of the server's processor time for a request
}

func (l *loaded) samples() []*sample { return []*sample{&l.requests, &l.bytes, &l.cpu} }

// under returns a turn that loads one server.
func under(ctx context.Context, s *server, path string, d time.Duration, into *loaded) func(int) error {
	return func(int) error {
		before, err := s.cpu()
		if err != nil {
			return err
		}
		r, err := wrk(ctx, 1, d, s.url()+path)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		after, err := s.cpu()
		if err != nil {
			return err
		}
		into.requests, into.bytes = append(into.requests, r.Requests), append(into.bytes, r.Bytes)
		into.cpu = append(into.cpu, float64((after-before).Microseconds())/(r.Requests*d.Seconds()))
		return nil
	}
}

// text compares requests a second for one small file.
func (h *hotLab) text(ctx context.Context, f hotFile) ([]row, error) {
	var m, bare, same, ngx loaded
	d := h.lasting(3 * time.Second)
	err := h.turns(ctx, h.rounds(7, 2), slices.Concat(m.samples(), bare.samples(), same.samples(), ngx.samples()),
		under(ctx, h.modhaven, f.path, d, &m),
		under(ctx, h.bare, f.path, d, &bare),
		under(ctx, h.same, f.path, d, &same),
		under(ctx, h.ngx, f.path, d, &ngx))
	if err == nil {
		err = h.check()
	}
	if err != nil {
		return nil, err
	}
	r := ratioRow(f.name+": requests a second ÷ bare handler, body only", m.requests.over(bare.requests), 0.95, true)
	r.nginx = fmt.Sprintf("%.2f", m.requests.over(ngx.requests).median())
	return []row{r,
		ratioRow(f.name+": … ÷ bare handler, same headers", m.requests.over(same.requests), 0, true),
		ratioRow(f.name+": processor time a request ÷ bare, body only", m.cpu.over(bare.cpu), 0, false),
		ratioRow(f.name+": … ÷ bare, same headers", m.cpu.over(same.cpu), 0, false),
		{figure: f.name + ": requests a second", value: fmt.Sprintf("%.0f", m.requests.median()), spread: m.requests.spread("%.0f")}}, nil
}

// zip compares bytes a second for the 40 MB zip, and looks at the memory meanwhile.
func (h *hotLab) zip(ctx context.Context) ([]row, error) {
	_, filled, err := h.modhaven.memory()
	if err != nil {
		return nil, err
	}
	if err := h.modhaven.resetPeak(); err != nil {
		return nil, err
	}
	var m, ngx loaded
	d := h.lasting(5 * time.Second)
	err = h.turns(ctx, h.rounds(7, 2), slices.Concat(m.samples(), ngx.samples()),
		under(ctx, h.modhaven, bigZip, d, &m),
		under(ctx, h.ngx, bigZip, d, &ngx))
	if err == nil {
		err = h.check()
	}
	if err != nil {
		return nil, err
	}
	_, loaded, err := h.modhaven.memory()
	if err != nil {
		return nil, err
	}
	r := ratioRow("40 MB zip: bytes a second ÷ nginx", m.bytes.over(ngx.bytes), 0.95, true)
	r.nginx = fmt.Sprintf("%.2f", m.bytes.over(ngx.bytes).median())
	return []row{r,
		{figure: "40 MB zip: GiB a second", value: fmt.Sprintf("%.2f", m.bytes.median()/(1<<30)), nginx: r.nginx},
		memoryRow("highest resident memory, 64 connections on the zip", loaded),
		memoryRow("… since the start: cold fills, 64 connections on small files", filled)}, nil
}

func memoryRow(figure string, peak int64) row {
	return row{figure: figure, value: mib(peak), target: "< 64 MiB", met: reached(peak < 64<<20)}
}

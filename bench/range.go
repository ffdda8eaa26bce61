package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"
)

// throttledLink is an upstream 150 ms away that gives one connection a tenth of what it gives ten.
func throttledLink() link { return link{RTT: 150 * time.Millisecond, Conn: 10e6, Total: 100e6} }

// cutShare of the connections are cut in the second half of the benchmark.
const cutShare = 0.05

// A rangeLab compares the download of one large zip straight from an upstream with that through an empty Modhaven.
type rangeLab struct {
	*lab
	project                      project
	whole, cut                   *upstream // the second cuts connections
	want                         uint32
	size                         float64
	direct, through, throughCuts sample // seconds of one GET
	goDirect, goThrough          sample // of go mod download
	bytes, bytesCuts             sample // that the upstream wrote ÷ the zip's
	requests                     sample
}

// benchRange has one client ask for a zip of 40 MB that is not there.
func benchRange(ctx context.Context, l *lab) ([]row, error) {
	p, err := l.bigProject()
	if err != nil {
		return nil, err
	}
	r := &rangeLab{lab: l, project: p}
	name := filepath.Join(p.upstream, filepath.FromSlash(bigZip))
	if r.want, err = checksum(name); err != nil {
		return nil, err
	}
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	r.size = float64(st.Size())
	ln := throttledLink()
	if r.whole, err = l.startUpstream(upstreamSettings{Dir: p.upstream, Link: ln}); err != nil {
		return nil, err
	}
	defer r.whole.stop()
	ln.Cuts, ln.Seed = cutShare, l.opt.seed
	if r.cut, err = l.startUpstream(upstreamSettings{Dir: p.upstream, Link: ln}); err != nil {
		return nil, err
	}
	defer r.cut.stop()
	samples := []*sample{&r.direct, &r.through, &r.throughCuts, &r.goDirect, &r.goThrough, &r.bytes, &r.bytesCuts, &r.requests}
	if err := l.turns(ctx, l.rounds(9, 2), samples,
		func(int) error { return r.get(r.whole.server, &r.direct) },
		func(int) error { return r.throughModhaven(ctx, r.whole, &r.through, &r.bytes, &r.requests) },
		func(int) error { return r.throughModhaven(ctx, r.cut, &r.throughCuts, &r.bytesCuts, nil) },
		func(int) error { return r.download(ctx, r.whole.server, &r.goDirect) },
		func(int) error { return r.downloadThrough(ctx) },
	); err != nil {
		return nil, err
	}
	return r.rows(), nil
}

// get downloads the zip.
func (r *rangeLab) get(s *server, into *sample) error {
	begin := time.Now()
	b, _, err := fetch(s.url() + bigZip)
	took := time.Since(begin)
	if err != nil {
		return err
	}
	if crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) != r.want {
		return fmt.Errorf("%s%s: not the bytes of the fixture", s.url(), bigZip)
	}
	*into = append(*into, took.Seconds())
	return nil
}

func (r *rangeLab) throughModhaven(ctx context.Context, up *upstream, into, bytes, requests *sample) error {
	return r.withEmpty(ctx, up.url(), func(m *server) error {
		if _, err := up.take(); err != nil {
			return err
		}
		if err := r.get(m, into); err != nil {
			return err
		}
		seen, err := up.take()
		if err != nil {
			return err
		}
		*bytes = append(*bytes, float64(seen.Bytes)/r.size)
		if requests != nil {
			*requests = append(*requests, float64(seen.Gets["zip"]))
		}
		return nil
	})
}

// download runs the go command, which unpacks and hashes the zip too.
func (r *rangeLab) download(ctx context.Context, s *server, into *sample) error {
	res, err := r.goCommand(ctx, r.project, s.url(), "mod", "download")
	if err == nil {
		*into = append(*into, res.took.Seconds())
	}
	return err
}

func (r *rangeLab) downloadThrough(ctx context.Context) error {
	return r.withEmpty(ctx, r.whole.url(), func(m *server) error { return r.download(ctx, m, &r.goThrough) })
}

func (r *rangeLab) rows() []row {
	return []row{
		ratioRow("40 MB zip: time through an empty Modhaven ÷ direct", r.through.over(r.direct), 0.4, false),
		ratioRow("40 MB zip: … each connection cut with probability 0.05", r.throughCuts.over(r.direct), 0.5, false),
		ratioRow("40 MB zip: bytes the upstream wrote ÷ size", r.bytes, 0, false),
		ratioRow("40 MB zip: … with cuts", r.bytesCuts, 0, false),
		{figure: "40 MB zip: requests to the upstream", value: fmt.Sprintf("%.0f", r.requests.median()), spread: r.requests.spread("%.0f")},
		{figure: "40 MB zip: direct", value: fmt.Sprintf("%.2f s", r.direct.median()), spread: r.direct.spread("%.2f")},
		{figure: "40 MB zip: through", value: fmt.Sprintf("%.2f s", r.through.median()), spread: r.through.spread("%.2f")},
		ratioRow("go mod download of it, which unpacks it too: time through ÷ direct", r.goThrough.over(r.goDirect), 0, false),
		{figure: "go mod download: direct", value: fmt.Sprintf("%.2f s", r.goDirect.median()), spread: r.goDirect.spread("%.2f")},
	}
}

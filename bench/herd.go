package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

const herdSize = 100

// benchHerd has 100 clients ask at once for a 40 MB zip that nobody has asked for before.
func benchHerd(ctx context.Context, l *lab) ([]row, error) {
	site, err := l.siteFixture()
	if err != nil {
		return nil, err
	}
	up, err := l.startUpstream(upstreamSettings{Dir: site, Link: link{RTT: 20 * time.Millisecond, Total: 20e6}})
	if err != nil {
		return nil, err
	}
	defer up.stop()
	h := &herdLab{lab: l, site: site, up: up}
	if h.want, err = checksum(filepath.Join(site, filepath.FromSlash(bigZip))); err != nil {
		return nil, err
	}
	if err := l.turns(ctx, l.rounds(5, 2), h.samples(),
		func(int) error { return h.one(ctx) },
		func(int) error { return h.herd(ctx) },
		func(int) error { return h.fromNginx(ctx) },
	); err != nil {
		return nil, err
	}
	return h.rows(), nil
}

type herdLab struct {
	*lab
	site                  string
	up                    *upstream
	want                  uint32
	single                sample // seconds of one download
	all, hot              cost   // of 100, when the file is not there and when it is
	ngx                   cost   // the same from nginx, which has the file
	gets                  sample
	firstMedian, firstEnd sample // milliseconds from the upstream's first byte to a client's
}

func (h *herdLab) samples() []*sample {
	s := []*sample{&h.single, &h.gets, &h.firstMedian, &h.firstEnd}
	for _, c := range []*cost{&h.all, &h.hot, &h.ngx} {
		s = append(s, &c.wall, &c.server, &c.clients)
	}
	return s
}

// one downloads once, straight from the upstream.
func (h *herdLab) one(ctx context.Context) error {
	begin := time.Now()
	got, err := h.crowd(ctx, h.up.server, 1)
	if err != nil {
		return err
	}
	h.single = append(h.single, got[0].last.Sub(begin).Seconds())
	return nil
}

// herd starts an empty Modhaven; once all are served, they ask again for what is now stored.
func (h *herdLab) herd(ctx context.Context) error {
	return h.withEmpty(ctx, h.up.url(), func(m *server) error {
		if _, err := h.up.take(); err != nil {
			return err
		}
		got, err := h.timed(ctx, m, &h.all)
		if err != nil {
			return err
		}
		seen, err := h.up.take()
		if err != nil {
			return err
		}
		h.gets = append(h.gets, float64(seen.Gets["zip"]-seen.Ranges))
		h.first(got, time.Unix(0, seen.FirstByte))
		_, err = h.timed(ctx, m, &h.hot)
		return err
	})
}

// A cost is what it took until the last client was done, in seconds.
type cost struct {
	wall    sample
	server  sample // processor time of the server
	clients sample // and of the 100 clients
}

// timed has all clients download from s and adds what it took.
func (h *herdLab) timed(ctx context.Context, s *server, into *cost) ([]arrival, error) {
	server, clients, err := cpuTimes(s)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	got, err := h.crowd(ctx, s, herdSize)
	if err != nil {
		return nil, err
	}
	into.wall = append(into.wall, lastOf(got).Sub(begin).Seconds())
	server2, clients2, err := cpuTimes(s)
	into.server = append(into.server, (server2 - server).Seconds())
	into.clients = append(into.clients, (clients2 - clients).Seconds())
	return got, err
}

// cpuTimes returns the processor times of s and of this process.
func cpuTimes(s *server) (theirs, ours time.Duration, err error) {
	if theirs, err = s.cpu(); err == nil {
		var st procStat
		st, err = readProcStat("self")
		ours = time.Duration(st.own) * tick
	}
	return theirs, ours, err
}

// fromNginx shows how long this machine needs to move that many bytes at all.
func (h *herdLab) fromNginx(ctx context.Context) error {
	n, err := h.startNginx(ctx, h.site)
	if err != nil {
		return err
	}
	defer n.stop()
	_, err = h.timed(ctx, n, &h.ngx)
	return err
}

func (h *herdLab) first(got []arrival, upstream time.Time) {
	var ms sample
	for _, a := range got {
		ms = append(ms, a.first.Sub(upstream).Seconds()*1000)
	}
	h.firstMedian = append(h.firstMedian, ms.median())
	h.firstEnd = append(h.firstEnd, slices.Max(ms))
}

func (h *herdLab) rows() []row {
	seconds := func(figure string, s sample) row {
		return row{figure: figure, value: fmt.Sprintf("%.2f s", s.median()), spread: s.spread("%.2f")}
	}
	done := ratioRow("100 clients done ÷ one download", h.all.wall.over(h.single), 1.1, false)
	return []row{
		{figure: "upstream GETs of the whole zip", value: fmt.Sprintf("%.0f", slices.Max(h.gets)), spread: h.gets.spread("%.0f"), target: "1",
			met: reached(slices.Max(h.gets) == 1 && slices.Min(h.gets) == 1)},
		{figure: "upstream's first byte to the last client's first", value: fmt.Sprintf("%.1f ms", h.firstEnd.median()), spread: h.firstEnd.spread("%.1f"),
			target: "≤ 20 ms", met: reached(h.firstEnd.median() <= 20)},
		{figure: "… to the median client's first", value: fmt.Sprintf("%.1f ms", h.firstMedian.median()), spread: h.firstMedian.spread("%.1f")},
		done,
		seconds("one download, straight from the upstream", h.single),
		seconds("100 clients, cold", h.all.wall),
		seconds("… processor time of Modhaven", h.all.server),
		seconds("… processor time of the clients", h.all.clients),
		seconds("100 clients, stored", h.hot.wall),
		seconds("… processor time of Modhaven", h.hot.server),
		seconds("100 clients, stored, from nginx", h.ngx.wall),
	}
}

// An arrival is when a client's first and last byte came.
type arrival struct{ first, last time.Time }

func lastOf(a []arrival) time.Time {
	return slices.MaxFunc(a, func(x, y arrival) int { return x.last.Compare(y.last) }).last
}

// crowd has n clients download the zip at once, each over a connection of its own.
func (h *herdLab) crowd(ctx context.Context, s *server, n int) ([]arrival, error) {
	got := make([]arrival, n)
	g, ctx := errgroup.WithContext(ctx)
	for i := range n {
		g.Go(func() error { return h.download(ctx, s.addr, &got[i]) })
	}
	return got, g.Wait()
}

// download checks the bytes by a CRC that costs nearly nothing: 100 clients at once would
// otherwise measure their own hashing. Bytes that are not those of the fixture are an error.
func (h *herdLab) download(ctx context.Context, addr string, a *arrival) error {
	k, err := dialKeptConn(addr)
	if err != nil {
		return err
	}
	defer k.Close()
	defer context.AfterFunc(ctx, func() { k.Close() })()
	buf := make([]byte, 128<<10)
	resp, err := k.ask(bigZip)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return fmt.Errorf("%s: %s: %s", bigZip, resp.Status, text)
	}
	sum, err := a.read(resp.Body, buf)
	if err == nil && sum != h.want {
		err = fmt.Errorf("%s: not the bytes of the fixture", bigZip)
	}
	return err
}

// read reads to the end and returns the checksum.
func (a *arrival) read(r io.Reader, buf []byte) (uint32, error) {
	table := crc32.MakeTable(crc32.Castagnoli)
	var sum uint32
	for {
		n, err := r.Read(buf)
		if n > 0 && a.first.IsZero() {
			a.first = time.Now()
		}
		sum = crc32.Update(sum, table, buf[:n])
		if errors.Is(err, io.EOF) {
			a.last = time.Now()
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
	}
}

func checksum(name string) (uint32, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return new(arrival).read(f, make([]byte, 128<<10))
}

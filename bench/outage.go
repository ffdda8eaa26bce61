package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	outageTime  = 20 * time.Second
	outageAfter = 110 // of 321 requests
	outageRuns  = 10  // at once, each with an upstream of its own
	outageDials = 3.0 // a second
)

// An outageLab counts connections that were refused on the whole machine: nothing else
// of ours fails to connect meanwhile, and what others do is measured before. A network
// namespace keeps them out: unshare -n sh -c 'ip link set lo up; go run ./bench -run faults:outage'.
type outageLab struct {
	*campaign
	dials sample // a second and upstream, by batch
	idle  float64
}

// benchOutage has several runs at once, since they do little but wait.
func benchOutage(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(50, 5, 5, 10)
	if err != nil {
		return nil, err
	}
	o := &outageLab{campaign: c}
	c.world = func(run int, sick bool) (*world, error) {
		s := c.well(run)
		if sick {
			s.OutageAfter, s.Outage = outageAfter, outageTime
		}
		return c.alone(s)
	}
	before, err := refusedDials()
	if err != nil {
		return nil, err
	}
	time.Sleep(3 * time.Second)
	after, _ := refusedDials()
	o.idle = float64(after-before) / 3
	for r := 0; r < c.runs; r += outageRuns {
		if err := o.batch(ctx, r, min(outageRuns, c.runs-r)); err != nil {
			return nil, err
		}
	}
	for r := range c.clean {
		if err := c.throughOne(ctx, r, false); err != nil {
			return nil, err
		}
	}
	if err := c.plainAll(ctx); err != nil {
		return nil, err
	}
	return o.rows(), nil
}

// batch has n runs at once. All are ready before the clock of refused connections starts.
func (o *outageLab) batch(ctx context.Context, first, n int) error {
	worlds, havens := make([]*world, n), make([]*haven, n)
	for i := range n {
		var err error
		if worlds[i], err = o.world(first+i, true); err != nil {
			return err
		}
		defer worlds[i].close()
		if havens[i], err = o.startHaven(ctx, worlds[i]); err != nil {
			return err
		}
		defer havens[i].close()
	}
	before, err := refusedDials()
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for i := range n {
		g.Go(func() error { return o.download(gctx, worlds[i], havens[i], &o.through.sick, first+i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := o.allOut(worlds); err != nil {
		return err
	}
	after, err := refusedDials()
	o.dials = append(o.dials, float64(after-before)/float64(n)/outageTime.Seconds())
	return err
}

// allOut waits for the end of all outages: a client that gave up must not hide a storm.
func (o *outageLab) allOut(worlds []*world) error {
	for _, w := range worlds {
		for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			st, err := w.ups[0].tell("")
			if err != nil {
				return err
			}
			if st.Outage {
				break
			}
			if time.Since(begin) > 2*outageTime {
				return fmt.Errorf("%s had no outage: it saw %d requests", w.list, st.Requests)
			}
		}
	}
	return nil
}

func (o *outageLab) rows() []row {
	return append(o.campaign.rows(),
		row{figure: "connections refused a second by each upstream, through Modhaven", value: fmt.Sprintf("%.2f", o.dials.mean()),
			spread: o.dials.spread("%.2f"), target: fmt.Sprintf("≤ %.0f", outageDials), met: reached(o.dials.mean() <= outageDials)},
		row{figure: "… of other programs on this machine, before", value: fmt.Sprintf("%.2f", o.idle)})
}

// refusedDials is how many connections have failed to open in this network namespace.
func refusedDials() (int64, error) {
	b, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		return 0, err
	}
	return attemptFails(string(b))
}

// attemptFails is that counter of TCP in the text of /proc/net/snmp, which has two lines for each protocol: names, then values.
func attemptFails(text string) (int64, error) {
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, n := range names {
			if n == "AttemptFails" && i < len(f) {
				return strconv.ParseInt(f[i], 10, 64)
			}
		}
	}
	return 0, errors.New("/proc/net/snmp: no AttemptFails of Tcp")
}

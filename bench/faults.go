package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// faultCases are the promises about upstreams that fail, one by one, with what each takes in full on 2 cores.
func faultCases() []bench {
	return []bench{
		{"faults:mixed-10", "10 % of all answers faulty, one upstream (9 min)", benchMixed10},
		{"faults:mixed-10-real", "the same with the 100 modules of cold, 68 MB, 20 ms away (30 min)", benchMixed10Real},
		{"faults:mixed-30", "30 % of all answers faulty, one upstream (4 min)", benchMixed30},
		{"faults:slow-tail", "1 % of the answers take more than 1.2 s, backup well: latency of 100,000 cold small files (4 min)", benchSlowTail},
		{"faults:refusing", "the first upstream refuses connections, backup well (4 min)", benchRefusing},
		{"faults:hanging", "the first upstream accepts and says nothing, backup well (6 min)", benchHanging},
		{"faults:flapping", "the first upstream dies and comes back every 5 s, 2 % of the backup's answers faulty (2 min)", benchFlapping},
		{"faults:outage", "the only upstream refuses connections for 20 s in the middle of each run (3 min)", benchOutage},
		{"faults:dead", "every upstream dead, store warm (4 min)", benchDead},
		{"faults:big", "a zip of 40 MB, cut every 4 MB on average (3 min)", benchBig},
		{"faults:flipped", "one byte flipped in 5 % of the zips (2 min)", benchFlipped},
		{"faults:flipped-proven", "one byte flipped in 5 % of the zips, .mod files and checksum answers, each file verified (3 min)", benchFlippedProven},
		{"faults:database", "the checksum database refuses connections for 60 s, then is back (2 min)", benchDatabase},
		{"faults:sick", "503 for 60 s under steady load, then well (80 s)", benchSick},
		{"faults:none", "no faults: against the same with all this switched off (1 min)", benchNone},
		{"faults:tls", "a fifth of the TLS handshakes reset (2 min)", benchTLS},
		{"faults:dns", "no name is resolved from the middle of the run on (1 min)", benchDNS},
	}
}

// share is how many runs of n are done with -scale and -quick: at least two.
func (l *lab) share(n int) int {
	if l.opt.quick {
		return max(2, n/10)
	}
	return max(2, int(math.Round(float64(n)*l.opt.scale)))
}

// The way to the upstreams and back. The go command asks for as many files at once as there
// are cores, so this is most of what a download takes: about two seconds, or one.
const (
	rttFar  = 10 * time.Millisecond // where many answers are faulty
	rttNear = 5 * time.Millisecond
)

// severalAtOnce is for runs whose time is not judged.
const severalAtOnce = 3

func (l *lab) campaign(runs, clean, others, parallel int) (*campaign, error) {
	p, err := l.faultsProject()
	return &campaign{lab: l, project: p, runs: l.share(runs), clean: l.share(clean), others: l.share(others), parallel: parallel, rtt: rttNear}, err
}

// well are the settings of an upstream without faults.
func (c *campaign) well(run int) faultySettings {
	return faultySettings{Dir: c.project.upstream, Run: run, RTT: c.rtt}
}

// benchMixed10 is the case that everybody has on a bad day.
func benchMixed10(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(100, 10, 10, 10)
	if err != nil {
		return nil, err
	}
	c.maxTime, c.maxRequests = 2, 1.35
	c.rtt = rttFar
	return c.mixed(ctx, 0.10)
}

// benchMixed10Real has modules of the sizes that people have, so that the time of a download is not that of its round trips alone.
func benchMixed10Real(ctx context.Context, l *lab) ([]row, error) {
	p, err := l.project("tidy", coldRecipes)
	if err != nil {
		return nil, err
	}
	c := &campaign{lab: l, project: p, runs: l.share(100), clean: l.share(20), others: l.share(3), parallel: 3, rtt: farLink().RTT}
	c.maxTime, c.maxRequests = 2, 1.35
	return c.mixed(ctx, 0.10)
}

func benchMixed30(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(50, 10, 5, 10)
	if err != nil {
		return nil, err
	}
	c.atOnce, c.rtt = severalAtOnce, rttFar
	return c.mixed(ctx, 0.30)
}

func (c *campaign) mixed(ctx context.Context, rate float64) ([]row, error) {
	return c.single(ctx, func(s *faultySettings) { s.Faults = mix{Rate: rate, Kinds: mixed()} })
}

// single is a campaign with one upstream, which sick makes faulty.
func (c *campaign) single(ctx context.Context, sick func(*faultySettings)) ([]row, error) {
	c.world = func(run int, isSick bool) (*world, error) {
		s := c.well(run)
		if isSick {
			sick(&s)
		}
		return c.alone(s)
	}
	return c.run(ctx)
}

// benchRefusing and benchHanging compare with the backup alone.
func benchRefusing(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(100, 30, 10, 1)
	if err != nil {
		return nil, err
	}
	c.maxTime = 1.05
	return c.failover(ctx, refusing)
}

func benchHanging(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(100, 20, 5, 10)
	if err != nil {
		return nil, err
	}
	dead, err := l.startUpstream(upstreamSettings{Dead: true})
	if err != nil {
		return nil, err
	}
	defer dead.stop()
	c.maxTime = 1.3
	return c.failover(ctx, func() (string, error) { return dead.url(), nil })
}

// failover is a campaign whose first upstream is of no use at all.
func (c *campaign) failover(ctx context.Context, first func() (string, error)) ([]row, error) {
	c.world = func(run int, sick bool) (*world, error) {
		if !sick {
			return c.alone(c.well(run))
		}
		dead, err := first()
		if err != nil {
			return nil, err
		}
		return c.behind(dead, c.well(run))
	}
	return c.run(ctx)
}

const flapping = 5 * time.Second

// benchFlapping has one first upstream for all runs, so that they meet it in all its states.
func benchFlapping(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(100, 10, 10, 1)
	if err != nil {
		return nil, err
	}
	c.atOnce, c.shared = severalAtOnce, true
	first, err := l.startFaulty(c.well(0))
	if err != nil {
		return nil, err
	}
	defer first.stop()
	defer flap(ctx, first)()
	c.world = func(run int, sick bool) (*world, error) {
		if !sick {
			return c.alone(c.well(run))
		}
		s := c.well(run)
		s.Faults = mix{Rate: 0.02, Kinds: mixed()}
		return c.behind(first.url(), s)
	}
	return c.run(ctx)
}

// flap has u refuse and accept in turns until stop is called.
func flap(ctx context.Context, u *faulty) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for i := 0; ; i++ {
			_, _ = u.tell([]string{"refuse", "accept"}[i%2])
			select {
			case <-time.After(flapping):
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// benchBig counts the bytes too: what was there already should not come again.
func benchBig(ctx context.Context, l *lab) ([]row, error) {
	p, err := l.bigProject()
	if err != nil {
		return nil, err
	}
	c := &campaign{lab: l, project: p, runs: l.share(20), clean: l.share(5), others: l.share(10), parallel: 1, rtt: rttNear}
	st, err := os.Stat(filepath.Join(p.upstream, filepath.FromSlash(bigZip)))
	if err != nil {
		return nil, err
	}
	rows, err := c.single(ctx, func(s *faultySettings) { s.Cut, s.Speed = 4e6, 20e6 })
	if err != nil {
		return rows, err
	}
	through := slices.Clone(c.through.sick.bytes)
	for i := range through {
		through[i] /= float64(st.Size())
	}
	worst := row{figure: "bytes sent by the upstream ÷ size, the worst run through Modhaven", value: "none succeeded", target: "≤ 1.15", met: no}
	if len(through) > 0 {
		worst.value, worst.spread = fmt.Sprintf("%.3f", slices.Max(through)), through.spread("%.3f")
		worst.met = reached(slices.Max(through) <= 1.15)
	}
	return append(rows, worst), nil
}

func benchTLS(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(20, 5, 10, 1)
	if err != nil {
		return nil, err
	}
	c.world = func(run int, sick bool) (*world, error) {
		s := c.well(run)
		s.CertFile = l.certFile()
		if s.Goodbyes = 0.1; sick {
			s.TLSResets = 0.2
		}
		w, err := l.alone(s)
		if err != nil {
			return nil, err
		}
		w.list = "https://" + w.ups[0].addr
		w.flags = []string{"--upstream-options", w.list + " ca=" + s.CertFile}
		w.env = []string{"SSL_CERT_FILE=" + s.CertFile}
		return w, nil
	}
	return c.run(ctx)
}

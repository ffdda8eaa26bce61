package main

import (
	"context"
	"fmt"
	"time"
)

const (
	tailRate  = 500 // requests a second
	tailTotal = 100_000
	sickRate  = 20
)

// benchSlowTail asks for cold files only: each is a question to an upstream.
func benchSlowTail(ctx context.Context, l *lab) ([]row, error) {
	slow := faultySettings{Latency: curve{{0, 30}, {0.5, 60}, {0.95, 250}, {0.99, 1200}, {1, 2000}}}
	first, err := l.startFaulty(slow)
	if err != nil {
		return nil, err
	}
	defer first.stop()
	w, err := l.behind(first.url(), faultySettings{Run: 1, Latency: curve{{0, 40}, {0.5, 60}, {1, 90}}})
	if err != nil {
		return nil, err
	}
	defer w.close()
	direct := load500(ctx, first.url(), l.share(tailTotal/20))
	h, err := l.startHaven(ctx, w)
	if err != nil {
		return nil, err
	}
	defer h.close()
	total := l.share(tailTotal)
	before, err := first.tell("")
	if err != nil {
		return nil, err
	}
	all := load500(ctx, h.url(), total)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	seen, err := w.seen()
	if err != nil {
		return nil, err
	}
	after, err := first.tell("")
	if err != nil {
		return nil, err
	}
	return tailRows(all, direct, seen.Requests+after.Requests-before.Requests), nil
}

func load500(ctx context.Context, base string, n int) []answered {
	return openLoad{base: base, rate: tailRate, limit: time.Minute}.run(ctx, func(i int) bool { return i < n })
}

func tailRows(all, direct []answered, asked int) []row {
	ms := latencies(all)
	p99, failed := ms.quantile(0.99), failures(all)
	share := float64(failed) / float64(len(all))
	line := func(s sample) string {
		return fmt.Sprintf("p50 %.0f, p95 %.0f, p99.9 %.0f ms", s.quantile(0.5), s.quantile(0.95), s.quantile(0.999))
	}
	plain := latencies(direct)
	return []row{
		{figure: fmt.Sprintf("p99 of %d cold small files at %d a second, through Modhaven", len(all), tailRate), value: fmt.Sprintf("%.0f ms", p99),
			spread: line(ms), target: "≤ 380 ms", met: reached(p99 <= 380)},
		{figure: "… straight from the first upstream", value: fmt.Sprintf("%.0f ms", plain.quantile(0.99)), spread: line(plain)},
		{figure: "failed", value: fmt.Sprintf("%d of %d (%.3f %%)", failed, len(all), 100*share), target: "≤ 0.02 %", met: reached(share <= 0.0002)},
		{figure: "upstream requests ÷ client requests", value: fmt.Sprintf("%.3f", float64(asked)/float64(len(all)))},
	}
}

// benchSick has one upstream fall ill under a load that goes on, and get well again.
func benchSick(ctx context.Context, l *lab) ([]row, error) {
	w, err := l.alone(faultySettings{RTT: rttFar})
	if err != nil {
		return nil, err
	}
	defer w.close()
	h, err := l.startHaven(ctx, w)
	if err != nil {
		return nil, err
	}
	defer h.close()
	u := w.ups[0]
	before, during, after := 5*time.Second, l.sickTime(), 15*time.Second
	start := time.Now()
	var ill, well time.Time
	var seen faultyStats
	failed := make(chan error, 1)
	go func() {
		time.Sleep(before)
		_, err := u.tell("sick")
		ill = time.Now()
		if err == nil {
			time.Sleep(during)
			well = time.Now()
			seen, err = u.tell("well")
		}
		failed <- err
	}()
	load := openLoad{base: h.url(), rate: sickRate, limit: 2 * time.Minute}
	all := load.run(ctx, func(int) bool { return time.Since(start) < before+during+after })
	if err := <-failed; err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return sickRows(all, ill, well, seen.Sick), nil
}

func (l *lab) sickTime() time.Duration {
	if l.opt.quick || l.opt.scale < 1 {
		return 15 * time.Second
	}
	return time.Minute
}

func sickRows(all []answered, ill, well time.Time, asked int) []row {
	var meanwhile []answered
	for _, a := range all {
		if a.asked.After(ill) && a.asked.Before(well) {
			meanwhile = append(meanwhile, a)
		}
	}
	amplified := float64(asked) / float64(max(1, len(meanwhile)))
	back := recovery(all, well, time.Second)
	return []row{
		{figure: fmt.Sprintf("requests the sick upstream saw ÷ client requests, in %.0f s at %d a second", well.Sub(ill).Seconds(), sickRate),
			value: fmt.Sprintf("%.3f (%d ÷ %d)", amplified, asked, len(meanwhile)), target: "≤ 1.20", met: reached(len(meanwhile) > 0 && amplified <= 1.2)},
		{figure: "after its return, the last request that failed or took more than 1 s was asked after", value: fmt.Sprintf("%.2f s", back.Seconds()),
			target: "≤ 2 s", met: reached(back <= 2*time.Second)},
		{figure: "asked while it was sick, and answered well in the end", value: fmt.Sprintf("%d of %d", len(meanwhile)-failures(meanwhile), len(meanwhile))},
		{figure: "… waiting", value: fmt.Sprintf("p50 %.2f s, longest %.2f s", latencies(meanwhile).quantile(0.5)/1000, latencies(meanwhile).quantile(1)/1000)},
	}
}

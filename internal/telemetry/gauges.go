package telemetry

import (
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// register makes the metrics.
func (t *Telemetry) register() {
	t.requests, t.work, t.ups = newRequests(), newWork(), newUpstreams()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "modhaven_build_info",
		Help:        "1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": t.o.Version, "commit": t.o.Commit, "goversion": runtime.Version()},
	})
	build.Set(1)
	t.registry.MustRegister(
		t.requests.total, t.requests.seconds, t.requests.bytes,
		t.work.fetches, t.work.stale, t.work.storeErrors, t.work.files, t.work.bytes, t.work.checksums,
		t.ups.attempts, t.ups.retries, t.ups.resumes, t.ups.hedges, t.ups.changes, t.ups.bytes, t.ups.latency,
		build, newGauges(t), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
}

// gauges are what is true at the moment of a scrape. They are asked for then, and kept nowhere.
type gauges struct {
	t *Telemetry

	breaker, healthy, inFlight, waiting, limit, budget, paused *prometheus.Desc // of each upstream
	held, degraded                                             *prometheus.Desc
	fills, refreshes, requests                                 *prometheus.Desc
	files, bytes, age                                          *prometheus.Desc
	unverified, unnoted, own                                   *prometheus.Desc
	aheadFiles, aheadBytes, aheadFlight                        *prometheus.Desc
	leaks, leakHosts                                           *prometheus.Desc
}

func newGauges(t *Telemetry) *gauges {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("modhaven_"+name, help, labels, nil)
	}
	return &gauges{
		t:         t,
		breaker:   d("upstream_breaker_state", "0 closed (it is asked), 1 half-open (it is tried), 2 open (it is left alone).", "upstream", "class"),
		healthy:   d("upstream_healthy", "1 where the last check of an upstream passed, or there was none yet.", "upstream"),
		inFlight:  d("upstream_in_flight", "Requests to an upstream that are under way.", "upstream"),
		waiting:   d("upstream_waiting", "Requests that wait for their turn at an upstream.", "upstream"),
		limit:     d("upstream_limit", "Requests at once that an upstream is given, as adapted.", "upstream"),
		budget:    d("upstream_retry_budget", "Retries that are left for an upstream.", "upstream"),
		paused:    d("upstream_paused_seconds", "How long an upstream is still left alone because it asked for that.", "upstream"),
		held:      d("held_requests", "Questions that wait for an upstream to come back."),
		degraded:  d("degraded", "1 where some group of upstreams has none that works."),
		fills:     d("fills_in_flight", "Files on their way from upstreams."),
		refreshes: d("refreshes_in_flight", "Lists and queries on their way from upstreams."),
		requests:  d("waiting_requests", "Requests that wait for a file, list or query on its way."),
		files:     d("store_files", "Files stored, when they were counted last."),
		bytes:     d("store_bytes", "Bytes stored, when they were counted last."),
		age:       d("store_counted_age_seconds", "How long ago what is stored was counted."),

		unverified:  d("unverified_files", "Files that no checksum database proves, private ones among them, and that nobody found wrong."),
		unnoted:     d("history_dropped_total", "Answers that the history of who was served what lacks."),
		aheadFiles:  d("ahead_files_total", "Files fetched before anybody asked for them: all (fetched), those asked for since (asked), those that nobody asked for within ten minutes (unasked).", "what"),
		aheadBytes:  d("ahead_bytes_total", "Their bytes.", "what"),
		aheadFlight: d("ahead_in_flight", "Files on their way that nobody had asked for when they were begun."),
		leaks:       d("internal_names_total", "Questions for modules on hosts that look internal and that no rule covers, sent to public servers or refused."),
		leakHosts:   d("internal_hosts", "Hosts of such modules since the start, 100 at most."),
		own:         d("own_sumdb_records", "Records of the checksum database of one's own.", "name"),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		g.breaker, g.healthy, g.inFlight, g.waiting, g.limit, g.budget, g.paused,
		g.held, g.degraded, g.fills, g.refreshes, g.requests, g.files, g.bytes, g.age, g.unverified, g.unnoted, g.own,
		g.aheadFiles, g.aheadBytes, g.aheadFlight,
		g.leaks, g.leakHosts,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	status := g.t.upstreams()
	seen := make(map[string]bool)
	for _, u := range status.Upstreams {
		name := g.t.ups.name(u.Name)
		if seen[name] {
			continue // a metric that comes twice makes a scrape fail
		}
		seen[name] = true
		g.upstream(set, name, u)
	}
	set(g.held, float64(status.Held))
	set(g.degraded, number(status.Degraded))
	load := g.t.load()
	set(g.fills, float64(load.Fills))
	set(g.refreshes, float64(load.Refreshes))
	set(g.requests, float64(load.Waiting))
	g.ahead(ch, load.Ahead)
	set(g.aheadFlight, float64(load.Ahead.Running))
	trust := g.t.trust()
	set(g.unverified, float64(trust.Unverified))
	ch <- prometheus.MustNewConstMetric(g.unnoted, prometheus.CounterValue, float64(trust.Unnoted))
	hosts, questions := g.t.leaks()
	ch <- prometheus.MustNewConstMetric(g.leaks, prometheus.CounterValue, float64(questions))
	set(g.leakHosts, float64(len(hosts)))
	if trust.Own != nil {
		set(g.own, float64(trust.Own.Records), trust.Own.Name)
	}
	if size := g.t.size.Load(); size != nil {
		set(g.files, float64(size.Files))
		set(g.bytes, float64(size.Bytes))
		set(g.age, time.Since(size.Counted).Seconds())
	}
}

// ahead says of what use it was to fetch files ahead.
func (g *gauges) ahead(ch chan<- prometheus.Metric, a proxy.AheadStats) {
	count := func(d *prometheus.Desc, n int64, what string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), what)
	}
	count(g.aheadFiles, a.Files, "fetched")
	count(g.aheadFiles, a.AskedFiles, "asked")
	count(g.aheadFiles, a.UnaskedFiles, "unasked")
	count(g.aheadBytes, a.Bytes, "fetched")
	count(g.aheadBytes, a.AskedBytes, "asked")
	count(g.aheadBytes, a.UnaskedBytes, "unasked")
}

func (g *gauges) upstream(set func(*prometheus.Desc, float64, ...string), name string, u upstream.UpstreamStatus) {
	for _, class := range classes {
		if c, ok := u.Classes[class]; ok {
			set(g.breaker, float64(max(slices.Index(states, c.State), 0)), name, string(class))
		}
	}
	set(g.healthy, number(u.Healthy), name)
	set(g.inFlight, float64(u.InFlight), name)
	set(g.waiting, float64(u.Waiting), name)
	set(g.limit, float64(u.Limit), name)
	set(g.budget, u.Retries, name)
	set(g.paused, max(time.Until(u.Paused), 0).Seconds(), name)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

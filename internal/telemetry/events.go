package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/modhaven/modhaven/internal/proxy"
)

// work are the metrics of what the proxy does.
type work struct {
	fetches     *prometheus.CounterVec
	stale       prometheus.Counter
	storeErrors prometheus.Counter
	files       prometheus.Counter
	bytes       prometheus.Counter
	checksums   *prometheus.CounterVec
}

func newWork() work {
	count := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return work{
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "modhaven_fetches_total",
			Help: "What was fetched from upstreams for all who asked: files, answers (lists and queries), and neither (failed).",
		}, []string{"what"}),
		stale:       count("modhaven_stale_answers_total", "Lists and queries answered as they were known before."),
		storeErrors: count("modhaven_store_errors_total", "Times the store did not take or give something. No build failed of it."),
		files:       count("modhaven_store_written_files_total", "Files, lists and queries written to the store."),
		bytes:       count("modhaven_store_written_bytes_total", "Bytes written to the store."),
		checksums: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "modhaven_checksum_events_total",
			Help: "Files whose hash was not the one it must be (mismatch), that went out unverified since no checksum database could be asked (unverified), and what came of these later (verified, wrong).",
		}, []string{"event"}),
	}
}

// Record implements proxy.Recorder.
func (t *Telemetry) Record(e proxy.Event) {
	w := &t.work
	switch e.What {
	case proxy.Fetched:
		w.fetches.WithLabelValues("file").Inc()
	case proxy.Refreshed:
		w.fetches.WithLabelValues("answer").Inc()
	case proxy.Failed:
		w.fetches.WithLabelValues("failed").Inc()
	case proxy.ServedStale:
		w.stale.Inc()
	case proxy.StoreFailed:
		w.storeErrors.Inc()
	case proxy.Stored:
		w.files.Inc()
		w.bytes.Add(float64(max(e.Size, 0)))
	case proxy.Mismatch:
		w.checksums.WithLabelValues("mismatch").Inc()
	case proxy.Unproven:
		w.checksums.WithLabelValues("unverified").Inc()
	case proxy.Proven:
		w.checksums.WithLabelValues("verified").Inc()
	case proxy.Condemned:
		w.checksums.WithLabelValues("wrong").Inc()
	}
}

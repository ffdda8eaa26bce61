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
	}
}

package telemetry

import (
	"context"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/modhaven/modhaven/internal/upstream"
)

const (
	// failuresKept is the memory, in bytes, for what attempts failed of, until the next of the same question.
	failuresKept = 256 << 10
	// namesKept is how many upstreams are told apart. A configuration has a handful; this is against a mistake.
	namesKept = 64
)

// What labels can say, beside "other" for what came later than this.
var (
	causes   = []string{"first", "next", "retry", "hedge", "resume", "segment", "check"}
	failures = []string{"", "refused", "dns", "tls", "timeout", "reset", "eof", "html", "wrong", "throttled",
		"status", "absent", "forbidden", "canceled", "lost", "network"}
	classes = []upstream.Class{upstream.Small, upstream.Zip, upstream.Sum}
	states  = []string{"closed", "half-open", "open"} // as numbers: 0, 1, 2
)

// upstreams are the metrics of what upstreams are asked.
type upstreams struct {
	attempts *prometheus.CounterVec
	retries  *prometheus.CounterVec
	resumes  *prometheus.CounterVec
	hedges   *prometheus.CounterVec
	changes  *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	latency  *prometheus.HistogramVec

	mu    sync.Mutex // guards names
	names []string
}

func newUpstreams() upstreams {
	count := func(name, help string, more ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"upstream", "class"}, more...))
	}
	return upstreams{
		attempts: count("modhaven_upstream_attempts_total", `Requests to upstreams that are over, by why they were made and what they failed of; "none" for nothing.`, "cause", "failure"),
		retries:  count("modhaven_upstream_retries_total", "Repeated requests to upstreams, by what the attempt before failed of.", "reason"),
		resumes:  count("modhaven_resumes_total", "Downloads that were taken up where they had broken off."),
		hedges:   count("modhaven_hedges_total", "Requests made beside one that was slow."),
		changes:  count("modhaven_upstream_breaker_changes_total", "Times a breaker opened or closed.", "state"),
		bytes:    count("modhaven_upstream_bytes_total", "Bytes of bodies from upstreams, of failed attempts too."),
		latency:  histogram("modhaven_upstream_latency_seconds", "Time to the first byte of an upstream's answer.", "upstream", "class"),
	}
}

// Attempted implements upstream.Observer.
func (t *Telemetry) Attempted(ctx context.Context, a upstream.Attempt) {
	u := &t.ups
	name, class, failure := u.name(a.Upstream), classLabel(a.Class), failureLabel(a.Failure)
	u.attempts.WithLabelValues(name, class, oneOf(causes, a.Cause), failure).Inc()
	u.bytes.WithLabelValues(name, class).Add(float64(max(a.Bytes, 0)))
	if a.First > 0 {
		observe(u.latency.WithLabelValues(name, class).(prometheus.ExemplarObserver), a.First, spanOf(ctx))
	}
	question := a.Upstream + " " + a.Name
	switch a.Cause {
	case "retry":
		before, ok := t.failed.Get(question)
		if !ok {
			before = "other"
		}
		u.retries.WithLabelValues(name, class, before).Inc()
	case "resume":
		u.resumes.WithLabelValues(name, class).Inc()
	case "hedge":
		u.hedges.WithLabelValues(name, class).Inc()
	}
	if a.Failed() {
		t.failed.Put(question, failure)
	} else {
		t.failed.Remove(question)
	}
}

// Changed implements upstream.Observer.
func (t *Telemetry) Changed(upstream string, c upstream.Class, state, why string) {
	t.ups.changes.WithLabelValues(t.ups.name(upstream), classLabel(c), oneOf(states, state)).Inc()
}

// Asking implements upstream.Observer.
func (t *Telemetry) Asking(string, string) {}

// name returns the label of an upstream.
func (u *upstreams) name(name string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case slices.Contains(u.names, name):
	case len(u.names) == namesKept:
		return "other"
	default:
		u.names = append(u.names, name)
	}
	return name
}

func classLabel(c upstream.Class) string {
	if slices.Contains(classes, c) {
		return string(c)
	}
	return "other"
}

func failureLabel(failure string) string {
	if failure == "" {
		return "none"
	}
	return oneOf(failures, failure)
}

func oneOf(known []string, s string) string {
	if slices.Contains(known, s) {
		return s
	}
	return "other"
}

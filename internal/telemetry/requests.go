package telemetry

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/modhaven/modhaven/internal/server"
)

// statuses are those that a server of modules answers with. Any other is counted as "other".
var statuses = [...]int{200, 206, 304, 400, 401, 403, 404, 405, 410, 412, 416, 429, 499, 500, 502, 503}

// requests are the metrics of what clients ask. A hit of a small file takes a microsecond, so that what is counted of
// it is found by three small numbers, without a lock or a map.
type requests struct {
	total    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	counters [server.Endpoints][len(statuses) + 1][server.Caches]atomic.Pointer[counter]
}

// A counter counts the requests that agree in endpoint, status and cache.
type counter struct {
	total   prometheus.Counter
	seconds prometheus.ExemplarObserver
	bytes   prometheus.Counter
}

func newRequests() requests {
	return requests{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "modhaven_requests_total",
			Help: "Requests answered, by endpoint, HTTP status and whether the answer was known.",
		}, []string{"endpoint", "status", "cache"}),
		seconds: histogram("modhaven_request_duration_seconds", "How long requests took, to the last byte of the answer.", "endpoint", "cache"),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "modhaven_response_bytes_total",
			Help: "Bytes of the bodies of answers.",
		}, []string{"endpoint", "cache"}),
	}
}

// histogram returns one that is native for those who read these, with classic buckets for the others.
func histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:                            name,
		Help:                            help,
		Buckets:                         []float64{.0001, .0005, .001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}, labels)
}

// Observe hears of a request that was answered.
func (t *Telemetry) Observe(a server.Access) {
	c := t.requests.of(a.Endpoint, a.Status, a.Cache)
	c.total.Inc()
	c.bytes.Add(float64(a.Bytes))
	observe(c.seconds, a.Took, a.Span)
	if t.o.Access {
		t.logAccess(&a)
	}
}

// observe puts a time into a histogram, with the trace to look at where there is one.
func observe(h prometheus.ExemplarObserver, d time.Duration, span trace.SpanContext) {
	if span.IsSampled() {
		h.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": span.TraceID().String(), "span_id": span.SpanID().String()})
		return
	}
	h.(prometheus.Observer).Observe(d.Seconds())
}

// of returns what counts a request, and begins to count where nothing has.
func (r *requests) of(e server.Endpoint, status int, c server.Cache) *counter {
	i := slices.Index(statuses[:], status) // most often the first
	if i < 0 {
		i = len(statuses)
	}
	p := &r.counters[e][i][c]
	if k := p.Load(); k != nil {
		return k
	}
	p.Store(r.counter(e, i, c)) // two at once store the same children
	return p.Load()
}

func (r *requests) counter(e server.Endpoint, i int, c server.Cache) *counter {
	status := "other"
	if i < len(statuses) {
		status = strconv.Itoa(statuses[i])
	}
	return &counter{
		total:   r.total.WithLabelValues(e.String(), status, c.String()),
		seconds: r.seconds.WithLabelValues(e.String(), c.String()).(prometheus.ExemplarObserver),
		bytes:   r.bytes.WithLabelValues(e.String(), c.String()),
	}
}

// spanOf returns the span that a context belongs to.
func spanOf(ctx context.Context) trace.SpanContext { return trace.SpanContextFromContext(ctx) }

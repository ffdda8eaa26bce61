// Package telemetry says what a Modhaven does: metrics for Prometheus, and, where there is somebody to send them to,
// traces, metrics and log records over OTLP; an access log; and a status for people.
//
// It hears and counts. It does not decide, fails no request and keeps none waiting. No name of a module is a label of
// a metric: there are as many series as there are endpoints and upstreams, however many modules.
package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/modhaven/modhaven/internal/lru"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// Options are what a Telemetry is made of.
type Options struct {
	Version string
	Commit  string
	Log     *slog.Logger // what is logged comes here, and over OTLP too; nil for nothing
	// Access says whether each request is logged.
	Access bool
	// Endpoint is the URL that OTLP is sent to by HTTP, without /v1/traces; "" sends nothing. What it does not
	// say, such as headers, comes from the variables OTEL_EXPORTER_OTLP_….
	Endpoint string
	// Sample is the share, from 0 to 1, of requests that are traced. Who sends a traceparent has decided already.
	Sample float64
}

// Sources are asked for what is known of the moment, when somebody wants to know. Each may be nil.
type Sources struct {
	Upstreams func() upstream.Status
	Load      func() proxy.Load
	// Size counts what is stored. It may take long: it runs beside everything, now and then.
	Size  func(context.Context) (Size, error)
	Trust func() Trust
	// Leaks returns the hosts that look internal and that no rule covers, and how many questions there were for them.
	Leaks func() ([]upstream.Leak, int64)
}

// Telemetry hears of requests (Observe), of what the proxy does (Record) and of upstreams (Attempted, Changed). All
// methods may be called at once by many.
type Telemetry struct {
	o        Options
	started  time.Time
	log      *slog.Logger
	registry *prometheus.Registry
	requests requests
	work     work
	ups      upstreams
	otlp     *otlp // nil where nothing is sent

	sources atomic.Pointer[Sources]
	size    atomic.Pointer[Size]
	failed  *lru.Cache[string] // the last failure, by upstream and question

	ctx    context.Context // of the counting of what is stored
	cancel context.CancelFunc
	runs   sync.WaitGroup
}

var (
	_ proxy.Recorder    = (*Telemetry)(nil)
	_ upstream.Observer = (*Telemetry)(nil)
)

// New returns a Telemetry. Shut it down.
func New(o Options) (*Telemetry, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := &Telemetry{
		o:        o,
		started:  time.Now(),
		log:      o.Log,
		registry: prometheus.NewRegistry(),
		failed:   lru.New(failuresKept, func(s string) int64 { return int64(len(s)) + 100 }),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.register()
	if o.Endpoint == "" {
		return t, nil
	}
	var err error
	if t.otlp, err = newOTLP(o, t.registry); err != nil {
		t.cancel()
		return nil, err
	}
	t.log = slog.New(&tee{next: o.Log.Handler(), to: t.otlp.logger()})
	return t, nil
}

// Log returns the logger to use: Options.Log, and over OTLP where that is on.
func (t *Telemetry) Log() *slog.Logger { return t.log }

// Metrics answers /metrics.
func (t *Telemetry) Metrics() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		ErrorHandling:     promhttp.ContinueOnError, // some metrics are better than none
		EnableOpenMetrics: true,                     // or there are no exemplars
	})
}

// Watch says where to ask for what is known of the moment, once that is there.
func (t *Telemetry) Watch(s Sources) {
	t.sources.Store(&s)
	if s.Size != nil {
		t.runs.Go(func() { t.measure(s.Size) })
	}
}

func (t *Telemetry) upstreams() upstream.Status {
	if s := t.sources.Load(); s != nil && s.Upstreams != nil {
		return s.Upstreams()
	}
	return upstream.Status{}
}

func (t *Telemetry) load() proxy.Load {
	if s := t.sources.Load(); s != nil && s.Load != nil {
		return s.Load()
	}
	return proxy.Load{}
}

func (t *Telemetry) trust() Trust {
	if s := t.sources.Load(); s != nil && s.Trust != nil {
		return s.Trust()
	}
	return Trust{}
}

func (t *Telemetry) leaks() ([]upstream.Leak, int64) {
	if s := t.sources.Load(); s != nil && s.Leaks != nil {
		return s.Leaks()
	}
	return nil, 0
}

// Shutdown sends what there is to be sent, and ends. Whatever ctx leaves no time for is lost.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	t.cancel()
	t.runs.Wait()
	if t.otlp == nil {
		return nil
	}
	return t.otlp.shutdown(ctx)
}

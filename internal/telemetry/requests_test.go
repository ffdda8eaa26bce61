package telemetry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/trace"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/upstream"
)

func newTelemetry(t testing.TB, o Options) *Telemetry {
	t.Helper()
	tel, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(t.Context()) }) // the receiver may be gone
	return tel
}

// scrape returns what /metrics says in the text format, by name.
func scrape(t testing.TB, tel *Telemetry) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	server.New(server.Options{Metrics: tel.Metrics()}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics: %d %s", w.Code, w.Body)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	all, err := p.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// metric returns the one metric with these labels (NAME=VALUE).
func metric(t testing.TB, all map[string]*dto.MetricFamily, name string, labels ...string) *dto.Metric {
	t.Helper()
	for _, m := range all[name].GetMetric() {
		has := make(map[string]bool)
		for _, l := range m.GetLabel() {
			has[l.GetName()+"="+l.GetValue()] = true
		}
		ok := len(has) == len(labels)
		for _, l := range labels {
			ok = ok && has[l]
		}
		if ok {
			return m
		}
	}
	t.Errorf("there is no %s%v", name, labels)
	return &dto.Metric{}
}

func hit() server.Access {
	return server.Access{Method: "GET", Path: "example.com/m/@v/v1.0.0.info", Endpoint: server.EndpointInfo,
		Status: 200, Bytes: 80, Cache: server.CacheHit, Stored: true, Took: 120 * time.Microsecond, Client: "127.0.0.1:1234"}
}

func TestRequestMetrics(t *testing.T) {
	tel := newTelemetry(t, Options{Version: "v1.2.3", Commit: "abc"})
	tel.Observe(hit())
	tel.Observe(hit())
	miss := hit()
	miss.Endpoint, miss.Cache, miss.Bytes, miss.Took = server.EndpointZip, server.CacheMiss, 1<<20, 2*time.Second
	tel.Observe(miss)
	odd := server.Access{Status: 418}
	tel.Observe(odd)
	all := scrape(t, tel)
	if got := metric(t, all, "modhaven_requests_total", "endpoint=info", "status=200", "cache=hit").GetCounter().GetValue(); got != 2 {
		t.Errorf("%v hits, want 2", got)
	}
	if got := metric(t, all, "modhaven_requests_total", "endpoint=other", "status=other", "cache=none").GetCounter().GetValue(); got != 1 {
		t.Errorf("%v odd ones, want 1", got)
	}
	if got := metric(t, all, "modhaven_response_bytes_total", "endpoint=zip", "cache=miss").GetCounter().GetValue(); got != 1<<20 {
		t.Errorf("%v bytes", got)
	}
	h := metric(t, all, "modhaven_request_duration_seconds", "endpoint=info", "cache=hit").GetHistogram()
	if h.GetSampleCount() != 2 || len(h.GetBucket()) < 10 {
		t.Errorf("the histogram is %v", h)
	}
	build := all["modhaven_build_info"].GetMetric()
	if len(build) != 1 || !strings.Contains(build[0].String(), "v1.2.3") || all["go_goroutines"] == nil {
		t.Errorf("build %v", build)
	}
	got := tel.Status().Requests
	want := Requests{Total: 3, Hits: 2, Misses: 1, Bytes: 160 + 1<<20, HitRatio: 2.0 / 3}
	if got != want {
		t.Errorf("the status says %+v, want %+v", got, want)
	}
}

// TestHistograms: they are native for who reads these.
func TestHistograms(t *testing.T) {
	tel := newTelemetry(t, Options{})
	tel.Observe(hit())
	tel.Attempted(t.Context(), upstream.Attempt{Upstream: "https://up.test", Class: upstream.Zip, Cause: "first", First: time.Second})
	families, err := tel.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		if f.GetType() == dto.MetricType_HISTOGRAM && strings.HasPrefix(f.GetName(), "modhaven_") {
			n++
			if h := f.GetMetric()[0].GetHistogram(); len(h.GetPositiveSpan()) == 0 || len(h.GetBucket()) == 0 {
				t.Errorf("%s: %v", f.GetName(), h)
			}
		}
	}
	if n != 2 {
		t.Errorf("%d histograms, want 2", n)
	}
}

// TestExemplars: a slow request leads to its trace.
func TestExemplars(t *testing.T) {
	tel := newTelemetry(t, Options{})
	a := hit()
	a.Span = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4}, TraceFlags: trace.FlagsSampled})
	tel.Observe(a)
	ctx := trace.ContextWithSpanContext(t.Context(), a.Span)
	tel.Attempted(ctx, upstream.Attempt{Upstream: "https://up.test", Class: upstream.Zip, Cause: "first", First: time.Second})
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text")
	w := httptest.NewRecorder()
	tel.Metrics().ServeHTTP(w, r)
	for _, name := range []string{"modhaven_request_duration_seconds_bucket", "modhaven_upstream_latency_seconds_bucket"} {
		found := false
		for line := range strings.Lines(w.Body.String()) {
			found = found || strings.HasPrefix(line, name) && strings.Contains(line, `trace_id="`+a.Span.TraceID().String()+`"`)
		}
		if !found {
			t.Errorf("%s has no exemplar", name)
		}
	}
}

// TestNoNames: whatever is asked of whom, no label says so.
func TestNoNames(t *testing.T) {
	const name = "secret.example/module"
	tel := newTelemetry(t, Options{})
	tel.Watch(Sources{Upstreams: func() upstream.Status {
		return upstream.Status{LastError: name, Upstreams: []upstream.UpstreamStatus{{Name: "https://up.test",
			Classes: map[upstream.Class]upstream.ClassStatus{upstream.Zip: {State: name, LastError: name}, name: {}}}}}
	}})
	for _, cause := range []string{"first", "next", "retry", "hedge", "resume", "segment", "check", name} {
		for _, failure := range []string{"", "reset", "absent", name} {
			for _, class := range []upstream.Class{upstream.Small, upstream.Zip, upstream.Sum, name} {
				tel.Attempted(t.Context(), upstream.Attempt{Upstream: "https://up.test", Class: class, Name: name + "/@v/v1.0.0.zip",
					Cause: cause, Failure: failure, First: 1, Took: 2, Bytes: 3})
			}
		}
	}
	tel.Changed("https://up.test", upstream.Zip, "open", name)
	tel.Changed("https://up.test", name, name, name)
	for what := proxy.Fetched; what <= proxy.Stored; what++ {
		tel.Record(proxy.Event{What: what, Path: name, Name: name, From: name, Err: errors.New(name), Size: 1})
	}
	for e := range server.Endpoints {
		a := hit()
		a.Endpoint, a.Path, a.Err, a.Agent, a.Client = e, name, errors.New(name), name, name
		a.Request.Path = name
		tel.Observe(a)
	}
	families, err := tel.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.Contains(f.String(), name) {
			t.Errorf("%s has the name of a module: %v", f.GetName(), f)
		}
	}
}

// TestManyUpstreams: a mistake elsewhere makes no more series than this.
func TestManyUpstreams(t *testing.T) {
	tel := newTelemetry(t, Options{})
	for i := range 10 * namesKept {
		tel.Attempted(t.Context(), upstream.Attempt{Upstream: strings.Repeat("x", i+1), Class: upstream.Zip, Cause: "first"})
	}
	if n := len(scrape(t, tel)["modhaven_upstream_attempts_total"].GetMetric()); n != namesKept+1 {
		t.Errorf("%d series, want %d", n, namesKept+1)
	}
}

// TestHitCost: counting a hit allocates nothing.
func TestHitCost(t *testing.T) {
	tel := newTelemetry(t, Options{})
	a := hit()
	tel.Observe(a)
	if n := testing.AllocsPerRun(1000, func() { tel.Observe(a) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	tel := newTelemetry(b, Options{})
	a := hit()
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tel.Observe(a)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				tel.Observe(a)
			}
		})
	})
	b.Run("scrape", func(b *testing.B) {
		for b.Loop() {
			tel.Metrics().ServeHTTP(discard{http.Header{}}, httptest.NewRequest("GET", "/metrics", nil))
		}
	})
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return io.Discard.Write(b) }
func (d discard) WriteHeader(int)             {}

// TestLint: names, units and help are as Prometheus wants them.
func TestLint(t *testing.T) {
	tel := newTelemetry(t, Options{})
	tel.Observe(hit())
	tel.Watch(Sources{Upstreams: someStatus})
	for _, cause := range causes {
		tel.Attempted(t.Context(), upstream.Attempt{Upstream: up, Class: upstream.Zip, Cause: cause, First: 1})
	}
	tel.Changed(up, upstream.Zip, "open", "")
	tel.Record(proxy.Event{What: proxy.Fetched})
	families, err := tel.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "modhaven_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// known is a Source that has one answer for all.
type known struct{ goproxy.Source }

func (known) Open(context.Context, goproxy.File) (*goproxy.Content, error) {
	return &goproxy.Content{Meta: goproxy.Meta{ETag: "x", Size: 2}, Body: goproxy.NewBytes([]byte("{}"))}, nil
}

// TestHandlerCost: a hit that is counted allocates no more than one that is not.
func TestHandlerCost(t *testing.T) {
	allocations := func(observe func(server.Access)) float64 {
		h := server.New(server.Options{Source: known{}, Observe: observe})
		r := httptest.NewRequest("GET", "/example.com/m/@v/v1.0.0.info", nil)
		return testing.AllocsPerRun(1000, func() { h.ServeHTTP(discard{http.Header{}}, r) })
	}
	tel := newTelemetry(t, Options{})
	if with, without := allocations(tel.Observe), allocations(nil); with != without {
		t.Errorf("%v allocations where it is counted, %v where not", with, without)
	}
	if n := tel.Status().Requests.Hits; n == 0 {
		t.Error("no hit was counted")
	}
}

func BenchmarkHandler(b *testing.B) {
	tel := newTelemetry(b, Options{})
	for name, observe := range map[string]func(server.Access){"counted": tel.Observe, "alone": nil} {
		b.Run(name, func(b *testing.B) {
			h := server.New(server.Options{Source: known{}, Observe: observe})
			r := httptest.NewRequest("GET", "/example.com/m/@v/v1.0.0.info", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}

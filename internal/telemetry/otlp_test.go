package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logpb "go.opentelemetry.io/proto/otlp/logs/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/store"
)

// A receiver is what OTLP is sent to.
type receiver struct {
	URL string

	mu      sync.Mutex // guards all below
	spans   []*spanpb.Span
	logs    []*logpb.LogRecord
	metrics map[string]bool
	service bool // its resource names the program
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{metrics: make(map[string]bool)}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/traces", r.takeTraces)
	mux.HandleFunc("/v1/metrics", r.takeMetrics)
	mux.HandleFunc("/v1/logs", r.takeLogs)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	r.URL = srv.URL
	return r
}

func take(w http.ResponseWriter, r *http.Request, m proto.Message) {
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = proto.Unmarshal(b, m)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (r *receiver) takeTraces(w http.ResponseWriter, req *http.Request) {
	var m tracepb.ExportTraceServiceRequest
	take(w, req, &m)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range m.ResourceSpans {
		r.service = r.service || strings.Contains(rs.Resource.String(), "modhaven")
		for _, ss := range rs.ScopeSpans {
			r.spans = append(r.spans, ss.Spans...)
		}
	}
}

func (r *receiver) takeMetrics(w http.ResponseWriter, req *http.Request) {
	var m metricspb.ExportMetricsServiceRequest
	take(w, req, &m)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range m.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, one := range sm.Metrics {
				r.metrics[one.Name] = true
			}
		}
	}
}

func (r *receiver) takeLogs(w http.ResponseWriter, req *http.Request) {
	var m logspb.ExportLogsServiceRequest
	take(w, req, &m)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rl := range m.ResourceLogs {
		for _, sl := range rl.ScopeLogs {
			r.logs = append(r.logs, sl.LogRecords...)
		}
	}
}

// span returns the only one of a name.
func (r *receiver) span(t *testing.T, name string) *spanpb.Span {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*spanpb.Span
	for _, s := range r.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans %q among %v", len(found), name, r.spans)
	}
	return found[0]
}

// tracedFetcher is an upstream that begins a span for each attempt, and gives each file when it is told to.
type tracedFetcher struct {
	tracer trace.Tracer
	asked  chan struct{}
	give   chan struct{}
}

func (f *tracedFetcher) List(ctx context.Context, _ string) (*goproxy.Content, error) {
	_, span := f.tracer.Start(ctx, "attempt")
	defer span.End()
	return &goproxy.Content{Body: goproxy.NewBytes([]byte("v1.0.0\n"))}, nil
}

func (f *tracedFetcher) Query(context.Context, string, string) (*goproxy.Content, error) {
	return nil, goproxy.Absent("not found")
}

func (f *tracedFetcher) Stat(context.Context, goproxy.File) (goproxy.Meta, error) {
	return goproxy.Meta{}, goproxy.Absent("not found")
}

func (f *tracedFetcher) Fetch(ctx context.Context, file goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	ctx, span := f.tracer.Start(ctx, "attempt")
	defer span.End()
	close(f.asked)
	<-f.give
	if _, err := dst.WriteAt(fmt.Appendf(nil, `{"Version":%q,"Time":"2023-11-04T15:00:33Z"}`, file.Version.Version), 0); err != nil {
		return goproxy.Meta{}, err
	}
	return goproxy.Meta{From: "https://up.test"}, dst.Check(ctx, "https://up.test")
}

// TestOneTrace: a miss is one trace, from the client's own span to the attempt; who joins is linked; its log records
// say where they belong.
func TestOneTrace(t *testing.T) {
	r := newReceiver(t)
	var local bytes.Buffer
	tel := newTelemetry(t, Options{Endpoint: r.URL + "/", Sample: 0, Access: true, Log: slog.New(slog.NewTextHandler(&local, nil))})
	f := &tracedFetcher{tel.Tracer(), make(chan struct{}), make(chan struct{})}
	s := proxy.New(proxy.Options{Store: &store.Mem{}, Fetcher: f, Spool: t.TempDir(), Tracer: tel.Tracer(), Recorder: tel, Log: tel.Log().With("part", "proxy")})
	defer s.Close()
	srv := httptest.NewServer(server.New(server.Options{Source: s, Fresh: time.Minute, Observe: tel.Observe, Tracer: tel.Tracer()}))
	defer srv.Close()
	ask := func(path, parent string) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+path, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if parent != "" {
			req.Header.Set("traceparent", parent)
		}
		resp, err := srv.Client().Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %v %v", path, resp, err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	const first, second = "0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319c"
	var wg sync.WaitGroup
	wg.Go(func() { ask("/example.com/m/@v/v1.0.0.info", "00-"+first+"-b7ad6b7169203331-01") })
	<-f.asked
	wg.Go(func() { ask("/example.com/m/@v/v1.0.0.info", "00-"+second+"-b7ad6b7169203331-01") })
	for s.Load().Waiting != 2 {
		runtime.Gosched()
	}
	close(f.give)
	wg.Wait()
	ask("/example.com/m/@v/list", "") // nobody traces it
	ask("/healthz", "00-"+second+"-b7ad6b7169203331-01")
	s.Close()
	srv.Close()
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	all := r.spans
	r.mu.Unlock()
	if len(all) != 4 {
		t.Fatalf("%d spans: %v", len(all), all)
	}
	var requests []*spanpb.Span
	for _, s := range all {
		if s.Name == "GET info" {
			requests = append(requests, s)
		}
	}
	slices.SortFunc(requests, func(a, b *spanpb.Span) int { return bytes.Compare(a.TraceId, b.TraceId) })
	fill, attempt := r.span(t, "fill"), r.span(t, "attempt")
	for i, want := range []string{first, second} {
		if fmt.Sprintf("%x", requests[i].TraceId) != want || fmt.Sprintf("%x", requests[i].ParentSpanId) != "b7ad6b7169203331" {
			t.Errorf("request %d is %v", i, requests[i])
		}
	}
	if !bytes.Equal(fill.ParentSpanId, requests[0].SpanId) || !bytes.Equal(attempt.ParentSpanId, fill.SpanId) || !bytes.Equal(attempt.TraceId, requests[0].TraceId) {
		t.Errorf("not one below the other: %v\n%v\n%v", requests[0], fill, attempt)
	}
	if len(fill.Links) != 1 || !bytes.Equal(fill.Links[0].SpanId, requests[1].SpanId) || len(requests[1].Links) != 1 || !bytes.Equal(requests[1].Links[0].SpanId, fill.SpanId) {
		t.Errorf("links %v and %v", fill.Links, requests[1].Links)
	}
	if text := fmt.Sprint(requests[0].Attributes); !strings.Contains(text, "/example.com/m/@v/v1.0.0.info") || !strings.Contains(text, "miss") {
		t.Errorf("attributes %s", text)
	}
	r.check(t, first)
	for _, msg := range []string{"msg=answered", "msg=fetched"} {
		if !slices.ContainsFunc(strings.Split(local.String(), "\n"), func(line string) bool {
			return strings.Contains(line, msg) && strings.HasSuffix(line, " trace="+first)
		}) {
			t.Errorf("no %s of the trace in\n%s", msg, &local)
		}
	}
}

// check looks at the metrics and the log records that came.
func (r *receiver) check(t *testing.T, traceID string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range []string{"modhaven_requests_total", "modhaven_request_duration_seconds", "modhaven_fetches_total", "go_goroutines"} {
		if !r.metrics[name] {
			t.Errorf("the metric %s did not come; these did: %v", name, slices.Sorted(maps.Keys(r.metrics)))
		}
	}
	if !r.service {
		t.Error("the resource does not say which program it is")
	}
	found := make(map[string]string)
	for _, l := range r.logs {
		if fmt.Sprintf("%x", l.TraceId) == traceID && len(l.SpanId) == 8 {
			found[l.Body.GetStringValue()] = fmt.Sprint(l.SeverityText, l.Attributes)
		}
	}
	if !strings.Contains(found["answered"], "v1.0.0.info") || !strings.Contains(found["fetched"], "up.test") || !strings.Contains(found["fetched"], "proxy") {
		t.Errorf("the records of the trace are %v", found)
	}
}

// TestNoReceiver: nothing fails of it, nothing waits for it longer than it may, and it is said once.
func TestNoReceiver(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }))
	defer srv.Close()
	var local bytes.Buffer
	tel := newTelemetry(t, Options{Endpoint: srv.URL, Sample: 1, Access: true, Log: slog.New(slog.NewTextHandler(&local, nil))})
	h := server.New(server.Options{Observe: tel.Observe, Tracer: tel.Tracer()})
	for range 3 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 200 {
			t.Errorf("status %d", w.Code)
		}
		_ = tel.otlp.traces.ForceFlush(t.Context())
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(local.String(), "the OTLP receiver does not take"); n != 1 {
		t.Errorf("said %d times:\n%s", n, &local)
	}
}

func TestTroubleAgain(t *testing.T) {
	var local bytes.Buffer
	tr := &trouble{log: slog.New(slog.NewTextHandler(&local, nil))}
	for range 3 {
		if err := tr.of("traces", errors.New("refused")); err != nil {
			t.Error(err)
		}
	}
	tr.last = tr.last.Add(-2 * troubleEvery)
	_ = tr.of("traces", errors.New("refused"))
	if got := local.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "since=2") {
		t.Errorf("logged:\n%s", got)
	}
}

func TestEndpoints(t *testing.T) {
	for _, endpoint := range []string{"127.0.0.1:4318", "ftp://x", "http://", "http://user:secret@x", "http://x?y", "http://x#y", "://"} {
		tel, err := New(Options{Endpoint: endpoint})
		if err == nil {
			_ = tel.Shutdown(t.Context())
			t.Errorf("%q is taken", endpoint)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error says it: %v", endpoint, err)
		}
	}
	if tel := newTelemetry(t, Options{}); tel.Tracer() != nil {
		t.Error("traced though nobody receives it")
	}
}

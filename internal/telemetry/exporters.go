package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// troubleEvery is how often trouble of the exporters is logged.
const troubleEvery = time.Minute

// trouble takes the errors of exporters, which would else go to the SDK's handler for the whole process. Its log is
// not one that is sent over OTLP.
type trouble struct {
	log *slog.Logger

	mu   sync.Mutex // guards all below
	last time.Time
	more int // errors since
}

// of logs an error where none was logged for a while, and returns nil. An exporter that is told to end is in no trouble.
func (t *trouble) of(what string, err error) error {
	if err == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.last.IsZero() && time.Since(t.last) < troubleEvery {
		t.more++
		return nil
	}
	t.log.Warn("the OTLP receiver does not take what is sent; it is dropped", "what", what, "err", err, "since", t.more)
	t.last, t.more = time.Now(), 0
	return nil
}

type spanExporter struct {
	next    sdktrace.SpanExporter
	trouble *trouble
}

func (e spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return e.trouble.of("traces", e.next.ExportSpans(ctx, spans))
}

func (e spanExporter) Shutdown(ctx context.Context) error { return e.next.Shutdown(ctx) }

type metricExporter struct {
	next    sdkmetric.Exporter
	trouble *trouble
}

func (e metricExporter) Temporality(k sdkmetric.InstrumentKind) metricdata.Temporality {
	return e.next.Temporality(k)
}

func (e metricExporter) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return e.next.Aggregation(k)
}

func (e metricExporter) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	return e.trouble.of("metrics", e.next.Export(ctx, m))
}

func (e metricExporter) ForceFlush(ctx context.Context) error { return e.next.ForceFlush(ctx) }
func (e metricExporter) Shutdown(ctx context.Context) error   { return e.next.Shutdown(ctx) }

type logExporter struct {
	next    sdklog.Exporter
	trouble *trouble
}

func (e logExporter) Export(ctx context.Context, records []sdklog.Record) error {
	return e.trouble.of("logs", e.next.Export(ctx, records))
}

func (e logExporter) ForceFlush(ctx context.Context) error { return e.next.ForceFlush(ctx) }
func (e logExporter) Shutdown(ctx context.Context) error   { return e.next.Shutdown(ctx) }

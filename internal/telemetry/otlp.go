package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const scope = "github.com/modhaven/modhaven"

// otlp sends traces, metrics and log records. What cannot be sent is dropped.
type otlp struct {
	traces  *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider
	logs    *sdklog.LoggerProvider
}

// newOTLP prepares sending; nothing is connected yet, so that a receiver may start later.
func newOTLP(o Options, registry *prometheus.Registry) (*otlp, error) {
	base, err := endpointURL(o.Endpoint)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	traces, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(base+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("otlp: traces: %w", err)
	}
	metrics, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(base+"/v1/metrics"))
	if err != nil {
		return nil, fmt.Errorf("otlp: metrics: %w", err)
	}
	logs, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(base+"/v1/logs"))
	if err != nil {
		return nil, fmt.Errorf("otlp: logs: %w", err)
	}
	res, err := resource.Merge(resource.NewSchemaless(
		attribute.String("service.name", "modhaven"),
		attribute.String("service.version", o.Version),
	), resource.Environment()) // OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME go before
	if err != nil {
		return nil, fmt.Errorf("otlp: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	trouble := &trouble{log: o.Log}
	producer := bridge.NewMetricProducer(bridge.WithGatherer(registry))
	return &otlp{
		traces: sdktrace.NewTracerProvider(
			sdktrace.WithResource(res),
			sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Sample))),
			sdktrace.WithBatcher(spanExporter{traces, trouble}),
		),
		metrics: sdkmetric.NewMeterProvider(
			sdkmetric.WithResource(res),
			sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metricExporter{metrics, trouble}, sdkmetric.WithProducer(producer))),
		),
		logs: sdklog.NewLoggerProvider(
			sdklog.WithResource(res),
			sdklog.WithProcessor(sdklog.NewBatchProcessor(logExporter{logs, trouble})),
		),
	}, nil
}

// endpointURL checks an endpoint, since the exporters fall back to localhost where they cannot read it.
func endpointURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("otlp: the endpoint is not the URL of a receiver, such as http://127.0.0.1:4318; headers go into OTEL_EXPORTER_OTLP_HEADERS")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func (o *otlp) logger() log.Logger { return o.logs.Logger(scope) }

// shutdown sends what is left, all three kinds at once, since ctx may leave little time.
func (o *otlp) shutdown(ctx context.Context) error {
	var wg sync.WaitGroup
	var errs [3]error
	for i, end := range []func(context.Context) error{o.traces.Shutdown, o.metrics.Shutdown, o.logs.Shutdown} {
		wg.Go(func() { errs[i] = end(ctx) })
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// Tracer returns what begins spans; nil where nothing is traced.
func (t *Telemetry) Tracer() trace.Tracer {
	if t.otlp == nil {
		return nil
	}
	return t.otlp.traces.Tracer(scope)
}

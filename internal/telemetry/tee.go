package telemetry

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
)

// tee is a slog.Handler that writes records as before, with the trace they belong to, and sends them over OTLP too.
// The trace and the span of a record are those of its context.
type tee struct {
	next  slog.Handler
	to    log.Logger
	group string // before each key: "a.b."
	attrs []attribute.KeyValue
}

// Enabled implements slog.Handler: what is not logged is not sent.
func (h *tee) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h *tee) Handle(ctx context.Context, r slog.Record) error {
	var rec log.Record
	rec.SetTimestamp(r.Time)
	rec.SetSeverity(severity(r.Level))
	rec.SetSeverityText(r.Level.String())
	rec.SetBody(attribute.StringValue(r.Message))
	attrs := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = appendAttr(attrs, h.group, a)
		return true
	})
	rec.AddAttributes(attrs...)
	h.to.Emit(ctx, rec)
	if span := spanOf(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace", span.TraceID().String()))
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	t := *h
	t.next = h.next.WithAttrs(attrs)
	t.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		t.attrs = appendAttr(t.attrs, h.group, a)
	}
	return &t
}

// WithGroup implements slog.Handler.
func (h *tee) WithGroup(name string) slog.Handler {
	t := *h
	t.next = h.next.WithGroup(name)
	if name != "" {
		t.group += name + "."
	}
	return &t
}

// severity: slog's levels were chosen so that this is OpenTelemetry's.
func severity(l slog.Level) log.Severity {
	return min(max(log.Severity(l)+log.SeverityInfo, log.SeverityTrace), log.SeverityFatal4)
}

func appendAttr(list []attribute.KeyValue, group string, a slog.Attr) []attribute.KeyValue {
	v := a.Value.Resolve()
	key := group + a.Key
	switch v.Kind() {
	case slog.KindGroup:
		if a.Key != "" {
			group = key + "."
		}
		for _, in := range v.Group() {
			list = appendAttr(list, group, in)
		}
		return list
	case slog.KindBool:
		return append(list, attribute.Bool(key, v.Bool()))
	case slog.KindInt64:
		return append(list, attribute.Int64(key, v.Int64()))
	case slog.KindFloat64:
		return append(list, attribute.Float64(key, v.Float64()))
	}
	if a.Equal(slog.Attr{}) {
		return list
	}
	return append(list, attribute.String(key, v.String()))
}

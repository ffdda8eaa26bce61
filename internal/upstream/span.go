package upstream

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// beginSpan begins the span of an attempt and returns the context to make its request with. What belongs to no trace
// that somebody looks at (a check, an unsampled request) costs nothing. tr may be nil.
func beginSpan(ctx context.Context, tr trace.Tracer, a Attempt) (context.Context, trace.Span) {
	if tr == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, nil
	}
	ctx, span := tr.Start(ctx, "attempt", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("modhaven.upstream", a.Upstream),
		attribute.String("modhaven.class", string(a.Class)),
		attribute.String("modhaven.name", a.Name),
		attribute.String("modhaven.cause", a.Cause),
	))
	return httptrace.WithClientTrace(ctx, events(span)), span
}

// events makes events of a span of what a transport does. A transport may call it late and at once: a span takes both.
func events(span trace.Span) *httptrace.ClientTrace {
	event := func(name string, err error, attrs ...attribute.KeyValue) {
		if err != nil {
			attrs = append(attrs, attribute.String("error", err.Error()))
		}
		span.AddEvent(name, trace.WithAttributes(attrs...))
	}
	return &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { event("dns start", nil) },
		DNSDone:           func(i httptrace.DNSDoneInfo) { event("dns done", i.Err) },
		ConnectStart:      func(_, addr string) { event("connect start", nil, attribute.String("addr", addr)) },
		ConnectDone:       func(_, addr string, err error) { event("connect done", err, attribute.String("addr", addr)) },
		TLSHandshakeStart: func() { event("tls start", nil) },
		TLSHandshakeDone:  func(_ tls.ConnectionState, err error) { event("tls done", err) },
		GotConn: func(i httptrace.GotConnInfo) {
			event("connection", nil, attribute.Bool("reused", i.Reused))
		},
		WroteRequest:         func(i httptrace.WroteRequestInfo) { event("request written", i.Err) },
		GotFirstResponseByte: func() { event("first byte", nil) },
	}
}

// endSpan ends the span of an attempt, if it has one, beside Observer.Attempted.
func endSpan(span trace.Span, a Attempt) {
	if span == nil {
		return
	}
	span.SetAttributes(
		attribute.Int("http.response.status_code", a.Status),
		attribute.Int64("modhaven.bytes", a.Bytes),
		attribute.String("modhaven.failure", a.Failure),
	)
	if a.Failed() {
		span.SetStatus(codes.Error, a.Failure)
	}
	span.End()
}

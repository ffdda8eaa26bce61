package telemetry

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/modhaven/modhaven/internal/server"
)

// maxAgent bounds what a client can make of a line of the log.
const maxAgent = 120

// logAccess logs a request.
func (t *Telemetry) logAccess(a *server.Access) {
	ctx := context.Background()
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("method", a.Method),
		slog.String("path", "/"+a.Path),
		slog.Int("status", a.Status),
		slog.Int64("bytes", a.Bytes),
		slog.String("cache", a.Cache.String()),
		slog.Duration("took", a.Took.Round(time.Microsecond)),
		slog.String("client", a.Client),
		slog.String("agent", bounded(a.Agent)),
	)
	if a.Span.IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, a.Span)
		attrs = append(attrs, slog.String("trace", a.Span.TraceID().String()))
	}
	t.log.LogAttrs(ctx, slog.LevelInfo, "answered", attrs...)
}

func bounded(agent string) string {
	if len(agent) > maxAgent {
		return strings.ToValidUTF8(agent[:maxAgent], "") + "…"
	}
	return agent
}

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
	ctx := trace.ContextWithSpanContext(context.Background(), a.Span) // from which tee takes it
	caller := ""
	if a.Caller != nil {
		caller = a.Caller.Name()
	}
	t.log.LogAttrs(ctx, slog.LevelInfo, "answered",
		slog.String("method", a.Method),
		slog.String("path", "/"+a.Path),
		slog.Int("status", a.Status),
		slog.Int64("bytes", a.Bytes),
		slog.String("cache", a.Cache.String()),
		slog.Duration("took", a.Took.Round(time.Microsecond)),
		slog.String("client", a.Client),
		slog.String("caller", caller),
		slog.String("agent", bounded(a.Agent)),
	)
}

func bounded(agent string) string {
	if len(agent) > maxAgent {
		return strings.ToValidUTF8(agent[:maxAgent], "") + "…"
	}
	return agent
}

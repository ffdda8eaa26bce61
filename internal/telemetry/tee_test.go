package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/log/embedded"
)

// kept is a log.Logger that keeps what it is given.
type kept struct {
	embedded.Logger
	records []log.Record
}

func (k *kept) Emit(_ context.Context, r log.Record)                { k.records = append(k.records, r) }
func (k *kept) Enabled(context.Context, log.EnabledParameters) bool { return true }

func TestTee(t *testing.T) {
	var local bytes.Buffer
	var k kept
	plain := slog.NewTextHandler(&local, &slog.HandlerOptions{Level: slog.LevelInfo})
	l := slog.New(&tee{next: plain, to: &k})
	l.Debug("not logged")
	sub := l.With("a", 1).WithGroup("g").With("b", true)
	sub.Warn("m", "f", 1.5, "d", time.Second, slog.Group("in", "x", "y"), slog.Group("", "flat", uint64(2)))
	l.Error("n")
	var got []string
	for _, r := range k.records {
		var attrs []string
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			attrs = append(attrs, fmt.Sprintf("%s=%s", kv.Key, kv.Value.String()))
			return true
		})
		got = append(got, fmt.Sprintf("%d %s %s %s", r.Severity(), r.SeverityText(), r.Body().String(), strings.Join(attrs, " ")))
	}
	want := []string{"13 WARN m a=1 g.b=true g.f=1.5 g.d=1s g.in.x=y g.flat=2", "17 ERROR n "}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if lines := strings.Count(local.String(), "\n"); lines != 2 || !strings.Contains(local.String(), "g.in.x=y") {
		t.Errorf("logged\n%s", &local)
	}
}

package proxy

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// A task is what a fill or a refresh is to those who watch: a span, and a context with the values of the request
// that began it. It ends with the Service, not with that request.
type task struct {
	ctx    context.Context
	span   trace.Span
	cancel context.CancelFunc
}

// begin begins a task of a request. Call end once.
func (s *Service) begin(ctx context.Context, what, name string) *task {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	ctx, span := s.o.Tracer.Start(ctx, what)
	if span.IsRecording() {
		span.SetAttributes(attribute.String("modhaven.name", name))
	}
	return &task{ctx, span, func() { stop(); cancel(nil) }}
}

// join says of a request that came later where its answer is traced, and there that it waits.
func (t *task) join(ctx context.Context) {
	span := trace.SpanFromContext(ctx)
	if t.span.IsRecording() && span.SpanContext().IsValid() {
		t.span.AddLink(trace.Link{SpanContext: span.SpanContext()})
	}
	if span.IsRecording() && t.span.SpanContext().IsValid() {
		span.AddLink(trace.Link{SpanContext: t.span.SpanContext()})
	}
}

// came says what came, and from where.
func (t *task) came(from string, size int64) {
	if t.span.IsRecording() {
		t.span.SetAttributes(attribute.String("modhaven.upstream", from), attribute.Int64("modhaven.bytes", size))
	}
}

func (t *task) end(err error) {
	if err != nil && t.span.IsRecording() {
		t.span.SetStatus(codes.Error, err.Error())
	}
	t.span.End()
	t.cancel()
}

// wait counts a request that waits, until what it returns is called.
func (s *Service) wait() func() {
	s.waiting.Add(1)
	return func() { s.waiting.Add(-1) }
}

// Load is what a Service has to do at one moment.
type Load struct {
	Fills     int   `json:"fills"`     // files on their way
	Refreshes int   `json:"refreshes"` // lists and queries on their way
	Waiting   int64 `json:"waiting"`   // requests that wait for one of them

	Ahead AheadStats `json:"ahead"`
}

// Load returns what there is to do now.
func (s *Service) Load() Load {
	l := Load{Waiting: s.waiting.Load(), Ahead: s.ahead.now()}
	s.mu.Lock()
	l.Fills = len(s.fills)
	s.mu.Unlock()
	s.answers.mu.Lock()
	l.Refreshes = len(s.answers.refreshes)
	s.answers.mu.Unlock()
	return l
}

package server

import (
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Access is one request that was answered.
type Access struct {
	Method   string
	Path     string // of the URL, without the first slash
	Request  goproxy.Request
	Endpoint Endpoint
	Status   int
	Bytes    int64 // of the body
	Cache    Cache
	Stored   bool // answered from the store, without an upstream, and not fetched ahead either
	Stale    bool
	Took     time.Duration
	Err      error             // why it was not 200
	Client   string            // its address, HOST:PORT
	Caller   Caller            // as the Guard says; nil where there is none, or it refused
	Agent    string            // its User-Agent, as it came
	Span     trace.SpanContext // of the request; not valid where nothing is traced
}

// An Endpoint is a kind of request.
type Endpoint uint8

// The endpoints. EndpointOther is health, metrics, and what is no request of the protocol.
const (
	EndpointOther Endpoint = iota
	EndpointList
	EndpointLatest
	EndpointQuery
	EndpointInfo
	EndpointMod
	EndpointZip
	EndpointSumDB
	Endpoints // how many there are
)

// String returns the name that metrics have for it.
func (e Endpoint) String() string {
	return [...]string{"other", "list", "latest", "query", "info", "mod", "zip", "sumdb"}[e]
}

func endpoint(req goproxy.Request) Endpoint {
	switch req.Op {
	case goproxy.OpList:
		return EndpointList
	case goproxy.OpLatest:
		return EndpointLatest
	case goproxy.OpQuery:
		return EndpointQuery
	}
	return [...]Endpoint{goproxy.Info: EndpointInfo, goproxy.Mod: EndpointMod, goproxy.Zip: EndpointZip}[req.File.Kind]
}

// Cache says where an answer came from.
type Cache uint8

// What a Cache can be.
const (
	CacheNone  Cache = iota // an error, or nothing that is kept
	CacheHit                // known before it was asked for
	CacheMiss               // an upstream was waited for
	CacheStale              // known before, and older than it should be
	Caches                  // how many there are
)

// String returns the name that metrics have for it.
func (c Cache) String() string { return [...]string{"none", "hit", "miss", "stale"}[c] }

// cached says where content came from. What may change tells by its time: an upstream that was asked for this
// request answered after it began.
func cached(c *goproxy.Content, fromStore bool, began time.Time) Cache {
	switch {
	case c.Stale:
		return CacheStale
	case fromStore, !c.Checked.IsZero() && c.Checked.Before(began):
		return CacheHit
	}
	return CacheMiss
}

// traced reports whether requests for a path are worth a trace: those of machines that watch are not.
func traced(path string) bool {
	switch path {
	case "healthz", "readyz", "metrics", "status", "doctor":
		return false
	}
	return true
}

// begin starts the span of a request, below the one that its client says it belongs to.
func (h *Handler) begin(r *http.Request) (*http.Request, trace.Span) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := h.o.Tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
	return r.WithContext(ctx), span
}

// end says in the span of a request how it was answered.
func end(span trace.Span, a *Access) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	span.SetName(a.Method + " " + a.Endpoint.String())
	span.SetAttributes(
		attribute.String("http.request.method", a.Method),
		attribute.String("url.path", "/"+a.Path),
		attribute.String("http.route", a.Endpoint.String()),
		attribute.Int("http.response.status_code", a.Status),
		attribute.Int64("http.response.body.size", a.Bytes),
		attribute.String("modhaven.cache", a.Cache.String()),
	)
	if a.Err != nil && (a.Status >= http.StatusInternalServerError || a.Status < http.StatusBadRequest) {
		span.RecordError(a.Err)
		span.SetStatus(codes.Error, a.Err.Error())
	}
}

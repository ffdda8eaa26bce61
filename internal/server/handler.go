// Package server speaks HTTP: routes, statuses, caching headers, ranges, compression, health, listeners.
//
// It knows nothing about where bytes come from; it asks a goproxy.Source.
package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/lru"
)

// Options are what a Handler is made of.
type Options struct {
	Source goproxy.Source
	SumDB  SumDB         // answers below /sumdb/; nil for 404
	Fresh  time.Duration // max-age of what may change
	// Guard, where set, says who may ask for what; nil: everybody may.
	Guard Guard
	// Observe, where set, hears of every request when it is over.
	Observe func(Access)
	// Tracer, where set, begins the span of each request.
	Tracer trace.Tracer
	// Metrics and Status, where set, answer /metrics and /status.
	Metrics, Status http.Handler
	// Doctor, where set, answers /doctor?module=QUESTION: the report of an examination from here, in JSON. Its errors are those of Source.
	Doctor func(ctx context.Context, question string) ([]byte, error)
	// Degraded, where set, says whether some upstreams are lost, and why. /readyz stays 200: what is stored is served.
	Degraded func() (bool, string)
	// Stall is how long an HTTP/2 client may take none of the bytes that are ready for it; 0 for the constant of
	// that name. For HTTP/1 the listener knows.
	Stall time.Duration
}

// A SumDB answers for checksum databases.
type SumDB interface {
	// Answer answers what stands behind /sumdb/: "sum.golang.org/latest". Its errors are those of goproxy.Source.
	Answer(ctx context.Context, path string) (*goproxy.Content, error)
}

// Handler answers the module proxy protocol and what is below /sumdb/, /healthz and /readyz, /metrics, /status and /doctor.
type Handler struct {
	o       Options
	routes  *lru.Cache[*route] // requests by path, parsed
	zipped  *lru.Cache[[]byte] // gzip of texts by ETag
	mutable []string           // Cache-Control of what may change
}

// New returns a Handler.
func New(o Options) *Handler {
	if o.Stall == 0 {
		o.Stall = Stall
	}
	return &Handler{
		o:       o,
		routes:  lru.New(routeCache, func(rt *route) int64 { return int64(2*len(rt.req.Path)) + 256 }),
		zipped:  lru.New(gzipCache, func(b []byte) int64 { return int64(len(b)) }),
		mutable: []string{"public, max-age=" + strconv.Itoa(int(o.Fresh.Seconds()))},
	}
}

// Values of headers, made once: the hot path allocates none.
var (
	textPlain   = []string{"text/plain; charset=utf-8"}
	jsonType    = []string{"application/json"}
	octetStream = []string{"application/octet-stream"}
	oneDay      = []string{"public, max-age=86400"}
	zipType     = []string{"application/zip"}
	forOne      = []string{"private, no-store"}
	immutable   = []string{"public, max-age=604800, immutable"}
	noStore     = []string{"no-store"}
	vary        = []string{"Accept-Encoding"}
	gzipCoding  = []string{"gzip"}
)

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 2 {
		h.serve(w, r)
		return
	}
	p := newPaced(w, h.o.Stall)
	h.serve(p, r)
	p.end()
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	a := Access{Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, "/"), Status: http.StatusOK}
	var span trace.Span
	if h.o.Tracer != nil && traced(a.Path) {
		r, span = h.begin(r)
		a.Span = span.SpanContext()
	}
	var began time.Time
	if h.o.Observe != nil || span != nil {
		began = time.Now()
	}
	whole := h.answer(w, r, &a, began)
	if span != nil {
		end(span, &a)
	}
	if h.o.Observe != nil {
		a.Took = time.Since(began)
		a.Client = r.RemoteAddr
		if agent := r.Header["User-Agent"]; len(agent) > 0 {
			a.Agent = agent[0]
		}
		h.o.Observe(a)
	}
	if !whole {
		panic(http.ErrAbortHandler) // the body ended too early: the client must not take it for whole
	}
}

// answer answers a request and says in a how; false where the body is not whole.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, a *Access, began time.Time) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		a.Status = http.StatusMethodNotAllowed
		a.Bytes = writeText(w, r, a.Status, "method "+r.Method+" is not allowed; a module proxy answers GET and HEAD")
		return true
	}
	if !h.admit(w, r, a) {
		return true
	}
	switch {
	case strings.HasPrefix(a.Path, "sumdb/"):
		h.sumDB(w, r, a)
	case a.Path == "healthz":
		w.Header()["Cache-Control"] = noStore
		a.Bytes = writeText(w, r, http.StatusOK, "ok")
	case a.Path == "readyz":
		w.Header()["Cache-Control"] = noStore
		a.Bytes = writeText(w, r, http.StatusOK, h.readiness())
	case a.Path == "metrics" && h.o.Metrics != nil:
		h.o.Metrics.ServeHTTP(w, r)
	case a.Path == "status" && h.o.Status != nil:
		if a.Err = a.mayAll(); a.Err != nil { // the last errors name modules
			a.Status, a.Bytes = writeError(w, r, a.Err)
			return true
		}
		h.o.Status.ServeHTTP(w, r)
	case a.Path == "doctor" && h.o.Doctor != nil:
		h.doctor(w, r, a)
	case a.Path == "":
		a.Bytes = writeText(w, r, http.StatusOK, "Modhaven, a Go module proxy. Use it: export GOPROXY="+ownURL(r))
	default:
		return h.protocol(w, r, a, began)
	}
	return true
}

// doctor answers with what the doctor sees from here, to who may know of all modules: it names them, and those who are asked for them.
func (h *Handler) doctor(w http.ResponseWriter, r *http.Request, a *Access) {
	var b []byte
	if a.Err = a.mayAll(); a.Err == nil && r.Method == http.MethodGet {
		b, a.Err = h.o.Doctor(r.Context(), r.URL.Query().Get("module"))
	}
	if a.Err != nil {
		a.Status, a.Bytes = writeError(w, r, a.Err)
		return
	}
	hd := w.Header()
	hd["Content-Type"], hd["Cache-Control"] = jsonType, noStore
	hd.Set("X-Content-Type-Options", "nosniff")
	n, _ := w.Write(b) // the client left: nobody to tell
	a.Bytes = int64(n)
}

// readiness is what /readyz says: one line, whatever the reason has.
func (h *Handler) readiness() string {
	if h.o.Degraded != nil {
		if degraded, why := h.o.Degraded(); degraded {
			return "ok, degraded: " + strings.ReplaceAll(readable(why), "\n", " ")
		}
	}
	return "ok"
}

func ownURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// sumDB answers what is below /sumdb/. Records and tiles never change; a proof that is cached is as good.
func (h *Handler) sumDB(w http.ResponseWriter, r *http.Request, a *Access) {
	a.Endpoint = EndpointSumDB
	path := a.Path[len("sumdb/"):]
	var b []byte
	err := a.mayAsk(path)
	if err == nil {
		b, err = h.askSumDB(r.Context(), path)
	}
	if err != nil {
		a.Err = err
		a.Status, a.Bytes = writeError(w, r, err)
		return
	}
	hd := w.Header()
	switch {
	case strings.Contains(path, "/tile/"):
		hd["Content-Type"], hd["Cache-Control"] = octetStream, immutable
	case strings.Contains(path, "/lookup/"):
		hd["Content-Type"], hd["Cache-Control"] = textPlain, oneDay
	default:
		hd["Content-Type"], hd["Cache-Control"] = textPlain, h.mutable
	}
	if a.privateSum(path) {
		hd["Cache-Control"] = forOne
	}
	a.Status, a.Bytes, a.Err = h.writeBytes(w, r, &route{}, b, "")
}

func (h *Handler) askSumDB(ctx context.Context, path string) ([]byte, error) {
	if h.o.SumDB == nil {
		return nil, goproxy.Absent("not found: no checksum database is served here")
	}
	c, err := h.o.SumDB.Answer(ctx, path)
	if err != nil {
		return nil, err
	}
	defer c.Body.Close()
	if b, ok := c.Body.(*goproxy.Bytes); ok {
		return b.All(), nil
	}
	return io.ReadAll(c.Body)
}

// protocol answers a request of the module proxy protocol; false where the body is not whole.
func (h *Handler) protocol(w http.ResponseWriter, r *http.Request, a *Access, began time.Time) bool {
	path, ctx := a.Path, r.Context()
	if rest, ok := strings.CutPrefix(path, "cached-only/"); ok {
		path, ctx = rest, goproxy.WithoutFetch(ctx)
	} else if v := r.Header["Disable-Module-Fetch"]; v != nil {
		if off, err := strconv.ParseBool(v[0]); err == nil && off {
			ctx = goproxy.WithoutFetch(ctx)
		}
	}
	rt, err := h.route(r, path)
	var c *goproxy.Content
	if err == nil {
		a.Request, a.Endpoint = rt.req, endpoint(rt.req)
		if err = a.may(modulePath(rt.req)); err == nil {
			c, err = h.ask(ctx, r.Method, rt.req)
		}
	}
	if err != nil {
		a.Err = err
		a.Status, a.Bytes = writeError(w, r, err)
		return true
	}
	h.answered(path, rt)
	a.Stale = c.Stale
	hit := stored(c)
	a.Stored = hit && !c.Ahead
	a.Cache = cached(c, hit, began)
	a.Status, a.Bytes, a.Err = h.write(w, r, rt, c, a.private(modulePath(rt.req)))
	return a.Err == nil
}

// ask gets the answer; for HEAD of a file without a body, so that no fill starts.
func (h *Handler) ask(ctx context.Context, method string, req goproxy.Request) (*goproxy.Content, error) {
	switch req.Op {
	case goproxy.OpList:
		return h.o.Source.List(ctx, req.Path)
	case goproxy.OpQuery, goproxy.OpLatest:
		return h.o.Source.Query(ctx, req.Path, req.Query)
	}
	if method == http.MethodHead {
		m, err := h.o.Source.Stat(ctx, req.File)
		return &goproxy.Content{Meta: m, Body: http.NoBody}, err
	}
	return h.o.Source.Open(ctx, req.File)
}

// stored reports whether a file came from the store: a fill says whom it asked.
func stored(c *goproxy.Content) bool {
	if c.From != "" {
		return false
	}
	switch c.Body.(type) {
	case *goproxy.Bytes, fileBody:
		return true
	}
	return c.Body == http.NoBody
}

// write sends an answer, which may be for its client alone, and returns its status, the bytes of its body and why they are not all.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, rt *route, c *goproxy.Content, secret bool) (status int, n int64, err error) {
	defer c.Body.Close()
	hd := w.Header()
	h.describe(hd, rt, c)
	if secret {
		hd["Cache-Control"] = forOne
	}
	if c.Body == http.NoBody {
		if c.Size >= 0 {
			hd["Content-Length"] = []string{strconv.FormatInt(c.Size, 10)}
		}
		return http.StatusOK, 0, nil
	}
	if b, ok := c.Body.(*goproxy.Bytes); ok && r.Header["Range"] == nil {
		return h.writeBytes(w, r, rt, b.All(), c.ETag)
	}
	rs, ok := c.Body.(io.ReadSeeker)
	if !ok {
		return http.StatusInternalServerError, 0, errors.New("a body that cannot seek")
	}
	out := &counted{w: w, status: http.StatusOK}
	http.ServeContent(out, r, "", time.Time{}, rs)
	return out.status, out.n, out.err
}

// describe sets the headers that say what an answer is and how long it is good.
func (h *Handler) describe(hd http.Header, rt *route, c *goproxy.Content) {
	req := &rt.req
	switch {
	case req.Op == goproxy.OpList:
		hd["Content-Type"] = textPlain
	case req.Op != goproxy.OpFile || req.File.Kind == goproxy.Info:
		hd["Content-Type"] = jsonType
	case req.File.Kind == goproxy.Mod:
		hd["Content-Type"] = textPlain
	default:
		hd["Content-Type"] = zipType
	}
	switch {
	case req.Op == goproxy.OpFile:
		hd["Cache-Control"] = immutable
	case c.Stale:
		hd["Cache-Control"] = noStore
		age := int(time.Since(c.Checked).Seconds())
		hd.Set("Cache-Status", "modhaven; hit; ttl="+strconv.Itoa(int(h.o.Fresh.Seconds())-age)+"; detail=stale-upstream-trouble")
		hd.Set("Age", strconv.Itoa(age))
	default:
		hd["Cache-Control"] = h.mutable
	}
	if rt.compressible(c.Size) { // whatever of it is asked for, a part or a HEAD too
		hd["Vary"] = vary
	}
	if c.ETag != "" {
		hd["Etag"] = rt.values(c).etag
	}
}

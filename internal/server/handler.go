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

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/lru"
)

// Options are what a Handler is made of.
type Options struct {
	Source goproxy.Source
	SumDB  SumDB         // answers below /sumdb/; nil for 404
	Fresh  time.Duration // max-age of what may change
	// Observe, where set, hears of every request of the protocol when it is over.
	Observe func(Access)
	// Stall is how long an HTTP/2 client may take none of the bytes that are ready for it; 0 for the constant of
	// that name. For HTTP/1 the listener knows.
	Stall time.Duration
}

// A SumDB answers for checksum databases.
type SumDB interface {
	// Answer answers what stands behind /sumdb/: "sum.golang.org/latest". Its errors are those of goproxy.Source.
	Answer(ctx context.Context, path string) (*goproxy.Content, error)
}

// Access is one request that was answered.
type Access struct {
	Method  string
	Path    string // of the URL, without the first slash
	Request goproxy.Request
	Status  int
	Bytes   int64 // of the body
	Stored  bool  // answered from the store, without an upstream
	Stale   bool
	Took    time.Duration
	Err     error // why it was not 200
}

// Handler answers the module proxy protocol and what is below /sumdb/, /healthz and /readyz.
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
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeText(w, r, http.StatusMethodNotAllowed, "method "+r.Method+" is not allowed; a module proxy answers GET and HEAD")
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case strings.HasPrefix(path, "sumdb/"):
		h.sumDB(w, r, path[len("sumdb/"):])
	case path == "healthz" || path == "readyz":
		w.Header()["Cache-Control"] = noStore
		writeText(w, r, http.StatusOK, "ok")
	case path == "":
		writeText(w, r, http.StatusOK, "Modhaven, a Go module proxy. Use it: export GOPROXY="+ownURL(r))
	default:
		h.protocol(w, r, path)
	}
}

func ownURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// sumDB answers what is below /sumdb/. Records and tiles never change; a proof that is cached is as good.
func (h *Handler) sumDB(w http.ResponseWriter, r *http.Request, path string) {
	if h.o.SumDB == nil {
		writeError(w, r, goproxy.Absent("not found: no checksum database is served here"))
		return
	}
	c, err := h.o.SumDB.Answer(r.Context(), path)
	if err != nil {
		writeError(w, r, err)
		return
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	if err != nil {
		writeError(w, r, err)
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
	_, _, _ = h.writeBytes(w, r, &route{}, b, "") // the client left: nobody to tell
}

// protocol answers a request of the module proxy protocol.
func (h *Handler) protocol(w http.ResponseWriter, r *http.Request, path string) {
	var start time.Time
	if h.o.Observe != nil {
		start = time.Now()
	}
	a := Access{Method: r.Method, Path: path, Status: http.StatusOK}
	ctx := r.Context()
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
		a.Request = rt.req
		c, err = h.ask(ctx, r.Method, rt.req)
	}
	if err != nil {
		a.Err = err
		a.Status, a.Bytes = writeError(w, r, err)
	} else {
		a.Stale = c.Stale
		a.Stored = stored(c)
		a.Status, a.Bytes, a.Err = h.write(w, r, rt, c)
	}
	if h.o.Observe != nil {
		a.Took = time.Since(start)
		h.o.Observe(a)
	}
	if a.Err != nil && err == nil {
		panic(http.ErrAbortHandler) // the body ended too early: the client must not take it for whole
	}
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

// write sends an answer and returns its status, the bytes of its body and why they are not all.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, rt *route, c *goproxy.Content) (status int, n int64, err error) {
	defer c.Body.Close()
	hd := w.Header()
	h.describe(hd, rt, c)
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

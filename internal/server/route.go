package server

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const routeCache = 4 << 20

// A route is a path that was asked: what it means, and the header values of its last answer, which on a
// hit are those of the next.
type route struct {
	req   goproxy.Request
	fresh bool // not remembered yet
	last  atomic.Pointer[values]
}

// values are the header values of one answer. They are shared and never changed.
type values struct {
	tag          string
	size         int64
	etag, length []string
}

// route parses a path, or remembers it. A slash that came escaped is none of the path's.
func (h *Handler) route(r *http.Request, path string) (*route, error) {
	if r.URL.RawPath != "" && strings.Contains(strings.ToLower(r.URL.RawPath), "%2f") {
		return nil, goproxy.Absent("not found: the path has an escaped slash")
	}
	if rt, ok := h.routes.Get(path); ok {
		return rt, nil
	}
	req, err := goproxy.Parse(path)
	if err != nil {
		return nil, err
	}
	return &route{req: req, fresh: true}, nil
}

// answered remembers a route that had an answer: who asks for what does not exist, however much, displaces none of them.
func (h *Handler) answered(path string, rt *route) {
	if rt.fresh {
		h.routes.Put(path, &route{req: rt.req})
	}
}

// compressible reports whether an answer of that size is worth compressing: a text that does not fit one packet.
func (rt *route) compressible(size int64) bool {
	return size >= gzipFrom && (rt.req.Op != goproxy.OpFile || rt.req.File.Kind != goproxy.Zip)
}

// values returns the header values for c, which has an ETag.
func (rt *route) values(c *goproxy.Content) *values {
	if v := rt.last.Load(); v != nil && v.tag == c.ETag && v.size == c.Size {
		return v
	}
	v := &values{
		tag: c.ETag, size: c.Size,
		etag:   []string{`"` + c.ETag + `"`},
		length: []string{strconv.FormatInt(c.Size, 10)},
	}
	rt.last.Store(v)
	return v
}

// length returns the header value for the length of b, whose ETag is etag.
func (rt *route) length(b []byte, etag string) []string {
	if v := rt.last.Load(); v != nil && etag != "" && v.tag == etag && v.size == int64(len(b)) {
		return v.length
	}
	return []string{strconv.Itoa(len(b))}
}

package server_test

import (
	"net/http/httptest"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/server"
)

// TestAccess: who keeps the log hears of each request what was asked, what was sent, and whether the store had it.
func TestAccess(t *testing.T) {
	u := withBig(t)
	hv := newHaven(t, u, nil)
	hv.accesses = make(chan server.Access, 1)
	tests := []struct {
		method, path string
		headers      []string
		status       int
		bytes        int // of the body as sent
		stored, bad  bool
		op           goproxy.Op
	}{
		{"GET", "example.com/plain/@v/v1.0.0.mod", nil, 200, len(proxytest.Fixture(t, "example.com/plain", "v1.0.0").Mod), false, false, goproxy.OpFile},
		{"GET", "example.com/plain/@v/v1.0.0.mod", nil, 200, len(proxytest.Fixture(t, "example.com/plain", "v1.0.0").Mod), true, false, goproxy.OpFile},
		{"HEAD", "example.com/plain/@v/v1.0.0.mod", nil, 200, 0, true, false, goproxy.OpFile},
		{"GET", "example.com/plain/@v/v1.0.0.mod", []string{"If-None-Match", "*"}, 304, 0, true, false, goproxy.OpFile},
		{"GET", big().Name("zip"), nil, 200, len(big().Zip), false, false, goproxy.OpFile},
		{"GET", big().Name("zip"), nil, 200, len(big().Zip), true, false, goproxy.OpFile},
		{"GET", big().Name("zip"), []string{"Range", "bytes=10-19"}, 206, 10, true, false, goproxy.OpFile},
		{"GET", "example.com/plain/@v/list", nil, 200, len("v1.0.0\nv1.1.0\nv1.2.0\nv1.3.0-rc.1\n"), false, false, goproxy.OpList},
		{"GET", "example.com/plain/@latest", nil, 200, len(proxytest.Fixture(t, "example.com/plain", "v1.2.0").Info), false, false, goproxy.OpLatest},
		{"GET", "example.com/none/@v/list", nil, 404, len("not found: example.com/none/@v/list: no such module or version\n"), false, true, goproxy.OpList},
		{"GET", "cached-only/example.com/plain/@v/v1.1.0.mod", nil, 404, len("not found: temporarily unavailable\n"), false, true, goproxy.OpFile},
	}
	for _, test := range tests {
		a := hv.do(test.method, test.path, test.headers...)
		hv.settle()
		got := <-hv.accesses
		if got.Method != test.method || got.Path != test.path || got.Status != test.status || a.StatusCode != test.status {
			t.Errorf("%s %s: got %+v", test.method, test.path, got)
		}
		if got.Bytes != int64(test.bytes) || len(a.body) != test.bytes || got.Stored != test.stored || (got.Err != nil) != test.bad || got.Stale {
			t.Errorf("%s %s: got %+v with a body of %d, want %+v", test.method, test.path, got, len(a.body), test)
		}
		if want := cacheOf(test.stored, test.bad); got.Cache != want || got.Endpoint == server.EndpointOther || got.Client == "" || got.Agent == "" {
			t.Errorf("%s %s: got %+v, want cache %v", test.method, test.path, got, want)
		}
		if got.Request.Op != test.op || got.Request.Path == "" {
			t.Errorf("%s %s: got %+v", test.method, test.path, got.Request)
		}
	}
}

func cacheOf(stored, bad bool) server.Cache {
	switch {
	case bad:
		return server.CacheNone
	case stored:
		return server.CacheHit
	}
	return server.CacheMiss
}

// TestAccessOfAnswers: a list that was known is a hit, whoever it came from; one that an upstream was asked for is none.
func TestAccessOfAnswers(t *testing.T) {
	hv := newHaven(t, withBig(t), nil)
	hv.accesses = make(chan server.Access, 1)
	for _, want := range []server.Cache{server.CacheMiss, server.CacheHit, server.CacheHit} {
		hv.get("example.com/plain/@v/list")
		if got := <-hv.accesses; got.Cache != want || got.Endpoint != server.EndpointList {
			t.Errorf("got %+v, want cache %v", got, want)
		}
	}
}

// TestReadiness: what is stored is served while upstreams are lost, so that the server stays ready, and says so.
func TestReadiness(t *testing.T) {
	degraded := true
	h := server.New(server.Options{Degraded: func() (bool, string) { return degraded, "all upstreams\nare refused" }})
	for _, want := range []string{"ok, degraded: all upstreams are refused\n", "ok\n"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("got %d %q, want %q", w.Code, w.Body, want)
		}
		degraded = false
	}
}

package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/store"
)

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// fixed is a Fetcher with the same small answers for all.
type fixed struct{}

func (fixed) List(context.Context, string) (*goproxy.Content, error) {
	return &goproxy.Content{Body: goproxy.NewBytes([]byte("v1.0.0\nv1.1.0\n"))}, nil
}
func (fixed) Query(context.Context, string, string) (*goproxy.Content, error) {
	return nil, goproxy.Absent("not found")
}
func (fixed) Stat(context.Context, goproxy.File) (goproxy.Meta, error) {
	return goproxy.Meta{}, goproxy.Absent("not found")
}
func (fixed) Fetch(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	if _, err := dst.WriteAt(fmt.Appendf(nil, `{"Version":%q,"Time":"2023-11-04T15:00:33Z"}`, f.Version.Version), 0); err != nil {
		return goproxy.Meta{}, err
	}
	return goproxy.Meta{From: "x"}, dst.Check(ctx, "x")
}

// BenchmarkHit is what a hit costs above net/http, for a file and for a list from memory.
func BenchmarkHit(b *testing.B) {
	s := proxy.New(proxy.Options{Store: &store.Mem{}, Fetcher: fixed{}, Spool: b.TempDir()})
	b.Cleanup(s.Close)
	h := server.New(server.Options{Source: s, Fresh: 1 << 40})
	f := goproxy.File{Version: module.Version{Path: "github.com/spf13/cobra", Version: "v1.10.2"}, Kind: goproxy.Info}
	for _, name := range []string{f.Name(), goproxy.ListName(f.Path)} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/"+name, nil)
			h.ServeHTTP(httptest.NewRecorder(), r)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}

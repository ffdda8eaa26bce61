package server

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// one is a Source that knows one file.
type one struct{ goproxy.Source }

func (one) Open(_ context.Context, f goproxy.File) (*goproxy.Content, error) {
	if f.Path != "example.com/kept" {
		return nil, goproxy.Absent("not found")
	}
	return goproxy.InMemory(goproxy.Meta{Size: 2, ETag: "x"}, []byte("{}")), nil
}

// TestFloodOfNames: names that do not exist, however many, displace nothing that is known of those that do.
func TestFloodOfNames(t *testing.T) {
	h := New(Options{Source: one{}})
	ask := func(path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/"+path, nil))
		return w.Code
	}
	const kept = "example.com/kept/@v/v1.0.0.info"
	if code := ask(kept); code != 200 {
		t.Fatalf("%s: %d", kept, code)
	}
	for i := range 2 * routeCache / 256 {
		if code := ask(fmt.Sprintf("example.com/absent%d/@v/v1.0.0.info", i)); code != 404 {
			t.Fatalf("an absent name: %d", code)
		}
	}
	if _, ok := h.routes.Get(kept); !ok {
		t.Error("the flood displaced it")
	}
}

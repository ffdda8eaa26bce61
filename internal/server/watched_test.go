package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/server"
)

// watched is a Source that has everything, and remembers by which name it would be asked of an upstream.
type watched struct{ asked []string }

func (s *watched) content(name string) (*goproxy.Content, error) {
	s.asked = append(s.asked, name)
	b := []byte(strings.Repeat("v1.0.0\n", 400))
	return &goproxy.Content{Meta: goproxy.Meta{Size: int64(len(b)), ETag: "0123456789"}, Body: goproxy.NewBytes(b)}, nil
}

func (s *watched) List(_ context.Context, path string) (*goproxy.Content, error) {
	return s.content(goproxy.ListName(path))
}

func (s *watched) Query(_ context.Context, path, query string) (*goproxy.Content, error) {
	return s.content(goproxy.QueryName(path, query))
}

func (s *watched) Open(_ context.Context, f goproxy.File) (*goproxy.Content, error) {
	return s.content(f.Name())
}

func (s *watched) Stat(_ context.Context, f goproxy.File) (goproxy.Meta, error) {
	c, err := s.content(f.Name())
	return c.Meta, err
}

func newWatchedHandler(s *watched) http.Handler {
	return server.New(server.Options{Source: s, Fresh: time.Minute})
}

func validMethod(m string) bool {
	return m != "" && !strings.ContainsFunc(m, func(r rune) bool { return r < 'A' || r > 'Z' })
}

// recorded lets h answer r.
func recorded(h http.Handler, r *http.Request) answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Result(), w.Body.String()}
}

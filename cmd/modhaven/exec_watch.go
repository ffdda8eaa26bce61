package main

import (
	"context"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/server"
)

// watchUpstream returns what puts a watchedUpstream around an upstream.
func watchUpstream(t *tally, line *progress) func(string, goproxy.Fetcher) goproxy.Fetcher {
	return func(name string, next goproxy.Fetcher) goproxy.Fetcher {
		return &watchedUpstream{name, next, t, line}
	}
}

// A watchedUpstream is an upstream whose answers are counted and whose downloads show
// their progress.
type watchedUpstream struct {
	name string
	next goproxy.Fetcher
	t    *tally
	line *progress
}

// told passes an answer on to the tally, unless it is only that nobody wants one any more.
func (w *watchedUpstream) told(ctx context.Context, name string, err error) {
	if ctx.Err() == nil {
		w.t.attempted(w.name, name, err)
	}
}

// List implements goproxy.Fetcher.
func (w *watchedUpstream) List(ctx context.Context, path string) (*goproxy.Content, error) {
	defer w.t.asks(w.name, path+"/@v/list")()
	c, err := w.next.List(ctx, path)
	w.told(ctx, goproxy.ListName(path), err)
	return c, err
}

// Query implements goproxy.Fetcher.
func (w *watchedUpstream) Query(ctx context.Context, path, query string) (*goproxy.Content, error) {
	defer w.t.asks(w.name, path+"@"+query)()
	c, err := w.next.Query(ctx, path, query)
	w.told(ctx, goproxy.QueryName(path, query), err)
	return c, err
}

// Stat implements goproxy.Fetcher.
func (w *watchedUpstream) Stat(ctx context.Context, f goproxy.File) (goproxy.Meta, error) {
	defer w.t.asks(w.name, f.String())()
	m, err := w.next.Stat(ctx, f)
	w.told(ctx, f.Name(), err)
	return m, err
}

// Fetch implements goproxy.Fetcher.
func (w *watchedUpstream) Fetch(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	defer w.t.asks(w.name, f.String())()
	d := w.line.begin(f.String())
	defer w.line.end(d)
	m, err := w.next.Fetch(ctx, f, &countedSink{dst, d})
	w.told(ctx, f.Name(), err)
	return m, err
}

// A countedSink is a Sink that says how far a download is.
type countedSink struct {
	next goproxy.Sink
	d    *download
}

// WriteAt implements goproxy.Sink.
func (s *countedSink) WriteAt(b []byte, off int64) (int, error) {
	n, err := s.next.WriteAt(b, off)
	s.d.done.Add(int64(n))
	return n, err
}

// SetSize implements goproxy.Sink.
func (s *countedSink) SetSize(n int64) error {
	s.d.size.Store(n)
	return s.next.SetSize(n)
}

// Reset implements goproxy.Sink.
func (s *countedSink) Reset() error {
	s.d.done.Store(0)
	return s.next.Reset()
}

// Check implements goproxy.Sink.
func (s *countedSink) Check(ctx context.Context, from string) error { return s.next.Check(ctx, from) }

// A watchedSumDB is a checksum database whose failures are counted.
type watchedSumDB struct {
	next server.SumDB
	t    *tally
}

// Answer implements server.SumDB.
func (w *watchedSumDB) Answer(ctx context.Context, path string) (*goproxy.Content, error) {
	c, err := w.next.Answer(ctx, path)
	w.t.checksums(path, err)
	return c, err
}

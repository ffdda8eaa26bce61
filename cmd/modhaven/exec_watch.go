package main

import (
	"context"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/server"
)

// watchChain puts a watchedChain around the upstreams.
func watchChain(t *tally, line *progress) func(goproxy.Fetcher) goproxy.Fetcher {
	return func(next goproxy.Fetcher) goproxy.Fetcher { return &watchedChain{next, t, line} }
}

// A watchedChain is the upstreams, whose questions under way are known and whose downloads show their progress.
type watchedChain struct {
	next goproxy.Fetcher
	t    *tally
	line *progress
}

// List implements goproxy.Fetcher.
func (w *watchedChain) List(ctx context.Context, path string) (*goproxy.Content, error) {
	defer w.t.asks(goproxy.ListName(path), path+"/@v/list")()
	return w.next.List(ctx, path)
}

// Query implements goproxy.Fetcher.
func (w *watchedChain) Query(ctx context.Context, path, query string) (*goproxy.Content, error) {
	defer w.t.asks(goproxy.QueryName(path, query), path+"@"+query)()
	return w.next.Query(ctx, path, query)
}

// Stat implements goproxy.Fetcher.
func (w *watchedChain) Stat(ctx context.Context, f goproxy.File) (goproxy.Meta, error) {
	defer w.t.asks(f.Name(), f.String())()
	return w.next.Stat(ctx, f)
}

// Fetch implements goproxy.Fetcher.
func (w *watchedChain) Fetch(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	defer w.t.asks(f.Name(), f.String())()
	d := w.line.begin(f.String())
	defer w.line.end(d)
	return w.next.Fetch(ctx, f, &countedSink{dst, d})
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

package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/upstream"
)

// A source is a chain of one upstream that is asked once.
type source struct {
	*upstream.Chain
	u    *upstream.Upstream
	pool *upstream.Pool
}

func (s source) Name() string { return s.u.Name() }

func (s source) Get(ctx context.Context, name string, max int64) ([]byte, error) {
	return s.pool.Sums([]upstream.SumPlace{{Upstream: s.u}}).Get(ctx, name, max, func([]byte) error { return nil })
}

// once is an upstream that is asked once each time, whatever came of it, and however slow it is.
var once = goproxy.UpstreamOptions{Attempts: 1, Check: -1, Breaker: goproxy.NotOn, MinSpeed: -1}

// newSource returns a source that asks base over a transport of its own, which dials test servers only.
func newSource(t *testing.T, base string) source {
	t.Helper()
	tr := &http.Transport{DialContext: proxytest.Dialer{}.DialContext, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return sourceOver(t, base, tr)
}

func sourceOver(t *testing.T, base string, rt http.RoundTripper) source {
	t.Helper()
	p := newPool(t, upstream.PoolOptions{Patience: -1})
	u := add(t, p, base, rt, once)
	return source{p.Chain([]upstream.Entry{{Upstream: u}}, upstream.ChainOptions{}), u, p}
}

func newPool(t *testing.T, o upstream.PoolOptions) *upstream.Pool {
	p := upstream.NewPool(o)
	t.Cleanup(p.Close)
	return p
}

func add(t *testing.T, p *upstream.Pool, base string, rt http.RoundTripper, o goproxy.UpstreamOptions) *upstream.Upstream {
	t.Helper()
	u, err := p.Upstream(base, rt, o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func file(path, version string, kind goproxy.Kind) goproxy.File {
	return goproxy.File{Version: module.Version{Path: path, Version: version}, Kind: kind}
}

// plainFile is a file that every upstream has.
func plainFile(kind goproxy.Kind) goproxy.File { return file("example.com/plain", "v1.0.0", kind) }

// A sink is a Sink in memory with the contract of a spool: sizes are checked while bytes arrive.
type sink struct {
	mu    sync.Mutex // guards what WriteAt changes
	max   int64      // 0: no limit
	size  int64      // as announced
	known bool
	b     []byte

	resets int
	checks []string
	check  func(from string, b []byte) error // nil accepts all
	write  func(off int64) error             // asked before each write, where set
}

func (s *sink) SetSize(n int64) error {
	s.size, s.known = n, true
	s.b = make([]byte, 0, min(n, 64<<20))
	if s.max > 0 && n > s.max {
		return &goproxy.Wrong{Reason: fmt.Sprintf("%d bytes are too many", n)}
	}
	return nil
}

func (s *sink) WriteAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.write != nil {
		if err := s.write(off); err != nil {
			return 0, err
		}
	}
	end := off + int64(len(b))
	if s.max > 0 && end > s.max {
		return 0, &goproxy.Wrong{Reason: fmt.Sprintf("more than %d bytes", s.max)}
	}
	if s.known && end > s.size {
		return 0, &goproxy.Wrong{Reason: fmt.Sprintf("more than the %d bytes announced", s.size)}
	}
	if int64(len(s.b)) < end {
		s.b = append(s.b, make([]byte, end-int64(len(s.b)))...)
	}
	return copy(s.b[off:], b), nil
}

func (s *sink) Reset() error {
	s.resets++
	s.b, s.known = nil, false
	return nil
}

func (s *sink) Check(_ context.Context, from string) error {
	s.checks = append(s.checks, from)
	if s.known && int64(len(s.b)) != s.size {
		return &goproxy.Wrong{Reason: fmt.Sprintf("%d of %d bytes", len(s.b), s.size)}
	}
	if s.check != nil {
		return s.check(from, s.b)
	}
	return nil
}

// body reads an answer whole.
func body(t *testing.T, c *goproxy.Content, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	if err != nil {
		t.Fatal(err)
	}
	if c.Size != int64(len(b)) {
		t.Errorf("Size is %d, the body has %d bytes", c.Size, len(b))
	}
	return string(b)
}

// kind names which of the vocabulary's errors err is.
func kind(err error) string {
	var absent *goproxy.NotFound
	var refused *goproxy.Refused
	var wrong *goproxy.Wrong
	var unavailable *goproxy.Unavailable
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &absent):
		return fmt.Sprintf("absent %d", absent.Status)
	case errors.As(err, &refused):
		return fmt.Sprintf("refused %d", refused.Status)
	case errors.As(err, &wrong):
		return "wrong"
	case errors.As(err, &unavailable):
		return "unavailable"
	}
	return "unknown"
}

// An operation is one of the ways to ask a Fetcher.
type operation struct {
	name string
	do   func(ctx context.Context, f goproxy.Fetcher) error
}

// operations ask for what every upstream has, each in its own way.
func operations() []operation {
	drop := func(c *goproxy.Content, err error) error {
		if err == nil {
			c.Body.Close()
		}
		return err
	}
	fetch := func(k goproxy.Kind) func(context.Context, goproxy.Fetcher) error {
		return func(ctx context.Context, f goproxy.Fetcher) error {
			_, err := f.Fetch(ctx, plainFile(k), &sink{})
			return err
		}
	}
	return []operation{
		{"list", func(ctx context.Context, f goproxy.Fetcher) error { return drop(f.List(ctx, "example.com/plain")) }},
		{"latest", func(ctx context.Context, f goproxy.Fetcher) error {
			return drop(f.Query(ctx, "example.com/plain", "latest"))
		}},
		{"branch", func(ctx context.Context, f goproxy.Fetcher) error {
			return drop(f.Query(ctx, "example.com/plain", "main"))
		}},
		{"info", fetch(goproxy.Info)},
		{"mod", fetch(goproxy.Mod)},
		{"zip", fetch(goproxy.Zip)},
		{"stat", func(ctx context.Context, f goproxy.Fetcher) error {
			_, err := f.Stat(ctx, plainFile(goproxy.Zip))
			return err
		}},
	}
}

package sumdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/sumdb"
	"github.com/modhaven/modhaven/internal/upstream"
)

func TestMain(m *testing.M) { proxytest.Main(m) }

// A shelf is a Keeper in memory.
type shelf struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (s *shelf) Load(_ context.Context, name string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.m[name]
	return b, ok
}

func (s *shelf) Save(_ context.Context, name string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string][]byte{}
	}
	s.m[name] = bytes.Clone(b)
}

func (s *shelf) Swap(_ context.Context, name string, old, b []byte) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, there := s.m[name]
	if there != (old != nil) || !bytes.Equal(now, old) {
		return false, nil
	}
	if s.m == nil {
		s.m = map[string][]byte{}
	}
	s.m[name] = bytes.Clone(b)
	return true, nil
}

func (s *shelf) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, name)
}

func (s *shelf) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.m))
}

// A remote is a Remote that answers by a function and keeps a log.
type remote struct {
	answer func(ctx context.Context, name string) ([]byte, error)

	mu  sync.Mutex
	log []string
}

func (r *remote) Get(ctx context.Context, name string, max int64, check func([]byte) error) ([]byte, error) {
	r.mu.Lock()
	r.log = append(r.log, name)
	r.mu.Unlock()
	b, err := r.answer(ctx, name)
	if err == nil && int64(len(b)) > max {
		return nil, fmt.Errorf("%d bytes, at most %d are wanted", len(b), max)
	}
	if err == nil {
		err = check(b)
	}
	return b, err
}

func (r *remote) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

// always returns a Remote that always answers so.
func always(b string, err error) *remote {
	return &remote{answer: func(context.Context, string) ([]byte, error) { return []byte(b), err }}
}

const name = "sum.example.com/db" // with a slash, as the protocol allows

// proxy returns a Proxy for a database called name that asks the remotes, and what it keeps.
func proxy(t testing.TB, remotes ...sumdb.Remote) (*sumdb.Proxy, *shelf) {
	s := &shelf{}
	return over(t, proxytest.NewSumDB(t, name), s, remotes...), s
}

// over returns a new Proxy for db over what another one kept: a restart.
func over(t testing.TB, db *proxytest.SumDB, keep *shelf, remotes ...sumdb.Remote) *sumdb.Proxy {
	return sumdb.New(sumdb.Options{DB: goproxy.SumDB{Name: db.Name}, Client: lookups(t, db, keep, remotes...), Private: goproxy.NewRules("corp.example,*.intern.example/x", nil)})
}

// get asks for a name of the database.
func get(t *testing.T, p *sumdb.Proxy, what string) (string, error) {
	t.Helper()
	c, err := p.Answer(t.Context(), name+"/"+what)
	if err != nil {
		return "", err
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	if err != nil {
		t.Fatal(err)
	}
	if c.Size != int64(len(b)) {
		t.Errorf("%s: Size is %d, the body has %d bytes", what, c.Size, len(b))
	}
	return string(b), nil
}

func mustGet(t *testing.T, p *sumdb.Proxy, what string) string {
	t.Helper()
	b, err := get(t, p, what)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return b
}

// status is the kind of an error: 404, 400, 503, or -1.
func status(err error) int {
	var absent *goproxy.NotFound
	var refused *goproxy.Refused
	var unavailable *goproxy.Unavailable
	switch {
	case err == nil:
		return 200
	case errors.As(err, &absent):
		return absent.Status
	case errors.As(err, &refused):
		return refused.Status
	case errors.As(err, &unavailable):
		return 503
	}
	return -1
}

var (
	down   = &goproxy.Unavailable{From: "http://up", Reason: "503 Service Unavailable"}
	absent = &goproxy.NotFound{Status: 404, Body: "not found: no such thing\n", From: "http://up"}
)

// A place is an address and what stands before the database's names there.
type place struct{ base, prefix string }

// overHTTP returns a Remote that asks test servers.
func overHTTP(t *testing.T, places ...place) sumdb.Remote {
	t.Helper()
	tr := &http.Transport{DialContext: proxytest.Dialer{}.DialContext, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	pool := upstream.NewPool(upstream.PoolOptions{})
	t.Cleanup(pool.Close)
	var ps []upstream.SumPlace
	for _, p := range places {
		u, err := pool.Upstream(p.base, tr, goproxy.UpstreamOptions{Check: -1})
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, upstream.SumPlace{Upstream: u, Prefix: p.prefix})
	}
	return pool.Sums(ps)
}

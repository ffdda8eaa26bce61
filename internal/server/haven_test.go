package server_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/store"
	"github.com/modhaven/modhaven/internal/sumdb"
	"github.com/modhaven/modhaven/internal/upstream"
)

// A haven is a whole server over a store in a directory, and its client.
type haven struct {
	t       *testing.T
	URL     string
	dir     string // the store
	service *proxy.Service
	handler *server.Handler
	client  *http.Client // follows no redirect, undoes no compression

	accesses chan server.Access // nil where nobody wants to hear of them
}

// newHaven starts one in front of an upstream, and of a checksum database where the upstream carries one.
func newHaven(t *testing.T, up *proxytest.Upstream, db *proxytest.SumDB) *haven {
	t.Helper()
	return guarded(t, up, db, nil)
}

// consult is a doctor that repeats what it is asked.
func consult(_ context.Context, question string) ([]byte, error) {
	if question == "bad" {
		return nil, &goproxy.Refused{Status: http.StatusTooManyRequests, Reason: "asked too often", RetryAfter: time.Second}
	}
	return []byte(`{"asked":"` + question + `"}`), nil
}

// guarded does so behind a guard.
func guarded(t *testing.T, up *proxytest.Upstream, db *proxytest.SumDB, g server.Guard) *haven {
	t.Helper()
	hv := &haven{t: t, dir: t.TempDir()}
	dir, err := store.NewDir(hv.dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DialContext: proxytest.Dialer{}.DialContext, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	pool := upstream.NewPool(upstream.PoolOptions{Patience: -1})
	t.Cleanup(pool.Close)
	src, err := pool.Upstream(up.URL, tr, goproxy.UpstreamOptions{Attempts: 1, Check: -1, Breaker: goproxy.NotOn, Segments: 1})
	if err != nil {
		t.Fatal(err)
	}
	hv.service = proxy.New(proxy.Options{
		Store: dir, Spool: t.TempDir(),
		Fetcher: pool.Chain([]upstream.Entry{{Upstream: src}}, upstream.ChainOptions{}),
	})
	t.Cleanup(hv.service.Close)
	o := server.Options{Source: hv.service, Fresh: time.Minute, Observe: hv.observe, Guard: g, Status: http.NotFoundHandler(), Doctor: consult}
	if db != nil {
		known := goproxy.SumDB{Name: db.Name, Key: db.Key}
		client, err := sumdb.NewClient(t.Context(), sumdb.ClientOptions{
			DB: known, Keep: noShelf{}, Log: quiet,
			Remote: pool.Sums([]upstream.SumPlace{{Upstream: src, Prefix: "sumdb/" + db.Name + "/"}}),
		})
		if err != nil {
			t.Fatal(err)
		}
		o.SumDB = sumdb.New(sumdb.Options{DB: known, Client: client})
	}
	hv.handler = server.New(o)
	hv.URL, hv.client = listen(t, hv.handler)
	return hv
}

func (hv *haven) observe(a server.Access) {
	if hv.accesses != nil && a.Endpoint != server.EndpointOther { // what asks after health is not of a test
		hv.accesses <- a
	}
}

type noShelf struct{}

func (noShelf) Load(context.Context, string) ([]byte, bool)                { return nil, false }
func (noShelf) Save(context.Context, string, []byte)                       {}
func (noShelf) Swap(context.Context, string, []byte, []byte) (bool, error) { return true, nil }

// listen serves h on loopback, as Modhaven does without TLS, until the test ends. The client's connections end with it.
func listen(t *testing.T, h http.Handler) (string, *http.Client) {
	t.Helper()
	ln, err := server.Listen("127.0.0.1:0", 100, server.Stall)
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + ln.Addr().String(), serve(t, server.NewHTTP(h, nil, quiet), ln)
}

var quiet = slog.New(slog.DiscardHandler)

// serve runs s on ln until the test ends.
func serve(t *testing.T, s *http.Server, ln net.Listener) *http.Client {
	t.Helper()
	proxytest.Register(ln.Addr().String())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, s, ln, time.Minute) }()
	tr := &http.Transport{DialContext: proxytest.Dialer{}.DialContext, DisableCompression: true}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// An answer is one that was read whole.
type answer struct {
	*http.Response
	body string
}

// do sends a request; headers are given as key and value in turn.
func (hv *haven) do(method, path string, headers ...string) answer {
	hv.t.Helper()
	a, err := hv.try(method, path, headers...)
	if err != nil {
		hv.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (hv *haven) try(method, path string, headers ...string) (answer, error) {
	req, err := http.NewRequest(method, hv.URL+"/"+path, nil)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := hv.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp, string(b)}, err
}

func (hv *haven) get(path string, headers ...string) answer {
	hv.t.Helper()
	return hv.do(http.MethodGet, path, headers...)
}

// files are the names in the store.
func (hv *haven) files() []string {
	hv.t.Helper()
	var all []string
	err := filepath.WalkDir(hv.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path[len(hv.dir)+1:])
		}
		return err
	})
	if err != nil {
		hv.t.Fatal(err)
	}
	return all
}

// stored waits until the fill of a file has put it into the store: clients have it a little earlier.
func (hv *haven) settle() {
	hv.t.Helper()
	if err := hv.service.Drain(hv.t.Context()); err != nil {
		hv.t.Fatal(err)
	}
}

// big is a module whose zip is answered while it arrives.
var big = sync.OnceValue(func() proxytest.Module { return stored("example.com/big", "v1.0.0", 9<<20) })

// middling is a module whose zip is too large for memory and too small to be answered early.
var middling = sync.OnceValue(func() proxytest.Module { return stored("example.com/middling", "v1.0.0", 300<<10) })

// stored returns a module whose zip is not compressed, which the race detector would make slow. All offsets in it
// hold different bytes, so that ranges can be told apart.
func stored(path, version string, size int) proxytest.Module {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	put := func(name string, data []byte) {
		w, err := z.CreateRaw(&zip.FileHeader{
			Name: path + "@" + version + "/" + name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(data),
			CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data)),
		})
		if err != nil {
			panic(err)
		}
		if _, err := w.Write(data); err != nil {
			panic(err)
		}
	}
	mod := "module " + path + "\n"
	put("go.mod", []byte(mod))
	data := make([]byte, 256<<10)
	for n := 0; n*len(data) < size; n++ {
		for i := 0; i < len(data); i += 8 {
			binary.BigEndian.PutUint64(data[i:], uint64(n*len(data)+i)*0x9e3779b97f4a7c15)
		}
		put(fmt.Sprintf("data/%04d", n), data)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return proxytest.Module{Path: path, Version: version, Mod: mod, Zip: b.Bytes()}
}

// withBig starts an upstream with both of them too.
func withBig(t *testing.T, opts ...proxytest.Option) *proxytest.Upstream {
	return proxytest.New(t, append(opts, proxytest.Modules(big(), middling()))...)
}

// upstreamBytes is what the upstream itself answers.
func upstreamBytes(t *testing.T, u *proxytest.Upstream, name string) string {
	t.Helper()
	resp, err := u.Client().Get(u.URL + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", name, resp.Status, err)
	}
	return b.String()
}

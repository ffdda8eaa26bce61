package sumlog

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// serve answers for a log over HTTP.
func serve(l *Log) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := answer(l, strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			http.Error(w, err.Error(), status(err))
			return
		}
		w.Write(b)
	})
}

// static serves the directory as any web server does.
func static(l *Log) http.Handler { return http.FileServer(http.Dir(l.dir)) }

// A client is what the go command has of golang.org/x/mod/sumdb. It may keep its files for the next one.
type client struct {
	t     *testing.T
	fetch Fetch
	mu    sync.Mutex
	files map[string][]byte
}

func newClient(t *testing.T, l *Log, fetch Fetch) *client {
	return &client{t: t, fetch: fetch, files: map[string][]byte{"key": []byte(l.Verifier())}}
}

func (c *client) ReadRemote(path string) ([]byte, error) {
	return c.fetch(context.Background(), strings.TrimPrefix(path, "/"))
}

func (c *client) ReadConfig(file string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[file], nil
}

func (c *client) WriteConfig(file string, _, b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[file] = b
	return nil
}

func (c *client) ReadCache(string) ([]byte, error) { return nil, io.EOF }
func (c *client) WriteCache(string, []byte)        {}
func (c *client) Log(string)                       {}
func (c *client) SecurityError(msg string)         { c.t.Error(msg) }

// TestClient has one client that remembers its tree look records up while the log grows, from the log and from its files.
func TestClient(t *testing.T) {
	dir := memoryDir(t)
	l := mustOpen(t, dir, newKey(t))
	for from, fetch := range map[string]Fetch{"log": fromLog(l), "files": fromDir(dir)} {
		t.Run(from, func(t *testing.T) {
			ops := newClient(t, l, fetch)
			for n := range 12 {
				at := int(l.Size())
				mustAppend(t, l, recs(at, at+1+n*37))
				for _, i := range []int{0, at / 2, at, int(l.Size()) - 1} {
					c := sumdb.NewClient(ops) // a new process of the go command
					for _, suffix := range []string{"", "/go.mod"} {
						v := rec(i).Version
						lines, err := c.Lookup(v.Path, v.Version+suffix)
						want, _, _ := strings.Cut(string(rec(i).Text), "\n")
						if suffix != "" {
							_, want, _ = strings.Cut(strings.TrimSpace(string(rec(i).Text)), "\n")
						}
						if err != nil || len(lines) != 1 || lines[0] != want {
							t.Fatalf("%s%s: %q, %v; want %q", v, suffix, lines, err, want)
						}
					}
				}
			}
		})
	}
}

// TestGo has the real go command verify a private module with the log alone, by its answers and by its files. A
// version with other hashes than the log's is a security error.
func TestGo(t *testing.T) {
	l := mustOpen(t, memoryDir(t), newKey(t))
	m := proxytest.Fixture(t, "example.com/plain", "v1.0.0")
	v := module.Version{Path: m.Path, Version: m.Version}
	sums, err := m.GoSum()
	if err != nil {
		t.Fatal(err)
	}
	up := proxytest.New(t)
	env := proxytest.GoEnv(t, up.URL, l.Verifier()+" "+proxytest.NewServer(t, serve(l)).URL)
	if _, errs, err := proxytest.Go(t, proxytest.GoModule(t, "go.mod", "module m\n"), env, "get", v.String()); err == nil || !strings.Contains(errs, "404") {
		t.Errorf("a version that is not in the log: %v\n%s", err, errs)
	}
	mustAppend(t, l, append(recs(0, 500), Record{v, sums}))
	for name, h := range map[string]http.Handler{"answers": serve(l), "files": static(l)} {
		srv := proxytest.NewServer(t, h)
		dir := proxytest.GoModule(t, "go.mod", "module m\n")
		env := proxytest.GoEnv(t, up.URL, l.Verifier()+" "+srv.URL)
		if _, errs, err := proxytest.Go(t, dir, env, "get", v.String()); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, errs)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "go.sum")); err != nil || !strings.Contains(string(got), string(sums)) {
			t.Errorf("%s: go.sum has %q, %v; want %q", name, got, err, sums)
		}
	}
	wrong := mustOpen(t, memoryDir(t), newKey(t))
	mustAppend(t, wrong, []Record{{v, textOf(v, "")}})
	srv := proxytest.NewServer(t, serve(wrong))
	env = proxytest.GoEnv(t, up.URL, wrong.Verifier()+" "+srv.URL)
	if _, errs, err := proxytest.Go(t, proxytest.GoModule(t, "go.mod", "module m\n"), env, "get", v.String()); err == nil || !strings.Contains(errs, "SECURITY ERROR") {
		t.Errorf("other hashes than the log's: %v\n%s", err, errs)
	}
}

// BenchmarkLookup is a lookup in a log of 100,000 records, with the record's tile in memory and with it read and checked.
func BenchmarkLookup(b *testing.B) {
	l := mustOpen(b, memoryDir(b), newKey(b))
	fill(b, l, 100_000)
	var names []string
	for i := range 100_000 {
		name, err := lookupName(rec(i * 7919 % 100_000).Version)
		if err != nil {
			b.Fatal(err)
		}
		names = append(names, name)
	}
	run := func(names []string) func(b *testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := l.Answer(b.Context(), names[i%len(names)]); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("memory", run(names[:50]))
	b.Run("any", run(names))
	b.Run("absent", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Answer(b.Context(), "lookup/corp.example/absent@v1.0.0"); status(err) != 404 {
				b.Fatal(err)
			}
		}
	})
}

func fill(tb testing.TB, l *Log, n int) {
	tb.Helper()
	for at := int(l.Size()); at < n; at += 1000 {
		mustAppend(tb, l, recs(at, min(at+1000, n)))
	}
}

// BenchmarkAppend appends to a directory on a disk (TMPDIR), one record at a time, from 64 callers at once, and 1000 by 1000.
func BenchmarkAppend(b *testing.B) {
	b.Run("one", func(b *testing.B) {
		l := mustOpen(b, b.TempDir(), newKey(b))
		for i := 0; b.Loop(); i++ {
			mustAppend(b, l, recs(i, i+1))
		}
		b.ReportMetric(float64(l.Size())/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("callers", func(b *testing.B) {
		l := mustOpen(b, b.TempDir(), newKey(b))
		for i := 0; b.Loop(); i++ {
			var g sync.WaitGroup
			for j := range 64 {
				g.Go(func() {
					if _, err := l.Append(b.Context(), recs(64*i+j, 64*i+j+1)); err != nil {
						b.Error(err)
					}
				})
			}
			g.Wait()
		}
		b.ReportMetric(float64(l.Size())/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("thousands", func(b *testing.B) {
		l := mustOpen(b, b.TempDir(), newKey(b))
		for i := 0; b.Loop(); i++ {
			mustAppend(b, l, recs(1000*i, 1000*i+1000))
		}
		b.ReportMetric(float64(l.Size())/b.Elapsed().Seconds(), "records/s")
	})
}

// BenchmarkOpen opens a log of 100,000 records, with its index and without.
func BenchmarkOpen(b *testing.B) {
	dir, key := memoryDir(b), newKey(b)
	l := mustOpen(b, dir, key)
	fill(b, l, 100_000)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for _, with := range []bool{true, false} {
		b.Run(fmt.Sprintf("index=%v", with), func(b *testing.B) {
			for b.Loop() {
				if !with {
					os.Remove(filepath.Join(dir, indexFile))
				}
				if l, err := Open(dir, key); err != nil || l.Size() != 100_000 {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAudit audits a log of 100,000 records.
func BenchmarkAudit(b *testing.B) {
	dir := memoryDir(b)
	l := mustOpen(b, dir, newKey(b))
	fill(b, l, 100_000)
	for b.Loop() {
		if _, err := Audit(b.Context(), fromDir(dir), l.Verifier(), AuditOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

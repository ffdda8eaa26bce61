package sumdb_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb"

	"github.com/modhaven/modhaven/internal/proxytest"
	haven "github.com/modhaven/modhaven/internal/sumdb"
)

// A client is what the go command has of golang.org/x/mod/sumdb: it verifies each record and tile with the database's key.
type client struct {
	t     *testing.T
	p     *haven.Proxy
	db    *proxytest.SumDB
	mu    sync.Mutex
	files map[string][]byte
}

func newClient(t *testing.T, p *haven.Proxy, db *proxytest.SumDB) *sumdb.Client {
	return sumdb.NewClient(&client{t: t, p: p, db: db, files: map[string][]byte{"key": []byte(db.Key)}})
}

func (c *client) ReadRemote(path string) ([]byte, error) {
	a, err := c.p.Answer(context.Background(), c.db.Name+path)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	return io.ReadAll(a.Body)
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

// TestRealClient verifies every fixture through the proxy, with a copy on an upstream, with the database alone, and with
// both; then again by a proxy that was restarted over what the first one kept, with nobody to ask.
func TestRealClient(t *testing.T) {
	for _, dbName := range []string{"sum.example.com", "sum.example.com/with/path"} {
		db := proxytest.NewSumDB(t, dbName)
		copied := proxytest.New(t, proxytest.WithSumDB(db))
		without := proxytest.New(t)
		places := map[string][]place{
			"a copy":                             {{copied.URL, "sumdb/" + dbName + "/"}},
			"the database":                       {{db.URL, ""}},
			"both, a proxy without a copy first": {{without.URL, "sumdb/" + dbName + "/"}, {db.URL, ""}},
		}
		for where, ps := range places {
			t.Run(dbName+"/"+where, func(t *testing.T) {
				keep := &shelf{}
				verifyAll(t, newClient(t, over(t, db, keep, overHTTP(t, ps...)), db))
				verifyAll(t, newClient(t, over(t, db, keep), db))
			})
		}
	}
}

// verifyAll looks every fixture up.
func verifyAll(t *testing.T, c *sumdb.Client) {
	t.Helper()
	for _, m := range proxytest.Fixtures(t) {
		lines, err := c.Lookup(m.Path, m.Version)
		if err != nil {
			t.Fatalf("%s@%s: %v", m.Path, m.Version, err)
		}
		want, err := m.GoSum()
		if err != nil {
			t.Fatal(err)
		}
		if zip, _, _ := strings.Cut(string(want), "\n"); len(lines) != 1 || lines[0] != zip {
			t.Errorf("%s@%s: got %q, want %q", m.Path, m.Version, lines, zip)
		}
	}
}

// TestGrowingTree has a version published after others were looked up: the new record is found, and proven to continue
// the tree that clients know.
func TestGrowingTree(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	p := over(t, db, &shelf{}, overHTTP(t, place{db.URL, ""}))
	c := newClient(t, p, db)
	if _, err := c.Lookup("example.com/plain", "v1.0.0"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Answer(t.Context(), db.Name+"/lookup/example.com/plain@v1.9.0"); status(err) != 404 {
		t.Errorf("before it is published: got %v", err)
	}
	db.Add(proxytest.Module{Path: "example.com/plain", Version: "v1.9.0", Files: map[string]string{"go.mod": "module example.com/plain\n"}})
	lines, err := c.Lookup("example.com/plain", "v1.9.0")
	if err != nil || len(lines) != 1 {
		t.Errorf("got %q, %v", lines, err)
	}
}

// TestNothingOfTheClientIsForwarded: a question to the database says nothing about who asks.
func TestNothingOfTheClientIsForwarded(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	p := over(t, db, &shelf{}, overHTTP(t, place{db.URL, ""}))
	if _, err := p.Answer(t.Context(), db.Name+"/latest"); err != nil {
		t.Fatal(err)
	}
	for _, r := range db.Log() {
		for _, key := range []string{"Authorization", "Cookie", "X-Forwarded-For", "Referer", "Via"} {
			if v := r.Header[http.CanonicalHeaderKey(key)]; v != nil {
				t.Errorf("%s: %q was sent", key, v)
			}
		}
	}
	if len(db.Log()) != 1 {
		t.Errorf("%d questions", len(db.Log()))
	}
}

// TestOfflineAfterGrowth: records are proven one by one while the tree grows; then, with nobody to ask, a client that knows
// nothing verifies all of them, under one head.
func TestOfflineAfterGrowth(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	keep := &shelf{}
	online := over(t, db, keep, overHTTP(t, place{db.URL, ""}))
	var lookups []string
	for i := range 300 {
		m := proxytest.Module{Path: fmt.Sprintf("example.com/many%03d", i), Version: "v1.0.0", Files: map[string]string{"go.mod": "module x\n"}}
		db.Add(m)
		lookups = append(lookups, m.Lookup())
		if _, err := online.Answer(t.Context(), db.Name+"/"+m.Lookup()); err != nil {
			t.Fatal(err)
		}
	}
	offline := over(t, db, keep)
	c := newClient(t, offline, db)
	heads := map[string]bool{}
	for i, name := range lookups {
		path := fmt.Sprintf("example.com/many%03d", i)
		if lines, err := c.Lookup(path, "v1.0.0"); err != nil || len(lines) != 1 {
			t.Fatalf("%s: %q, %v", path, lines, err)
		}
		a, err := offline.Answer(t.Context(), db.Name+"/"+name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		_, head, _ := strings.Cut(string(b), "\n\n")
		heads[head] = true
	}
	if len(heads) != 1 {
		t.Errorf("the lookups came under %d heads", len(heads))
	}
	if _, err := offline.Answer(t.Context(), db.Name+"/latest"); err != nil {
		t.Errorf("latest: %v", err)
	}
	if _, err := over(t, db, &shelf{}).Answer(t.Context(), db.Name+"/supported"); status(err) != 404 {
		t.Errorf("with nothing kept and nobody to ask it is supported: %v", err)
	}
}

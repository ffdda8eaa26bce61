package server_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/server"
)

// stale is a Source whose answers are old.
type stale struct {
	fails
	checked time.Time
}

func (s stale) List(context.Context, string) (*goproxy.Content, error) {
	return &goproxy.Content{
		Meta: goproxy.Meta{Size: 7, ETag: "abc", From: "http://up", Checked: s.checked, Stale: true}, Body: goproxy.NewBytes([]byte("v1.0.0\n")),
	}, nil
}

func (s stale) Query(ctx context.Context, _, _ string) (*goproxy.Content, error) {
	return s.List(ctx, "")
}

// TestStaleIsMarked: an old answer says how old it is (RFC 9211, 2 and RFC 9111, 5.1), and no cache keeps it.
func TestStaleIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stale{checked: time.Now()}
		time.Sleep(90*time.Minute + 500*time.Millisecond)
		h := server.New(server.Options{Source: s, Fresh: time.Minute})
		for _, name := range []string{"example.com/m/@v/list", "example.com/m/@latest", "example.com/m/@v/main.info"} {
			for _, method := range []string{"GET", "HEAD"} {
				a := ask(h, method, name)
				for key, want := range map[string]string{
					"Age": "5400", "Cache-Status": "modhaven; hit; ttl=-5340; detail=stale-upstream-trouble", "Cache-Control": "no-store", "Etag": `"abc"`,
				} {
					if got := a.Header.Get(key); got != want {
						t.Errorf("%s %s: %s: got %q, want %q", method, name, key, got, want)
					}
				}
				if a.StatusCode != 200 {
					t.Errorf("%s %s: got %s", method, name, a.Status)
				}
			}
		}
	})
}

// TestDisableModuleFetch: with the header, or below /cached-only, only what is stored is answered, and nobody is asked.
func TestDisableModuleFetch(t *testing.T) {
	u := withBig(t)
	hv := newHaven(t, u, nil)
	names := []string{
		"example.com/plain/@v/list", "example.com/plain/@latest", "example.com/plain/@v/main.info", "example.com/plain/@v/v1.0.0.info",
		"example.com/plain/@v/v1.0.0.mod", "example.com/plain/@v/v1.0.0.zip", middling().Name("zip"),
	}
	for _, name := range names {
		for _, method := range []string{"GET", "HEAD"} {
			for _, value := range []string{"true", "1", "T", "TRUE"} {
				a := hv.do(method, name, "Disable-Module-Fetch", value)
				if a.StatusCode != 404 || a.Header.Get("Cache-Control") != "no-store" || method == "GET" && a.body != "not found: temporarily unavailable\n" {
					t.Errorf("%s %s with %q: got %s %q, %q", method, name, value, a.Status, a.body, a.Header)
				}
			}
			if a := hv.do(method, "cached-only/"+name); a.StatusCode != 404 || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s /cached-only/%s: got %s", method, name, a.Status)
			}
		}
	}
	if n := u.Requests("*"); n != 0 {
		t.Fatalf("%d requests were made", n)
	}
	for i, name := range names { // "false", and what is no truth value, is no such request
		a := hv.get(name, "Disable-Module-Fetch", []string{"false", "0", "F", "", "maybe", "no", "false"}[i])
		if a.StatusCode != 200 {
			t.Errorf("%s: got %s", name, a.Status)
		}
	}
	hv.settle()
	u.Forget()
	u.Fail("*", proxytest.Status(500, "not to be asked"))
	for _, name := range names {
		want := hv.get(name, "Disable-Module-Fetch", "true")
		if want.StatusCode != 200 {
			t.Errorf("%s is stored: got %s", name, want.Status)
		}
		if a := hv.get("cached-only/" + name); a.StatusCode != 200 || !bytes.Equal([]byte(a.body), []byte(want.body)) {
			t.Errorf("/cached-only/%s: got %s", name, a.Status)
		}
	}
	if n := u.Requests("*"); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

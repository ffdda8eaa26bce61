package upstream_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// TestHTMLInPlaceOfAnything has a captive portal: pages with status 200.
func TestHTMLInPlaceOfAnything(t *testing.T) {
	typed := func(v string) proxytest.Fault { return proxytest.HTML().And(proxytest.Header("Content-Type", v)) }
	tests := []struct {
		name string
		page proxytest.Fault
		not  string // operations that cannot see it: the sink judges an .info and a .mod, a HEAD shows its type only
	}{
		{"as HTML", proxytest.HTML(), ""},
		{"in capitals", typed("Text/HTML; charset=UTF-8"), ""},
		{"as text", typed("text/plain"), "info mod stat"},
		{"as a zip", typed("application/zip"), "info mod stat"},
		{"without a type", typed(""), "info mod stat"},
		{"after spaces", proxytest.Status(200, "\ufeff \r\n\t<html>"), "info mod stat"},
		{"as XML", proxytest.Status(200, `<?xml version="1.0"?><Error/>`), "info mod stat"},
	}
	u := proxytest.New(t)
	h := newSource(t, u.URL)
	for _, test := range tests {
		u.Heal()
		u.Fail("*", test.page)
		for _, op := range operations() {
			if slices.Contains(strings.Fields(test.not), op.name) {
				continue
			}
			if got := kind(op.do(t.Context(), h)); got != "wrong" {
				t.Errorf("a page %s for %s: got %s, want wrong", test.name, op.name, got)
			}
		}
	}
}

// TestWrongAnswers has answers of status 200 that are not what was asked.
func TestWrongAnswers(t *testing.T) {
	tests := []struct{ name, op, body string }{
		{"no JSON", "latest", "v1.0.0"},
		{"empty", "latest", ""},
		{"empty", "branch", ""},
		{"an object without a version", "branch", "{}"},
		{"a version that is not canonical", "latest", `{"Version":"v1"}`},
		{"a version of another major", "latest", `{"Version":"v2.0.0"}`},
		{"a branch's name", "branch", `{"Version":"main"}`},
		{"more after the object", "latest", `{"Version":"v1.0.0"} {}`},
		{"a time that is none", "latest", `{"Version":"v1.0.0","Time":"yesterday"}`},
		{"text for a zip", "zip", "no such file"},
		{"half a signature", "zip", "P"},
		{"gzip for a zip", "zip", "\x1f\x8b\x08"},
		{"NUL bytes", "list", "v1.0.0\x00\n"},
	}
	u := proxytest.New(t)
	h := newSource(t, u.URL)
	ops := map[string]operation{}
	for _, op := range operations() {
		ops[op.name] = op
	}
	for _, test := range tests {
		t.Run(test.op+"/"+test.name, func(t *testing.T) {
			u.Heal()
			u.Fail("*", proxytest.Status(200, test.body))
			err := ops[test.op].do(t.Context(), h)
			if got := kind(err); got != "wrong" {
				t.Fatalf("got %s (%v), want wrong", got, err)
			}
			if !strings.HasPrefix(err.Error(), u.URL+": ") {
				t.Errorf("the error does not begin with the upstream: %v", err)
			}
		})
	}
}

// TestWrongZipReachesNoSink: not one byte of a page may be written where readers follow.
func TestWrongZipReachesNoSink(t *testing.T) {
	u := proxytest.New(t)
	u.Fail("*.zip", proxytest.HTML().And(proxytest.Header("Content-Type", "application/zip")))
	s := &sink{}
	_, err := newSource(t, u.URL).Fetch(t.Context(), plainFile(goproxy.Zip), s)
	if kind(err) != "wrong" || !strings.Contains(err.Error(), "HTML page") {
		t.Errorf("got %v, want a Wrong that speaks of an HTML page", err)
	}
	if len(s.b) != 0 || len(s.checks) != 0 {
		t.Errorf("%d bytes were written, %d checks made", len(s.b), len(s.checks))
	}
}

// TestListIsCleaned: one version that does not fit the path breaks @latest for every go command.
func TestListIsCleaned(t *testing.T) {
	const listed = "v1.0.0\nv2.0.0\nv1.1.0 2024-01-02T15:04:05Z\nv2.0.0+incompatible\nv1\n1.0.1\nv1.2\nv1.0.0+meta\nlatest\n\n" +
		"v0.0.0-20240101000000-000000000001\nv1.3.0-RC.1\r\nv01.0.0\nhttp://example.com\nv1.4.0"
	const want = "v1.0.0\nv1.1.0 2024-01-02T15:04:05Z\nv2.0.0+incompatible\n\n" +
		"v0.0.0-20240101000000-000000000001\nv1.3.0-RC.1\r\nv1.4.0"
	u := proxytest.New(t)
	u.Fail("*/@v/list", proxytest.Status(200, listed))
	c, err := newSource(t, u.URL).List(t.Context(), "example.com/m")
	if diff := cmp.Diff(want, body(t, c, err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if c.From != u.URL || c.Checked.IsZero() || c.Stale {
		t.Errorf("got %+v", c.Meta)
	}
}

// TestPeer21UpstreamsBytes: other proxies write an .info anew: the origin is lost, the time zone changed, and the
// types of list and latest are swapped. What comes here is what the upstream has, to the byte.
func TestPeer21UpstreamsBytes(t *testing.T) {
	odd := proxytest.Fixture(t, "example.com/oddinfo", "v1.0.0")
	for name, opts := range map[string][]proxytest.Option{
		"tidy": nil,
		"odd":  {proxytest.SpacedInfo(), proxytest.Gzip(), proxytest.Chunked(), proxytest.NoETag()},
	} {
		t.Run(name, func(t *testing.T) {
			u := proxytest.New(t, opts...)
			h := newSource(t, u.URL)
			info := direct(t, u, odd.Name("info"))
			if name == "tidy" && info != odd.Info {
				t.Fatalf("the upstream serves %q, the fixture has %q", info, odd.Info)
			}
			for _, k := range []goproxy.Kind{goproxy.Info, goproxy.Mod, goproxy.Zip} {
				f, s := file(odd.Path, odd.Version, k), &sink{}
				meta, err := h.Fetch(t.Context(), f, s)
				if err != nil {
					t.Fatal(err)
				}
				if want := direct(t, u, f.Name()); string(s.b) != want {
					t.Errorf("%s: got %q, want %q", f, s.b, want)
				}
				if meta.From != u.URL || meta.Size != int64(len(s.b)) {
					t.Errorf("%s: got %+v", f, meta)
				}
			}
			c, err := h.Query(t.Context(), odd.Path, "latest")
			if got := body(t, c, err); got != info {
				t.Errorf("@latest: got %q, want %q", got, info)
			}
		})
	}
}

// direct is what the upstream itself answers.
func direct(t *testing.T, u *proxytest.Upstream, name string) string {
	t.Helper()
	resp, err := u.Client().Get(u.URL + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", name, resp.Status, err)
	}
	return string(b)
}

package server_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// An endpoint is one of the protocol's, with how its answer is to be described.
type endpoint struct {
	name, ctype, cache string
	etag               bool
	file               bool // immutable, fetched into the store
}

func endpoints(db *proxytest.SumDB) []endpoint {
	const text, json = "text/plain; charset=utf-8", "application/json"
	const forever, minute = "public, max-age=604800, immutable", "public, max-age=60"
	sum := "sumdb/" + db.Name + "/"
	return []endpoint{
		{"example.com/plain/@v/list", text, minute, true, false},
		{"example.com/plain/@latest", json, minute, true, false},
		{"example.com/plain/@v/main.info", json, minute, true, false},
		{"example.com/plain/@v/latest.info", json, minute, true, false},
		{"example.com/plain/@v/v1.0.0.info", json, forever, true, true},
		{"example.com/plain/@v/v1.0.0.mod", text, forever, true, true},
		{"example.com/plain/@v/v1.0.0.zip", "application/zip", forever, true, true},
		{"example.com/plain/@v/v1.2.1-0.20240301120000-0123456789ab.mod", text, forever, true, true},
		{"example.com/incompat/@v/v2.0.0+incompatible.info", json, forever, true, true},
		{"example.com/!upper/@v/v1.0.0.mod", text, forever, true, true},
		{"example.com/~user/tilde/@v/v1.0.0.mod", text, forever, true, true},
		{"single.test/@v/list", text, minute, true, false},
		{"golang.org/toolchain/@v/v0.0.1-go1.99.0.linux-amd64.zip", "application/zip", forever, true, true},
		{sum + "supported", text, minute, false, false},
		{sum + "latest", text, minute, false, false},
		{sum + "lookup/example.com/!upper@v1.0.0", text, "public, max-age=86400", false, false},
		{sum + "tile/8/0/000.p/20", "application/octet-stream", forever, false, false},
	}
}

// TestEndpoints asks for everything of the protocol, twice: first from the upstream, then from what is stored. GET gives
// the upstream's own bytes, HEAD all of GET but the body, anything else is not allowed and reaches nobody.
func TestEndpoints(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com/db")
	u := proxytest.New(t, proxytest.WithSumDB(db))
	for _, e := range endpoints(db) {
		t.Run(e.name, func(t *testing.T) {
			hv := newHaven(t, u, db)
			var want string
			switch {
			case strings.HasSuffix(e.name, "/supported"):
			case strings.HasSuffix(e.name, "/latest.info"): // the upstream does not know it: it means @latest
				want = upstreamBytes(t, u, "example.com/plain/@latest")
			default:
				want = upstreamBytes(t, u, e.name)
			}
			u.Forget()
			for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"} {
				a := hv.do(method, e.name)
				if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD" {
					t.Errorf("%s: got %s, Allow: %q", method, a.Status, a.Header.Get("Allow"))
				}
				checkReason(t, a)
			}
			if n := u.Requests("*"); n != 0 {
				t.Errorf("the upstream was asked %d times for it", n)
			}
			cold := hv.do("HEAD", e.name)
			checkHead(t, e, cold, len(want), false)
			for _, when := range []string{"miss", "hit"} {
				a := hv.get(e.name)
				if a.StatusCode != 200 || a.body != want {
					t.Errorf("%s: got %s with %d bytes, want the upstream's %d", when, a.Status, len(a.body), len(want))
				}
				checkHead(t, e, a, len(want), e.etag)
				hv.settle()
			}
			a := hv.get(e.name)
			head := hv.do("HEAD", e.name)
			checkHead(t, e, head, len(want), e.etag)
			if head.body != "" {
				t.Errorf("HEAD has the body %q", head.body)
			}
			for key := range a.Header {
				if key != "Date" && key != "Accept-Ranges" && !slices.Equal(a.Header[key], head.Header[key]) {
					t.Errorf("%s: GET has %q, HEAD has %q", key, a.Header[key], head.Header[key])
				}
			}
			if e.file && u.Requests(e.name) != 2 {
				t.Errorf("%d requests, want one HEAD and one GET", u.Requests(e.name))
			}
		})
	}
}

// checkHead checks what describes an answer.
func checkHead(t *testing.T, e endpoint, a answer, size int, etag bool) {
	t.Helper()
	if a.StatusCode != 200 {
		t.Errorf("got %s", a.Status)
	}
	for key, want := range map[string]string{"Content-Type": e.ctype, "Cache-Control": e.cache, "Content-Length": strconv.Itoa(size)} {
		if got := a.Header.Get(key); got != want {
			t.Errorf("%s %s: got %q, want %q", a.Request.Method, key, got, want)
		}
	}
	tag := a.Header.Get("ETag")
	if etag && (len(tag) < 10 || tag[0] != '"' || tag[len(tag)-1] != '"') || !e.etag && tag != "" {
		t.Errorf("%s: the ETag is %s", a.Request.Method, tag)
	}
	for _, key := range []string{"Location", "Content-Encoding", "Set-Cookie", "Cache-Status", "Age", "Last-Modified"} {
		if got := a.Header.Get(key); got != "" {
			t.Errorf("%s %s: got %q", a.Request.Method, key, got)
		}
	}
}

// TestPeer21TypesOfListAndLatest: another proxy has the types of these two swapped, and writes an .info anew.
func TestPeer21TypesOfListAndLatest(t *testing.T) {
	u := proxytest.New(t, proxytest.SpacedInfo(), proxytest.ListPseudo(), proxytest.NoLatest())
	hv := newHaven(t, u, nil)
	if a := hv.get("example.com/oddinfo/@v/list"); !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") || a.body != "v1.0.0\n" {
		t.Errorf("list: got %s %q", a.Header.Get("Content-Type"), a.body)
	}
	info := upstreamBytes(t, u, "example.com/oddinfo/@v/v1.0.0.info")
	if !strings.Contains(info, "Origin") || !strings.Contains(info, "+02:00") {
		t.Fatalf("the fixture has no origin or no time zone: %s", info)
	}
	for range 2 {
		for _, name := range []string{"example.com/oddinfo/@latest", "example.com/oddinfo/@v/v1.0.0.info"} {
			if a := hv.get(name); a.Header.Get("Content-Type") != "application/json" || a.body != info {
				t.Errorf("%s: got %s %q, want %q", name, a.Header.Get("Content-Type"), a.body, info)
			}
		}
		hv.settle()
	}
}

// TestHeadStartsNoFill: pkgsite asks for sizes of zips that it never fetches.
func TestHeadStartsNoFill(t *testing.T) {
	u := withBig(t)
	hv := newHaven(t, u, nil)
	a := hv.do("HEAD", big().Name("zip"))
	hv.settle()
	if a.StatusCode != 200 || a.ContentLength != int64(len(upstreamBytes(t, u, big().Name("zip")))) {
		t.Errorf("got %s, %d bytes", a.Status, a.ContentLength)
	}
	for _, r := range u.Log()[:1] {
		if r.Method != "HEAD" {
			t.Errorf("the upstream was asked to %s", r.Method)
		}
	}
	if files := hv.files(); len(files) != 0 {
		t.Errorf("stored: %q", files)
	}
	if a := hv.do("HEAD", "example.com/none/@v/v1.0.0.zip"); a.StatusCode != 404 {
		t.Errorf("an absent zip: got %s", a.Status)
	}
}

// TestBesidesTheProtocol has the few pages that are no part of it.
func TestBesidesTheProtocol(t *testing.T) {
	hv := newHaven(t, proxytest.New(t), nil)
	for path, want := range map[string]string{
		"healthz": "ok\n", "readyz": "ok\n", "": "Modhaven, a Go module proxy. Use it: export GOPROXY=" + hv.URL + "\n",
	} {
		if a := hv.get(path); a.StatusCode != 200 || a.body != want || a.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("/%s: got %s %q", path, a.Status, a.body)
		}
		if a := hv.do("HEAD", path); a.StatusCode != 200 || a.body != "" || a.ContentLength != int64(len(want)) {
			t.Errorf("HEAD /%s: got %s, %d bytes", path, a.Status, a.ContentLength)
		}
	}
	for _, path := range []string{"healthz/", "readyz/x", "favicon.ico", "robots.txt", "metrics", "index", "sumdb", "sumdb/", "sumdb/sum.golang.org/supported"} {
		if a := hv.get(path); a.StatusCode != 404 {
			t.Errorf("/%s: got %s", path, a.Status)
		}
	}
}

// TestPeer12NothingIsForwarded: another proxy sends its clients' credentials and cookies on to the checksum database.
// Here no upstream learns who asks, or with what.
func TestPeer12NothingIsForwarded(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com/db")
	u := proxytest.New(t, proxytest.WithSumDB(db), proxytest.RedirectZips())
	hv := newHaven(t, u, db)
	headers := []string{
		"Authorization", "Basic Ym9iOnMzY3IzdA==", "Cookie", "session=s3cr3t", "Proxy-Authorization", "Bearer s3cr3t", "X-Forwarded-For", "192.0.2.7",
		"Forwarded", "for=192.0.2.7", "Referer", "http://intranet.example/s3cr3t", "User-Agent", "s3cr3t", "X-Custom", "s3cr3t", "Range", "bytes=0-1", "If-None-Match", `"s3cr3t"`,
	}
	for _, e := range endpoints(db) {
		hv.get(e.name, headers...)
		hv.do("HEAD", e.name, headers...)
	}
	hv.settle()
	allowed := []string{"User-Agent", "Accept-Encoding"}
	for _, r := range append(u.Log(), u.Storage.Log()...) {
		for key, values := range r.Header {
			if !slices.Contains(allowed, key) || strings.Contains(values[0], "s3cr3t") {
				t.Errorf("%s %s: %s: %q was sent", r.Method, r.Name, key, values)
			}
		}
	}
	if len(u.Log()) < len(endpoints(db))-1 {
		t.Errorf("only %d requests were made", len(u.Log()))
	}
}

package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// raw sends a request line as it is, which no client library would, and reads the answer.
func (hv *haven) raw(method, target string) answer {
	hv.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(hv.URL, "http://"))
	if err != nil {
		hv.t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: modhaven.test\r\nConnection: close\r\n\r\n", method, target)
	req, _ := http.NewRequest(method, "http://modhaven.test/", nil)
	resp, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		hv.t.Fatalf("%q: %v", target, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		hv.t.Fatalf("%q: %v", target, err)
	}
	return answer{resp, string(b)}
}

// oddPaths are what no honest client asks. Some reach a file elsewhere, an option of a command or another host in
// servers that take them as they come.
var oddPaths = []string{
	"/-h/@v/list", "/--help/@v/v1.0.0.info", "/-toolexec=touch${IFS}x/@v/list", "/-modfile=x.mod/@latest", "/-/@v/v1.0.0.zip",
	"/../../../../etc/passwd", "/../@v/list", "/example.com/../../x/@v/list", "/example.com/m/@v/../../../x.mod", "/./example.com/m/@v/list", "/example.com/./m/@latest",
	"/%2e%2e/%2e%2e/etc/passwd", "/%2e%2e/@v/list", "/example.com/%2e%2e/m/@v/list", "/example.com/m/@v/%2e%2e%2f%2e%2e%2fx.mod", "/example.com/m/@v/..zip",
	"/example.com%00/@v/list", "/example.com/m%00.zip/@v/v1.0.0.zip", "/example.com/m/@v/v1.0.0%00.info", "/%00",
	"/example.com%2fm/@v/list", "/example.com%2Fm/@latest", "/example.com/m/@v%2flist", "/example.com/m%2f@v/list", "/example.com/m/@v/v1.0.0%2f.info",
	"//example.com/m/@v/list", "/example.com//m/@v/list", "/example.com/m//@v/list", "/example.com/m/@v//list", "/example.com/m/@v/v1.0.0.info/", "/example.com/m/@latest/", "/example.com/m/@v/list/", "/example.com/m/@v/", "/example.com/m/@v", "/example.com/m/",
	"/" + strings.Repeat("a", 3000) + ".com/m/@v/list", "/example.com/" + strings.Repeat("a/", 1100) + "m/@v/list", "/example.com/m/@v/" + strings.Repeat("v", 2100) + ".info", "/example.com/" + strings.Repeat("x", 1900) + "!/@v/list",
	"/example.com/!/@v/list", "/example.com/!!m/@v/list", "/example.com/!M/@v/list", "/example.com/!1/@v/list", "/example.com/m!/@latest", "/example.com/m/@v/v1.0.0-!.info", "/example.com/m/@v/v1.0.0-!R.info",
	"/example.com/M/@v/list", "/Example.com/m/@v/list", "/example.com/m/@v/v1.0.0-RC.info", "/GITHUB.COM/m/@latest",
	"/m/@v/list", "/localhost/@v/list", "/con.example/aux/@v/list", "/example.com/nul/@latest", "/example.com/m~1/@v/list", "/example.com/.git/@v/list", "/example.com/m./@latest", "/.example.com/m/@v/list",
	"/example.com/m/v1/@v/list", "/example.com/m/v0/@latest", "/example.com/m/v02/@v/list", "/gopkg.in/yaml/@v/list",
	"/example.com/m/@v/v1.0.zip", "/example.com/m/@v/v2.0.0.mod", "/example.com/m/@v/main.zip", "/example.com/m/@v/v1.0.0.ziphash", "/example.com/m/@v/v1.0.0.lock", "/example.com/m/@v/v1.0.0", "/example.com/m/@v/.info", "/example.com/m/@v/info", "/example.com/m/@v/v1.0.0.INFO", "/example.com/m/@v/list.info/list",
	"/example.com/m/@V/list", "/example.com/m/@Latest", "/@v/list", "/@latest", "/@v/v1.0.0.zip", "/example.com/m", "/example.com/m@v1.0.0", "/example.com/m/@v/v1.0.0.info.zip.exe",
	"/http://example.com/m/@v/list", "/https:/example.com/m/@v/list", "/file:///etc/passwd", "/example.com:80/m/@v/list", "/user@example.com/m/@v/list", "/example.com/m?x/@v/list?y=/@v/list", "/example.com/m%3fx/@v/list", "/example.com/m%23x/@v/list", "/example.com\\m/@v/list", "/example.com/%5c..%5cm/@v/list",
	"/éxample.com/m/@v/list", "/example.com/m%ff/@v/list", "/example.com/%e2%80%ae/@v/list", "/example.com/m%0d%0aX-Y:z/@v/list", "/example.com/m%20n/@v/list", "/example.com/m%09/@v/list", "/example.com/m/@v/a%20b/list",
	"/cached-only", "/cached-only/", "/cached-only/cached-only/example.com/m/@v/list", "/cached-only/../x/@v/list", "/cached-only/-h/@v/list",
	"/sumdb/../example.com/m/@v/list", "/sumdb/sum.example.com/../../etc/passwd", "/sumdb/sum.golang.org/supported", "/sumdb/x", "/modules/example.com/m/@v/list", "/queries/", "/format", "/spool/", "/.lock",
}

// TestPeer13And14OddPathsAreRefused: one proxy hands "-toolexec=x" to the go command as a flag, another one reads files
// outside of its cache. Here each odd path is 404 with a reason, never a redirect to a cleaned one, and it reaches
// neither an upstream nor the disk.
func TestPeer13And14OddPathsAreRefused(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	u := proxytest.New(t, proxytest.WithSumDB(db))
	hv := newHaven(t, u, db)
	outside := filepath.Join(hv.dir, "..", "secret.info")
	if err := os.WriteFile(outside, []byte(`{"Version":"v1.0.0"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range oddPaths {
		for _, method := range []string{"GET", "HEAD"} {
			a := hv.raw(method, path)
			if a.StatusCode != 404 || a.Header.Get("Location") != "" {
				t.Errorf("%s %.80q: got %s, Location %q", method, path, a.Status, a.Header.Get("Location"))
			}
			if method == "GET" {
				if checkReason(t, a); !strings.HasPrefix(a.body, "not found: ") {
					t.Errorf("%.80q: the reason is %q", path, a.body)
				}
			}
		}
	}
	wantUntouched(t, hv, u)
}

// wantUntouched wants that nobody was asked and nothing was made.
func wantUntouched(t *testing.T, hv *haven, u *proxytest.Upstream) {
	t.Helper()
	hv.settle()
	for _, r := range u.Log() {
		t.Errorf("the upstream was asked to %s %.80q", r.Method, r.Name)
	}
	entries, err := os.ReadDir(hv.dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("the store has %v, %v", entries, err)
	}
}

// TestBrokenRequests: what is no HTTP is net/http's to refuse; nothing of it goes any further.
func TestBrokenRequests(t *testing.T) {
	u := proxytest.New(t)
	hv := newHaven(t, u, nil)
	for _, target := range []string{"/example.com/%zz/@v/list", "/%", "/example.com/m/@v/%2", "/\x01", "example.com/m/@v/list", "*"} {
		if a := hv.raw("GET", target); a.StatusCode != 400 && a.StatusCode != 404 {
			t.Errorf("%q: got %s", target, a.Status)
		}
	}
	if a := hv.raw("CONNECT", "example.com:443"); a.StatusCode != 405 {
		t.Errorf("CONNECT: got %s", a.Status)
	}
	if a := hv.raw("GET", "http://169.254.169.254/latest/meta-data"); a.StatusCode != 404 {
		t.Errorf("another host: got %s", a.Status)
	}
	wantUntouched(t, hv, u)
}

// TestHonestPathsAreNotRefused is the control: names that look odd and are right.
func TestHonestPathsAreNotRefused(t *testing.T) {
	u := proxytest.New(t)
	hv := newHaven(t, u, nil)
	for _, path := range []string{
		"/example.com/!upper/@v/v1.0.0.info", "/example.com/%21upper/@v/v1.0.0.mod", "/example.com/~user/tilde/@v/v1.0.0.info", "/example.com/%7Euser/tilde/@v/v1.0.0.mod",
		"/example.com/!upper/!sub-!module/@v/v1.0.0-!r!c.1.info", "/single.test/@v/list", "/example.com/incompat/@v/v2.0.0+incompatible.mod", "/example.com/incompat/@v/v2.0.0%2Bincompatible.info",
		"/example.com/plain/@v/%21feature.info", "/golang.org/toolchain/@v/v0.0.1-go1.99.0.linux-amd64.mod", "/example.com/major/v2/@latest", "/example.com/plain/@v/list?go-get=1",
		"/%65xample.com/plain/@v/list", "/cached-only/example.com/plain/@v/list",
	} {
		if a := hv.raw("GET", path); a.StatusCode != 200 {
			t.Errorf("%s: got %s %q", path, a.Status, a.body)
		}
	}
	for _, r := range u.Log() {
		if r.Query != "" {
			t.Errorf("a query was sent on: %s?%s", r.Name, r.Query)
		}
	}
}

// FuzzPaths: whatever the path, the server neither panics nor redirects nor breaks, and no name leaves for the upstream or
// the disk that it did not check.
func FuzzPaths(f *testing.F) {
	for _, p := range oddPaths {
		f.Add("GET", p, "")
	}
	f.Add("HEAD", "/example.com/m/@v/v1.0.0.zip", "bytes=0-1,5-")
	f.Add("GET", "/example.com/m/@v/list", "bytes=-1")
	f.Add("POST", "/sumdb/sum.example.com/lookup/example.com/!m@v1.0.0", "")
	src := &watched{}
	h := newWatchedHandler(src)
	f.Fuzz(func(t *testing.T, method, path, rng string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !validMethod(method) {
			return
		}
		src.asked = nil
		r := (&http.Request{Method: method, URL: u, Host: "x", Header: http.Header{}, ProtoMajor: 1, ProtoMinor: 1}).WithContext(t.Context())
		if rng != "" {
			r.Header.Set("Range", rng)
		}
		a := recorded(h, r)
		if a.StatusCode >= 500 || a.StatusCode >= 300 && a.StatusCode < 400 {
			t.Errorf("%s %q: got %s, Location %q", method, path, a.Status, a.Header.Get("Location"))
		}
		for _, name := range src.asked {
			if strings.Contains(name, "..") || strings.ContainsAny(name, "\x00\\?#%\n") || strings.Contains(name, "//") || name[0] == '-' || name[0] == '/' || name[0] == '.' {
				t.Errorf("%q: asked for %q", path, name)
			}
			if slices.ContainsFunc(strings.Split(name, "/"), func(e string) bool { return e == "" || e == "." }) {
				t.Errorf("%q: asked for %q", path, name)
			}
		}
	})
}

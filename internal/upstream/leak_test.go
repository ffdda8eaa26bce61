package upstream_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// rudeAnswers are answers after which something could be left open.
var rudeAnswers = map[string]http.HandlerFunc{
	"good":             good,
	"404":              status(404),
	"404 with a page":  long(404, "text/html"),
	"503 with a novel": long(503, "text/plain"),
	"200 with a page":  long(200, "text/html"),
	"no zip":           long(200, "application/octet-stream"),
	"hang":             hang,
	"hang in the text": thenHang(long(500, "text/plain")),
	"hang in the body": thenHang(long(200, "application/zip")),
	"cut":              answers["cut"].h,
	"redirect":         func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
	"no place":         status(302),
}

// thenHang lets a HEAD go: the connection would be used again, and a server that has the next request's first byte
// in hand does not see the client leave.
func thenHang(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h(w, r)
		if r.Method != http.MethodHead {
			hang(w, r)
		}
	}
}

func long(code int, ctype string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", ctype)
		w.WriteHeader(code)
		io.WriteString(w, strings.Repeat("much ado\n", 10_000))
		w.(http.Flusher).Flush()
	}
}

// TestNothingIsLeft: after each kind of answer no connection but idle ones is open, no timer is set and no
// goroutine runs: a bubble that has any at its end fails.
func TestNothingIsLeft(t *testing.T) {
	for name, h := range rudeAnswers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork(t)
				net.serve("up.test", h)
				src := net.source("http://up.test")
				for range 3 {
					for _, op := range operations() {
						_ = op.do(t.Context(), src) // whatever it says
					}
				}
				time.Sleep(time.Minute) // net/http reads the rest of what is closed early for a moment, and then lets it be
				synctest.Wait()
				net.tr.CloseIdleConnections()
				synctest.Wait()
				if open, _ := net.open(); open != 0 {
					t.Errorf("%d connections are open", open)
				}
			})
		})
	}
}

// TestConnectionsAreUsedAgain: an absence costs no connection, even where its body is a page: a quarter of all
// requests are answered so.
func TestConnectionsAreUsedAgain(t *testing.T) {
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, strings.Repeat("<p>Nothing here.</p>\n", 100))
	}
	for name, h := range map[string]http.HandlerFunc{"good": good, "404": status(404), "a page": page} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork(t)
				net.serve("up.test", h)
				src := net.source("http://up.test")
				for range 5 {
					for _, op := range operations() {
						_ = op.do(t.Context(), src)
						synctest.Wait() // for the transport to put the connection back
					}
				}
				if _, dials := net.open(); dials != 1 {
					t.Errorf("%d connections were made", dials)
				}
			})
		})
	}
}

// TestTimersEnd: a request that was answered leaves no timer that fires into a later one on the same connection. One
// follows the other for ten minutes, and each takes a second, so that a timer of any length would meet one.
func TestTimersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork(t)
		net.serve("up.test", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			good(w, r)
		})
		src := net.source("http://up.test")
		for begun := time.Now(); time.Since(begun) < 10*time.Minute; {
			for _, op := range operations() {
				if err := op.do(t.Context(), src); err != nil {
					t.Fatalf("%s, after %v: %v", op.name, time.Since(begun), err)
				}
				synctest.Wait() // for the transport to put the connection back
			}
		}
		if _, dials := net.open(); dials != 1 {
			t.Errorf("%d connections were made", dials)
		}
	})
}

// answer is a RoundTripper that answers with what it has.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

// FuzzAnswer: whatever an upstream answers becomes a file or an error of the vocabulary, never more than is allowed,
// and never absence but for 404 and 410.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "text/plain", "", "v1.0.0\nv1.1.0\n")
	f.Add(200, "application/json", "", `{"Version":"v1.0.0","Time":"2024-01-02T15:04:05Z"}`)
	f.Add(404, "text/plain", "", "not found")
	f.Add(503, "text/plain; charset=utf-8", "Sun, 06 Nov 1994 08:49:37 GMT", "later\n")
	f.Add(302, "text/html", "0", "<html>")
	f.Add(200, "application/zip", "-1", "PK\x03\x04")
	f.Fuzz(func(t *testing.T, code int, ctype, retry, text string) {
		if code < 200 || code > 999 {
			return
		}
		rt := answer{code, http.Header{"Content-Type": {ctype}, "Retry-After": {retry}}, text}
		h := sourceOver(t, "http://up.test", rt)
		for _, op := range operations() {
			err := op.do(context.Background(), h)
			switch got := kind(err); {
			case got == "unknown":
				t.Errorf("%s: %T %v", op.name, err, err)
			case got == "ok" && code != 200:
				t.Errorf("%s: status %d is an answer", op.name, code)
			case strings.HasPrefix(got, "absent") && code != 404 && code != 410:
				t.Errorf("%s: status %d is %s", op.name, code, got)
			}
		}
		c, err := h.List(context.Background(), "example.com/m")
		if err != nil {
			return
		}
		for _, line := range strings.Split(body(t, c, nil), "\n") {
			if v := strings.Fields(line); len(v) > 0 && !goproxy.Fits("example.com/m", v[0]) {
				t.Errorf("the list has %q", line)
			}
		}
	})
}

// TestFuzzSeedsReachAll keeps the fuzz target honest: a good answer is one.
func TestFuzzSeedsReachAll(t *testing.T) {
	h := sourceOver(t, "http://up.test", answer{200, http.Header{}, `{"Version":"v1.0.0"}`})
	if _, err := h.Query(t.Context(), "example.com/m", "main"); err != nil {
		t.Error(err)
	}
	h = sourceOver(t, "http://up.test", answer{200, http.Header{}, string(proxytest.Fixture(t, "example.com/plain", "v1.0.0").Zip)})
	if _, err := h.Fetch(t.Context(), plainFile(goproxy.Zip), &sink{}); err != nil {
		t.Error(err)
	}
}

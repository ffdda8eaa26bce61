package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// TestWrongEndIsNoEnd: a zip that turns out wrong after most of it was sent breaks the answer off, on every protocol: the
// client sees an error, never a clean end, also where it asked for a part; and nothing of it is kept.
func TestWrongEndIsNoEnd(t *testing.T) {
	zip := big().Zip
	faults := map[string]proxytest.Fault{
		"a bit is wrong":      proxytest.Flip(int64(len(zip)) - 300<<10), // in the last file's bytes
		"it ends too early":   proxytest.Close(int64(len(zip)) - 100<<10),
		"it is cut, silently": proxytest.Truncate(int64(len(zip)) - 100<<10).And(proxytest.Length(int64(len(zip)))),
		"no directory":        proxytest.Flip(int64(len(zip)) - 22), // of the record that says where it is
	}
	for what, fault := range faults {
		u := withBig(t)
		inner := newHaven(t, u, nil)
		u.Fail(big().Name("zip"), fault)
		for name, dial := range clients(t, inner.handler) {
			for _, rng := range []string{"", "bytes=1000-"} {
				if (rng != "" || what != "a bit is wrong") && name != "HTTP/1.1" && name != "h2c" {
					continue // TLS adds nothing to it
				}
				t.Run(what+"/"+name+"/"+rng, func(t *testing.T) {
					gate := u.Pause(big().Name("zip"), 6<<20) // or it could be found wrong before anything is answered
					defer gate.Resume()
					url, client := dial(t)
					req, err := http.NewRequestWithContext(t.Context(), "GET", url+"/"+big().Name("zip"), nil)
					if err != nil {
						t.Fatal(err)
					}
					if rng != "" {
						req.Header.Set("Range", rng)
					}
					resp, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					first, err := io.CopyN(io.Discard, resp.Body, 1<<20)
					if err != nil {
						t.Fatalf("%s: %d bytes, %v", resp.Status, first, err)
					}
					gate.Resume()
					rest, err := io.Copy(io.Discard, resp.Body)
					if err == nil {
						t.Errorf("got %s and %d bytes that end well", resp.Status, first+rest)
					}
					if n := first + rest; n > int64(len(zip))-64<<10 {
						t.Errorf("got %d of %d bytes: the end was to be held back", n, len(zip))
					}
					inner.settle()
					if files := inner.files(); len(files) != 0 {
						t.Errorf("stored: %q", files)
					}
				})
			}
		}
		u.Heal()
		if a := inner.get(big().Name("zip")); a.body != string(zip) {
			t.Errorf("%s: afterwards: got %s, %d bytes", what, a.Status, len(a.body))
		}
	}
}

// TestWrongSmallFileIsAReason: what is checked before it is answered is a clear 502.
func TestWrongSmallFileIsAReason(t *testing.T) {
	u := withBig(t)
	hv := newHaven(t, u, nil)
	u.Fail(middling().Name("zip"), proxytest.Flip(1000))
	a := hv.get(middling().Name("zip"))
	if a.StatusCode != 502 {
		t.Errorf("got %s", a.Status)
	}
	checkReason(t, a)
}

// TestClientLeaves: a client that goes away in the middle of a stream takes nothing with it; the store gets the file.
func TestClientLeaves(t *testing.T) {
	u := withBig(t)
	inner := newHaven(t, u, nil)
	for name, dial := range clients(t, inner.handler) {
		t.Run(name, func(t *testing.T) {
			gate := u.Pause(big().Name("zip"), 6<<20)
			url, client := dial(t)
			ctx, cancel := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, "GET", url+"/"+big().Name("zip"), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
				t.Fatal(err)
			}
			cancel()
			if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			resp.Body.Close()
			gate.Resume()
			inner.settle()
			hv := &haven{t: t, URL: url, client: client}
			if a := hv.get(big().Name("zip")); a.body != string(big().Zip) {
				t.Errorf("got %s, %d bytes", a.Status, len(a.body))
			}
		})
	}
	if n := u.Requests(big().Name("zip")); n != 1 {
		t.Errorf("the upstream was asked %d times", n)
	}
}

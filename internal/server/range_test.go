package server_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// TestPeer24Range: another proxy knows neither ranges nor ETags nor Cache-Control. Here a file's parts can be asked for,
// from memory, from a file, and while the zip is still arriving.
func TestPeer24Range(t *testing.T) {
	u := withBig(t)
	for _, m := range []proxytest.Module{proxytest.Fixture(t, "example.com/plain", "v1.0.0"), middling(), big()} {
		all := upstreamBytes(t, u, m.Name("zip"))
		size := len(all)
		tests := []struct {
			header string
			from   int // of the part, -1: the whole
			to     int // exclusive
			status int
		}{
			{"bytes=0-0", 0, 1, 206}, {"bytes=0-99", 0, 100, 206}, {"bytes=100-199", 100, 200, 206}, {"bytes=50-", 50, size, 206}, {"bytes=-10", size - 10, size, 206},
			{fmt.Sprintf("bytes=-%d", size+5), 0, size, 206}, {fmt.Sprintf("bytes=10-%d", size+5), 10, size, 206}, {fmt.Sprintf("bytes=%d-", size-1), size - 1, size, 206},
			{fmt.Sprintf("bytes=%d-", size), -1, 0, 416}, {fmt.Sprintf("bytes=%d-%d", size+10, size+20), -1, 0, 416}, {"bytes=5-3", -1, 0, 416}, {"bytes=a-b", -1, 0, 416},
			{"lines=1-2", -1, 0, 416},
		}
		for _, when := range []string{"miss", "hit"} {
			hv := newHaven(t, u, nil)
			if when == "hit" {
				hv.get(m.Name("zip"))
				hv.settle()
			}
			for i, test := range tests {
				if when == "miss" && size > 1<<20 && i%3 != 0 {
					continue // each is a whole fill
				}
				if when == "miss" {
					hv = newHaven(t, u, nil)
				}
				a := hv.get(m.Name("zip"), "Range", test.header)
				name := fmt.Sprintf("%s: a %s: %s", m.Path, when, test.header)
				if a.StatusCode != test.status {
					t.Errorf("%s: got %d, want %d", name, a.StatusCode, test.status)
					continue
				}
				if test.status == 416 {
					if got, want := a.Header.Get("Content-Range"), fmt.Sprintf("bytes */%d", size); got != want && !strings.HasPrefix(a.body, "invalid range") {
						t.Errorf("%s: Content-Range %q, want %q", name, got, want)
					}
					continue
				}
				if got, want := a.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", test.from, test.to-1, size); got != want {
					t.Errorf("%s: Content-Range %q, want %q", name, got, want)
				}
				if a.body != all[test.from:test.to] || a.ContentLength != int64(test.to-test.from) || a.Header.Get("Content-Type") != "application/zip" {
					t.Errorf("%s: got %d bytes of %s, not bytes %d to %d", name, len(a.body), a.Header.Get("Content-Type"), test.from, test.to)
				}
			}
		}
	}
}

// TestRanges has several ranges at once, and those of texts.
func TestRanges(t *testing.T) {
	u := withBig(t)
	hv := newHaven(t, u, nil)
	for _, m := range []proxytest.Module{proxytest.Fixture(t, "example.com/plain", "v1.0.0"), middling(), big()} {
		all := upstreamBytes(t, u, m.Name("zip"))
		for _, when := range []string{"miss", "hit"} {
			a := hv.get(m.Name("zip"), "Range", "bytes=10-19,-5,100-149")
			kind, params, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
			if err != nil || a.StatusCode != 206 || kind != "multipart/byteranges" {
				t.Fatalf("%s, a %s: got %s, %s", m.Path, when, a.Status, a.Header.Get("Content-Type"))
			}
			parts := multipart.NewReader(strings.NewReader(a.body), params["boundary"])
			for _, want := range []string{all[10:20], all[len(all)-5:], all[100:150]} {
				p, err := parts.NextPart()
				if err != nil {
					t.Fatal(err)
				}
				if b, err := io.ReadAll(p); err != nil || string(b) != want || p.Header.Get("Content-Type") != "application/zip" {
					t.Errorf("%s, a %s: a part of %d bytes, %q, %v; want %d bytes", m.Path, when, len(b), p.Header, err, len(want))
				}
			}
			if _, err := parts.NextPart(); err != io.EOF {
				t.Errorf("%s: one part more: %v", m.Path, err)
			}
			hv.settle()
		}
	}
	wideHaven := newHaven(t, wideUpstream(t), nil)
	for _, name := range wideTexts {
		whole := wideHaven.get(name)
		a := wideHaven.get(name, "Range", "bytes=5-14", "Accept-Encoding", "gzip")
		if a.StatusCode != 206 || a.body != whole.body[5:15] || a.Header.Get("Content-Encoding") != "" || a.Header.Get("ETag") != whole.Header.Get("ETag") {
			t.Errorf("%s: got %s %q, %q", name, a.Status, a.body, a.Header)
		}
		if a.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: a part has Vary %q", name, a.Header.Get("Vary"))
		}
	}
}

// TestIfRange: a part is only given of what the client has the rest of.
func TestIfRange(t *testing.T) {
	u := withBig(t)
	hv := newHaven(t, u, nil)
	for _, m := range []proxytest.Module{proxytest.Fixture(t, "example.com/plain", "v1.0.0"), middling(), big()} {
		name := m.Name("zip")
		all := hv.get(name).body
		hv.settle()
		tag := hv.get(name).Header.Get("ETag")
		for header, want := range map[string]int{tag: 206, `"x"`: 200, "W/" + tag: 200, "Mon, 02 Jan 2006 15:04:05 GMT": 200} {
			a := hv.get(name, "Range", "bytes=7-", "If-Range", header)
			body := all
			if want == 206 {
				body = all[7:]
			}
			if a.StatusCode != want || a.body != body {
				t.Errorf("%s: If-Range: %s: got %d and %d bytes, want %d", name, header, a.StatusCode, len(a.body), want)
			}
		}
	}
}

// TestRangeOfWhatArrives has the upstream stand still in the middle of a large zip: what is known to be good can be had,
// the rest waits.
func TestRangeOfWhatArrives(t *testing.T) {
	u := withBig(t)
	all := upstreamBytes(t, u, big().Name("zip"))
	gate := u.Pause(big().Name("zip"), 6<<20)
	defer gate.Resume()
	hv := newHaven(t, u, nil)
	a := hv.get(big().Name("zip"), "Range", "bytes=1000-1000000")
	if a.StatusCode != 206 || a.body != all[1000:1000001] {
		t.Errorf("got %s, %d bytes", a.Status, len(a.body))
	}
	if tag := a.Header.Get("ETag"); tag != "" {
		t.Errorf("it has the ETag %s before all of it is known", tag)
	}
	late := make(chan answer, 1)
	go func() {
		a, err := hv.try("GET", big().Name("zip"), "Range", "bytes=-1000")
		if err != nil {
			t.Error(err)
		}
		late <- a
	}()
	gate.Resume()
	if a := <-late; a.StatusCode != 206 || a.body != all[len(all)-1000:] {
		t.Errorf("the end: got %s, %d bytes", a.Status, len(a.body))
	}
	if n := u.Requests(big().Name("zip")); n != 2 { // and one by this test itself
		t.Errorf("the upstream was asked %d times", n-1)
	}
}

package server_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// wide is a module whose texts are worth compressing.
func wide(t *testing.T) proxytest.Module {
	m := proxytest.Fixture(t, "example.com/plain", "v1.0.0")
	m.Path, m.Zip = "example.com/wide", nil
	m.Mod = "module example.com/wide\n" + strings.Repeat("// a long comment\n", 200)
	m.Info = `{"Version":"v1.0.0","Time":"2024-01-02T15:04:05Z","Padding":"` + strings.Repeat("x", 3000) + `"}`
	m.Files = map[string]string{"go.mod": m.Mod}
	return m
}

// wideUpstream has long texts of each kind: a list of many versions too.
func wideUpstream(t *testing.T) *proxytest.Upstream {
	u := proxytest.New(t, proxytest.Modules(wide(t)))
	var list strings.Builder
	for i := range 500 {
		fmt.Fprintf(&list, "v1.%d.0\n", i)
	}
	u.Fail("example.com/wide/@v/list", proxytest.Status(200, list.String()))
	u.Fail("example.com/wide/@latest", proxytest.Status(200, wide(t).Info))
	return u
}

var wideTexts = []string{"example.com/wide/@v/list", "example.com/wide/@latest", "example.com/wide/@v/v1.0.0.info", "example.com/wide/@v/v1.0.0.mod"}

// TestGzip: texts are compressed for who takes it, under an ETag of their own, and say so to caches.
func TestGzip(t *testing.T) {
	hv := newHaven(t, wideUpstream(t), nil)
	for _, name := range wideTexts {
		plain := hv.get(name)
		if plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: plain: Content-Encoding %q, Vary %q", name, plain.Header.Get("Content-Encoding"), plain.Header.Get("Vary"))
		}
		for accept, want := range map[string]bool{
			"gzip": true, "gzip, deflate, br": true, "br;q=1.0, gzip;q=0.8, *;q=0.1": true, "*": true, "GZIP": true, " gzip ; q=0.5": true, "deflate,gzip;q=1": true,
			"": false, "identity": false, "br": false, "gzip;q=0": false, "gzip;q=0.0": false, "gzip; q=0": false, "*;q=0": false, "gzip;q=x": false, "x-gzip-not": false,
			"*;q=0, gzip": true, "*, gzip;q=0": false, "identity, gzip;q=0.000": false,
		} {
			a := hv.get(name, "Accept-Encoding", accept)
			if got := a.Header.Get("Content-Encoding") == "gzip"; got != want {
				t.Errorf("%s: Accept-Encoding %q: compressed: %t", name, accept, got)
				continue
			}
			if a.Header.Get("Vary") != "Accept-Encoding" || a.Header.Get("Content-Length") != strconv.Itoa(len(a.body)) {
				t.Errorf("%s: Accept-Encoding %q: Vary %q, Content-Length %q of %d", name, accept, a.Header.Get("Vary"), a.Header.Get("Content-Length"), len(a.body))
			}
			if !want {
				continue
			}
			if a.Header.Get("ETag") == plain.Header.Get("ETag") || a.Header.Get("ETag") == "" {
				t.Errorf("%s: both have the ETag %s", name, a.Header.Get("ETag"))
			}
			if len(a.body) >= len(plain.body) || gunzip(t, a.body) != plain.body {
				t.Errorf("%s: %d bytes compressed, %d plain", name, len(a.body), len(plain.body))
			}
			head := hv.do("HEAD", name, "Accept-Encoding", accept)
			if head.body != "" || head.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("HEAD %s: %q", name, head.Header)
			}
		}
	}
}

func gunzip(t *testing.T, s string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestNoGzip: a zip is compressed already, and what fits a packet gains nothing.
func TestNoGzip(t *testing.T) {
	u := withBig(t)
	hv := newHaven(t, u, nil)
	for _, name := range []string{"example.com/plain/@v/v1.0.0.zip", middling().Name("zip"), big().Name("zip"), "example.com/plain/@v/v1.0.0.mod", "example.com/plain/@v/list"} {
		for range 2 {
			a := hv.get(name, "Accept-Encoding", "gzip")
			if a.Header.Get("Content-Encoding") != "" || a.Header.Get("Vary") != "" || strings.HasSuffix(a.Header.Get("ETag"), `-gzip"`) {
				t.Errorf("%s: %q", name, a.Header)
			}
			hv.settle()
		}
	}
}

// TestIfNoneMatch: who has it gets 304 without a body, for each form under its own ETag.
func TestIfNoneMatch(t *testing.T) {
	u := wideUpstream(t)
	u.Add(middling())
	hv := newHaven(t, u, nil)
	for _, name := range append(wideTexts, "example.com/plain/@v/v1.0.0.zip", middling().Name("zip"), "example.com/plain/@v/v1.0.0.mod") {
		hv.get(name)
		hv.settle()
		for _, accept := range []string{"identity", "gzip"} {
			a := hv.get(name, "Accept-Encoding", accept)
			tag := a.Header.Get("ETag")
			for header, want := range map[string]int{
				tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, tag + `, "y"`: 304,
				`"x"`: 200, strings.Trim(tag, `"`): 200, tag[:len(tag)-1] + `x"`: 200,
			} {
				b := hv.get(name, "Accept-Encoding", accept, "If-None-Match", header)
				if b.StatusCode != want {
					t.Errorf("%s as %s: If-None-Match: %s: got %d, want %d", name, accept, header, b.StatusCode, want)
				}
				if b.StatusCode != 304 {
					continue
				}
				if b.body != "" || b.Header.Get("ETag") != tag || b.Header.Get("Cache-Control") != a.Header.Get("Cache-Control") || b.Header.Get("Vary") != a.Header.Get("Vary") {
					t.Errorf("%s as %s: the 304 has %q, the 200 %q", name, accept, b.Header, a.Header)
				}
				for _, key := range []string{"Content-Encoding", "Content-Type", "Content-Length"} {
					if v := b.Header.Get(key); v != "" {
						t.Errorf("%s as %s: the 304 has %s: %s", name, accept, key, v)
					}
				}
			}
		}
	}
}

package upstream_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// TestBrokenBodies has bodies that end too early, in each way that a client can see: trouble that may pass.
func TestBrokenBodies(t *testing.T) {
	for name, security := range map[string][]proxytest.Option{
		"HTTP/1": nil, "HTTP/1 in chunks": {proxytest.Chunked()}, "TLS": {proxytest.TLS1()}, "HTTP/2": {proxytest.TLS()},
		"gzip": {proxytest.Gzip()},
	} {
		t.Run(name, func(t *testing.T) {
			u := proxytest.New(t, security...)
			h := sourceOver(t, u.URL, u.Client().Transport)
			for what, f := range map[string]proxytest.Fault{
				"closed before the header": proxytest.Close(-1), "reset before the header": proxytest.Reset(-1),
				"closed after the header": proxytest.Close(0), "closed": proxytest.Close(3), "reset": proxytest.Reset(3),
			} {
				for _, op := range operations() {
					if op.name == "stat" && !strings.Contains(what, "before") {
						continue // a HEAD has no body
					}
					u.Heal()
					u.Fail("*", f)
					err := op.do(t.Context(), h)
					if got := kind(err); got != "unavailable" {
						t.Errorf("%s, %s: got %s (%v), want unavailable", what, op.name, got, err)
					}
				}
			}
		})
	}
}

// TestBrokenBodySaysHowFar: people want to know whether a download came close.
func TestBrokenBodySaysHowFar(t *testing.T) {
	u := proxytest.New(t)
	zip := proxytest.Fixture(t, "example.com/plain", "v1.0.0").Zip
	u.Fail("*.zip", proxytest.Close(100))
	s := &sink{}
	_, err := newSource(t, u.URL).Fetch(t.Context(), plainFile(goproxy.Zip), s)
	want := fmt.Sprintf("%s: the answer broke off after 100 of %d bytes: the connection was closed too early", u.URL, len(zip))
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if string(s.b) != string(zip[:100]) || len(s.checks) != 0 {
		t.Errorf("%d bytes were written, %d checks made", len(s.b), len(s.checks))
	}
}

// TestTruncatedBodyIsChecked has an upstream that sends half a zip as if it were whole: the sink must get to judge
// it, and its verdict is the answer.
func TestTruncatedBodyIsChecked(t *testing.T) {
	u := proxytest.New(t, proxytest.Chunked())
	u.Fail("*.zip", proxytest.Truncate(100))
	s := &sink{check: func(string, []byte) error { return &goproxy.Wrong{Reason: "no central directory"} }}
	_, err := newSource(t, u.URL).Fetch(t.Context(), plainFile(goproxy.Zip), s)
	if kind(err) != "wrong" || err.Error() != u.URL+": no central directory" {
		t.Errorf("got %v", err)
	}
}

// TestNoLength: an upstream need not say how long a file is.
func TestNoLength(t *testing.T) {
	u := proxytest.New(t, proxytest.Chunked())
	h := newSource(t, u.URL)
	s := &sink{}
	meta, err := h.Fetch(t.Context(), plainFile(goproxy.Zip), s)
	want := proxytest.Fixture(t, "example.com/plain", "v1.0.0").Zip
	if err != nil || !bytes.Equal(s.b, want) || meta.Size != int64(len(want)) {
		t.Errorf("got %+v, %v and %d bytes, want %d", meta, err, len(s.b), len(want))
	}
	if s.known {
		t.Errorf("a size of %d was announced", s.size)
	}
	if meta, err := h.Stat(t.Context(), plainFile(goproxy.Zip)); err != nil || meta.Size != -1 {
		t.Errorf("Stat: got %+v, %v, want a size of -1", meta, err)
	}
}

func TestStat(t *testing.T) {
	u := proxytest.New(t, proxytest.Gzip())
	h := newSource(t, u.URL)
	m := proxytest.Fixture(t, "example.com/plain", "v1.0.0")
	for k, want := range map[goproxy.Kind]int{goproxy.Zip: len(m.Zip), goproxy.Mod: len(m.Mod), goproxy.Info: len(m.Info)} {
		meta, err := h.Stat(t.Context(), plainFile(k))
		if err != nil || meta.Size != int64(want) || meta.From != u.URL {
			t.Errorf("%s: got %+v, %v, want %d bytes", k, meta, err, want)
		}
	}
	for _, r := range u.Log() {
		if r.Method != http.MethodHead {
			t.Errorf("%s %s", r.Method, r.Name)
		}
	}
	if _, err := h.Stat(t.Context(), file("example.com/none", "v1.0.0", goproxy.Mod)); kind(err) != "absent 404" {
		t.Errorf("got %v", err)
	}
}

// TestZipIsAskedPlain: with compression the transport would undo it, and the length be lost.
func TestZipIsAskedPlain(t *testing.T) {
	u := proxytest.New(t, proxytest.Gzip())
	s := &sink{}
	if _, err := newSource(t, u.URL).Fetch(t.Context(), plainFile(goproxy.Zip), s); err != nil || !s.known {
		t.Errorf("got %v, size known: %t", err, s.known)
	}
}

// TestTextMayBeCompressed: the sink gets the text and its own length.
func TestTextMayBeCompressed(t *testing.T) {
	u := proxytest.New(t, proxytest.Gzip())
	h := newSource(t, u.URL)
	m := proxytest.Fixture(t, "example.com/plain", "v1.0.0")
	for k, want := range map[goproxy.Kind]string{goproxy.Mod: m.Mod, goproxy.Info: m.Info} {
		s := &sink{}
		if _, err := h.Fetch(t.Context(), plainFile(k), s); err != nil || string(s.b) != want || s.size != int64(len(want)) {
			t.Errorf("%s: got %q, %v, size %d; want %q", k, s.b, err, s.size, want)
		}
	}
}

// TestCompressedUnasked has a server that compresses a zip although it was asked not to. Its length is not
// the zip's, and what came is not taken for one.
func TestCompressedUnasked(t *testing.T) {
	u := proxytest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, "PK\x03\x04 and so on")
		z.Close()
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", fmt.Sprint(b.Len()))
		if r.Method != http.MethodHead {
			w.Write(b.Bytes())
		}
	}))
	h := newSource(t, u.URL)
	s := &sink{}
	if _, err := h.Fetch(t.Context(), plainFile(goproxy.Zip), s); kind(err) != "wrong" || s.known || len(s.b) != 0 {
		t.Errorf("got %v, %d bytes, size known: %t", err, len(s.b), s.known)
	}
	if meta, err := h.Stat(t.Context(), plainFile(goproxy.Zip)); err != nil || meta.Size != -1 {
		t.Errorf("Stat: got %+v, %v", meta, err)
	}
}

// endless answers until the client leaves.
func endless(w http.ResponseWriter, r *http.Request) {
	line := []byte(strings.Repeat("v1.0.0\n", 1000))
	if strings.HasSuffix(r.URL.Path, ".zip") {
		line = []byte(strings.Repeat("PK", 4000))
	}
	for {
		if _, err := w.Write(line); err != nil {
			return
		}
	}
}

// TestOversizedIsStopped: what is too large is an error while it is read, not when all of it is there.
func TestOversizedIsStopped(t *testing.T) {
	u := proxytest.NewServer(t, http.HandlerFunc(endless))
	h := newSource(t, u.URL)
	if _, err := h.Query(t.Context(), "example.com/m", "main"); kind(err) != "wrong" || !strings.Contains(err.Error(), fmt.Sprint(goproxy.MaxInfo)) {
		t.Errorf("an .info: got %v", err)
	}
	if _, err := h.Get(t.Context(), "sumdb/x/latest", 10); kind(err) != "wrong" || !strings.HasPrefix(err.Error(), u.URL+": sumdb/x/latest has more than the 10 bytes") {
		t.Errorf("Get: got %v", err)
	}
	for _, k := range []goproxy.Kind{goproxy.Mod, goproxy.Zip} {
		s := &sink{max: 1 << 20}
		_, err := h.Fetch(t.Context(), plainFile(k), s)
		if kind(err) != "wrong" || int64(len(s.b)) > s.max {
			t.Errorf("a .%s: got %v after %d bytes", k, err, len(s.b))
		}
	}
}

// TestAnnouncedOversize: a length that is too large is an error before a byte of it is read.
func TestAnnouncedOversize(t *testing.T) {
	u := proxytest.New(t)
	u.Fail("*.zip", proxytest.Length(goproxy.MaxZip+1))
	s := &sink{max: goproxy.MaxZip}
	_, err := newSource(t, u.URL).Fetch(t.Context(), plainFile(goproxy.Zip), s)
	if kind(err) != "wrong" || len(s.b) != 0 {
		t.Errorf("got %v after %d bytes", err, len(s.b))
	}
}

// TestGzipBomb: limits count what comes out.
func TestGzipBomb(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.Copy(z, io.LimitReader(zeros{}, goproxy.MaxInfo+1))
	z.Close()
	u := proxytest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(b.Bytes())
	}))
	if b.Len() > goproxy.MaxInfo/100 {
		t.Fatalf("the bomb has %d bytes", b.Len())
	}
	if _, err := newSource(t, u.URL).Query(t.Context(), "example.com/m", "main"); kind(err) != "wrong" || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestOneByteAtATime: how bytes are cut into packets means nothing.
func TestOneByteAtATime(t *testing.T) {
	zip := proxytest.Fixture(t, "example.com/plain", "v1.0.0").Zip
	u := proxytest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range zip {
			w.Write(zip[i : i+1])
			w.(http.Flusher).Flush()
		}
	}))
	s := &sink{}
	if _, err := newSource(t, u.URL).Fetch(t.Context(), plainFile(goproxy.Zip), s); err != nil || !bytes.Equal(s.b, zip) {
		t.Errorf("got %d of %d bytes, %v", len(s.b), len(zip), err)
	}
}

// TestEmptyFiles: an empty .mod may be right, and of a zip the sink judges.
func TestEmptyFiles(t *testing.T) {
	u := proxytest.NewServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	h := newSource(t, u.URL)
	for _, k := range []goproxy.Kind{goproxy.Mod, goproxy.Zip} {
		s := &sink{}
		if meta, err := h.Fetch(t.Context(), plainFile(k), s); err != nil || meta.Size != 0 || len(s.checks) != 1 {
			t.Errorf("an empty .%s: got %+v, %v, %d checks", k, meta, err, len(s.checks))
		}
	}
	c, err := h.List(t.Context(), "example.com/m")
	if got := body(t, c, err); got != "" {
		t.Errorf("an empty list: got %q", got)
	}
}

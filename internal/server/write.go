package server

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	gzipCache = 8 << 20
	// gzipFrom is where compression begins to pay: what fits one packet stays as it is.
	gzipFrom = 1400
)

// fileBody is a body that the kernel can send by itself.
type fileBody = *os.File

// writeBytes sends a body from memory, compressed where that helps and the client takes it.
func (h *Handler) writeBytes(w http.ResponseWriter, r *http.Request, rt *route, b []byte, etag string) (status int, n int64, err error) {
	hd := w.Header()
	length := rt.length(b, etag)
	if etag != "" && rt.compressible(int64(len(b))) && acceptsGzip(r) {
		if z := h.gzip(etag, b); z != nil {
			b = z
			length = []string{strconv.Itoa(len(b))}
			hd["Content-Encoding"] = gzipCoding
			hd["Etag"] = []string{`"` + etag + `-gzip"`}
		}
	}
	if inm := r.Header["If-None-Match"]; inm != nil && etag != "" && matches(inm, hd["Etag"][0]) {
		delete(hd, "Content-Encoding")
		delete(hd, "Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return http.StatusNotModified, 0, nil
	}
	hd["Content-Length"] = length
	if r.Method == http.MethodHead {
		return http.StatusOK, 0, nil
	}
	m, err := w.Write(b)
	return http.StatusOK, int64(m), err
}

// matches compares If-None-Match with an ETag, weakly (RFC 9110, 13.1.2).
func matches(header []string, etag string) bool {
	for _, line := range header {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == "*" || tag == etag {
				return true
			}
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding: what it says of gzip, else of *, unless the weight is 0 (RFC 9110, 12.5.3).
func acceptsGzip(r *http.Request) bool {
	v := r.Header["Accept-Encoding"]
	if len(v) == 1 && v[0] == "gzip" { // the go command
		return true
	}
	any := false
	for _, line := range v {
		for part := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(part, ";")
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, "gzip"):
				return wanted(params)
			case name == "*":
				any = wanted(params)
			}
		}
	}
	return any
}

// wanted reads the weight of a coding.
func wanted(params string) bool {
	q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
	if !ok {
		return true
	}
	f, err := strconv.ParseFloat(q, 64)
	return err == nil && f > 0
}

// gzip compresses a text, once for all who ask; nil where that does not make it smaller.
func (h *Handler) gzip(etag string, b []byte) []byte {
	if z, ok := h.zipped.Get(etag); ok {
		return z
	}
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write(b) // into memory: cannot fail
	z.Close()
	out := buf.Bytes()
	if len(out) >= len(b) {
		out = nil
	}
	h.zipped.Put(etag, out)
	return out
}

// counted is a ResponseWriter for large bodies: what is a file goes out by sendfile, what is still arriving goes
// out as it comes. It remembers status, bytes and the first error, which http.ServeContent drops.
type counted struct {
	w      http.ResponseWriter
	status int
	n      int64
	err    error
}

func (o *counted) Header() http.Header { return o.w.Header() }

func (o *counted) WriteHeader(status int) {
	o.status = status
	o.w.WriteHeader(status)
}

func (o *counted) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	o.count(int64(n), err)
	return n, err
}

func (o *counted) count(n int64, err error) {
	o.n += n
	if o.err == nil {
		o.err = err
	}
}

// ReadFrom is what io.Copy calls. net/http knows a LimitedReader of a file, and so does the kernel.
func (o *counted) ReadFrom(src io.Reader) (n int64, err error) {
	defer func() { o.count(n, err) }()
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return o.follow(src)
	}
	switch body := limited.R.(type) {
	case *os.File:
		return io.Copy(o.w, src)
	case goproxy.Arriving:
		n, err = o.followFile(body, limited)
		if !errors.Is(err, errors.ErrUnsupported) {
			return n, err
		}
	}
	m, err := o.follow(src)
	return n + m, err
}

// followFile sends the parts of a file as they arrive, until it has sent all that limited allows.
func (o *counted) followFile(body goproxy.Arriving, limited *io.LimitedReader) (n int64, err error) {
	rc := http.NewResponseController(o.w)
	for limited.N > 0 {
		file, there, err := body.Next()
		if err == io.EOF { //nolint:errorlint // trouble may wrap io.EOF, and is not the end
			return n, nil
		}
		if err != nil {
			return n, err
		}
		m, err := io.Copy(o.w, &io.LimitedReader{R: file, N: min(there, limited.N)})
		n += m
		limited.N -= m
		if serr := body.Sent(m); serr != nil {
			return n, serr
		}
		if err == nil && m == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			err = rc.Flush() // a stream of HTTP/2 has a buffer
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// follow copies what comes and sends it at once, since more may take a while.
func (o *counted) follow(src io.Reader) (n int64, err error) {
	rc := http.NewResponseController(o.w)
	buf := make([]byte, 64<<10)
	for {
		m, rerr := src.Read(buf)
		if m > 0 {
			w, err := o.w.Write(buf[:m])
			n += int64(w)
			if err == nil {
				err = rc.Flush()
			}
			if err != nil {
				return n, err
			}
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, rerr
		}
	}
}

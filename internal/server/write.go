package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	gzipCache = 8 << 20
	// gzipFrom is where compression begins to pay: what fits one packet stays as it is.
	gzipFrom = 1400

	// A client must take chunk bytes within chunkTime: 17 KiB a second.
	chunk     = 1 << 20
	chunkTime = time.Minute
)

// fileBody is a body that the kernel can send by itself.
type fileBody = *os.File

// writeBytes sends a body from memory, compressed where that helps and the client takes it.
func (h *Handler) writeBytes(w http.ResponseWriter, r *http.Request, b []byte, etag string, text bool) (status int, n int64, err error) {
	hd := w.Header()
	if text && len(b) >= gzipFrom {
		hd["Vary"] = vary
		if etag != "" && acceptsGzip(r) {
			if z := h.gzip(etag, b); z != nil {
				b = z
				hd["Content-Encoding"] = gzipCoding
				hd["Etag"] = []string{`"` + etag + `-gzip"`}
			}
		}
	}
	if inm := r.Header["If-None-Match"]; inm != nil && etag != "" && matches(inm, hd["Etag"][0]) {
		delete(hd, "Content-Encoding")
		delete(hd, "Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return http.StatusNotModified, 0, nil
	}
	hd["Content-Length"] = []string{strconv.Itoa(len(b))}
	if r.Method == http.MethodHead {
		return http.StatusOK, 0, nil
	}
	if len(b) > chunk {
		out := newRolling(w)
		io.Copy(out, bytes.NewReader(b))
		return http.StatusOK, out.n, out.err
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

// acceptsGzip reads Accept-Encoding: gzip or *, unless its weight is 0.
func acceptsGzip(r *http.Request) bool {
	v := r.Header["Accept-Encoding"]
	if len(v) == 1 && v[0] == "gzip" { // the go command
		return true
	}
	for _, line := range v {
		for part := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name != "gzip" && name != "*" {
				continue
			}
			weight := strings.ReplaceAll(params, " ", "")
			if q, ok := strings.CutPrefix(weight, "q="); ok {
				f, err := strconv.ParseFloat(q, 64)
				return err == nil && f > 0
			}
			return true
		}
	}
	return false
}

// gzip compresses a text, once for all who ask; nil where that does not make it smaller.
func (h *Handler) gzip(etag string, b []byte) []byte {
	if z, ok := h.zipped.Get(etag); ok {
		return z
	}
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	z.Write(b) // into memory: cannot fail
	z.Close()
	out := buf.Bytes()
	if len(out) >= len(b) {
		out = nil
	}
	h.zipped.Put(etag, out)
	return out
}

// rolling is a ResponseWriter for large bodies: each chunk has its own deadline, what is a file goes out by
// sendfile, what is still arriving goes out as it comes. It remembers the first error.
type rolling struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	status int
	n      int64
	err    error
}

func newRolling(w http.ResponseWriter) *rolling {
	return &rolling{w: w, rc: http.NewResponseController(w), status: http.StatusOK}
}

func (o *rolling) Header() http.Header { return o.w.Header() }

func (o *rolling) WriteHeader(status int) {
	o.status = status
	o.w.WriteHeader(status)
}

func (o *rolling) Write(b []byte) (int, error) {
	o.deadline()
	n, err := o.w.Write(b)
	o.count(int64(n), err)
	return n, err
}

// deadline gives the client time for one more chunk. What cannot have deadlines goes without.
func (o *rolling) deadline() { _ = o.rc.SetWriteDeadline(time.Now().Add(chunkTime)) }

func (o *rolling) count(n int64, err error) {
	o.n += n
	if o.err == nil {
		o.err = err
	}
}

// ReadFrom is what io.Copy calls.
func (o *rolling) ReadFrom(src io.Reader) (n int64, err error) {
	defer func() {
		o.count(n, err)
		_ = o.rc.SetWriteDeadline(time.Time{}) // the connection may serve another request
	}()
	if limited, ok := src.(*io.LimitedReader); ok {
		if f, ok := limited.R.(*os.File); ok {
			return o.sendFile(f, limited)
		}
	}
	return o.follow(src)
}

// sendFile keeps the shape that net/http knows: a LimitedReader of a file.
func (o *rolling) sendFile(f *os.File, limited *io.LimitedReader) (n int64, err error) {
	for limited.N > 0 {
		o.deadline()
		m, err := io.CopyN(o.w, f, min(chunk, limited.N))
		n += m
		limited.N -= m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// follow copies what comes and sends it at once, since more may take a while.
func (o *rolling) follow(src io.Reader) (n int64, err error) {
	buf := make([]byte, 64<<10)
	for {
		m, rerr := src.Read(buf)
		if m > 0 {
			o.deadline()
			w, err := o.w.Write(buf[:m])
			n += int64(w)
			if err != nil {
				return n, err
			}
			if err := o.rc.Flush(); err != nil {
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

package upstream

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A transfer is a file on its way into a Sink: what of it is there, so that another attempt goes on from where the one
// before broke off, at the same upstream or at one that has a file of the same length.
type transfer struct {
	q   *question
	dst goproxy.Sink

	begun bool // something was written
	have  int64
	size  int64 // -1 when unknown
	sum   uint32
}

// A sinkError is trouble of the Sink: no upstream is to blame.
type sinkError struct{ error }

func (e *sinkError) Unwrap() error { return e.error }

// fetch brings a file into dst.
func (g *group) fetch(ctx context.Context, rq request, private bool, dst goproxy.Sink) (goproxy.Meta, error) {
	t := &transfer{q: g.ask(ctx, rq, private), dst: dst, size: -1}
	for {
		rep, err := t.q.run(ctx)
		if err != nil {
			return goproxy.Meta{}, err
		}
		before := t.have
		err = t.take(ctx, rep)
		if rep.end != nil {
			rep.end(t.have-rep.from, err)
		}
		var local *sinkError
		switch {
		case err == nil:
			return goproxy.Meta{Size: t.have, From: rep.by.base}, nil
		case errors.As(err, &local):
			return goproxy.Meta{}, local.error
		case ctx.Err() != nil:
			return goproxy.Meta{}, context.Cause(ctx)
		}
		t.again(rep, err, t.have-before)
	}
}

// again prepares the next attempt after one that brought more bytes and then failed.
func (t *transfer) again(rep *reply, err error, more int64) {
	a := t.q.of(rep.by)
	t.q.trouble(a, err)
	var wrong *goproxy.Wrong
	if errors.As(err, &wrong) {
		t.q.mistrust(a, err, uint64(t.sum)<<32|uint64(uint32(t.have)))
		t.q.fromStart()
		return
	}
	if t.size < 0 || t.have == 0 {
		t.q.fromStart()
		return
	}
	t.q.rq.from, t.q.rq.size = t.have, t.size
	if more >= muchProgress && a.u.o.Attempts > 1 { // what goes on is no repetition
		a.tries, a.after = 0, a.after.Add(-backoffMost)
	}
}

// of returns how far the question has come with u.
func (q *question) of(u *Upstream) *asked {
	for i := range q.asked {
		if q.asked[i].u == u {
			return &q.asked[i]
		}
	}
	return nil // never: u answered it
}

// fromStart has the next attempts ask for the whole.
func (q *question) fromStart() { q.rq.from, q.rq.size, q.rq.etag, q.tagBy = 0, 0, "", nil }

// take writes a reply into the Sink and has it checked once it is whole.
func (t *transfer) take(ctx context.Context, rep *reply) error {
	if rep.from == 0 {
		if err := t.restart(rep); err != nil {
			return err
		}
	}
	var err error
	if rep.stream == nil {
		err = t.write(rep.body)
	} else {
		err = t.copy(rep)
	}
	if err != nil {
		return err
	}
	err = rep.by.named(t.dst.Check(ctx, rep.by.base))
	var wrong *goproxy.Wrong
	if err == nil || errors.As(err, &wrong) {
		return err
	}
	return &sinkError{err}
}

// restart makes the Sink ready for a file from its first byte on.
func (t *transfer) restart(rep *reply) error {
	if t.begun {
		if err := t.dst.Reset(); err != nil {
			return &sinkError{err}
		}
	}
	t.begun, t.have, t.sum, t.size = true, 0, 0, rep.size
	t.q.rq.etag, t.q.tagBy = rep.etag, rep.by
	if rep.stream == nil {
		t.size = int64(len(rep.body))
	}
	if t.size < 0 {
		return nil
	}
	return rep.by.named(t.dst.SetSize(t.size))
}

// write writes the bytes that follow. What is too long for the Sink is wrong, any other trouble is the Sink's.
func (t *transfer) write(b []byte) error {
	if _, err := t.dst.WriteAt(b, t.have); err != nil {
		var wrong *goproxy.Wrong
		if errors.As(err, &wrong) {
			return t.q.of(t.q.tagBy).u.named(err)
		}
		return &sinkError{err}
	}
	t.have += int64(len(b))
	t.sum = crc32.Update(t.sum, crc32c(), b)
	return nil
}

// copy writes the body to the Sink. What begins unlike a zip is refused before a byte is written.
func (t *transfer) copy(rep *reply) error {
	buf := make([]byte, copyBuffer(rep.size-rep.from))
	for {
		n, err := readChunk(rep.stream, buf, int(max(1, 2-t.have)))
		if t.have == 0 && n > 0 && !strings.HasPrefix(string(buf[:min(n, 2)]), "PK") {
			html := hasType(rep.page, "text/html") || goproxy.IsHTML(buf[:n])
			return &goproxy.Wrong{From: rep.by.base, Reason: fmt.Sprintf("no zip came but %s", kindOfPage(rep.page, buf[:n])), HTML: html}
		}
		if n > 0 {
			if err := t.write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF { //nolint:errorlint // trouble may wrap io.EOF, and is not the end
			return nil
		}
		if err != nil {
			return rep.by.failure(err, fmt.Sprintf("the answer broke off after %d%s bytes", t.have, ofBytes(rep.size)))
		}
	}
}

const maxCopyBuffer = 128 << 10

func copyBuffer(size int64) int64 {
	if size >= 0 {
		return min(size+2, maxCopyBuffer)
	}
	return 32 << 10
}

// readChunk reads at least so many bytes, or an error; what comes without waiting comes together.
func readChunk(r io.Reader, b []byte, least int) (n int, err error) {
	for n < least && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

// kindOfPage says for people what came in place of a zip.
func kindOfPage(resp *http.Response, b []byte) string {
	if hasType(resp, "text/html") || goproxy.IsHTML(b) {
		return "an HTML page (a login page or a captive portal?)"
	}
	return fmt.Sprintf("bytes that begin %.16q", b)
}

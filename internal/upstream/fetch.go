package upstream

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A transfer is a file on its way into a Sink: what of it is there, so that another attempt goes on from where the one
// before broke off, at the same upstream or at one that has a file of the same length. Where the question's own stream is
// slow, a spread brings parts of the file beside it.
type transfer struct {
	q      *question
	dst    goproxy.Sink
	fail   context.CancelCauseFunc // ends it
	begun  bool                    // something was written
	spread *spread                 // nil while there is one stream
	spoilt bool                    // what came in several streams was wrong

	mu      sync.Mutex // guards all below
	size    int64      // -1 when unknown
	parts   parts
	front   *part // what the question is asked for
	until   int64 // where its stream ends
	several bool  // what is there came in several streams
	changed chan struct{}
}

// ring wakes who waits for a part to be there, or to be let be. The caller holds mu.
func (t *transfer) ring() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// A sinkError is trouble of the Sink: no upstream is to blame.
type sinkError struct{ error }

func (e *sinkError) Unwrap() error { return e.error }

// ofSink returns the Sink's own error where err is that.
func ofSink(err error) error {
	var local *sinkError
	if errors.As(err, &local) {
		return local.error
	}
	return err
}

// fetch brings a file into dst.
func (g *group) fetch(ctx context.Context, rq request, private bool, dst goproxy.Sink) (goproxy.Meta, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	t := &transfer{q: g.ask(ctx, rq, private), dst: dst, fail: fail, size: -1, changed: make(chan struct{})}
	defer t.halt()
	for {
		rep, err := t.q.run(ctx)
		if err != nil {
			return goproxy.Meta{}, ofSink(err)
		}
		n, whole, err := t.take(ctx, rep)
		if rep.end != nil {
			rep.end(n, err)
		}
		switch {
		case whole && err == nil:
			return goproxy.Meta{Size: t.size, From: rep.by.base}, nil
		case ctx.Err() != nil:
			return goproxy.Meta{}, ofSink(context.Cause(ctx))
		case errors.As(err, new(*sinkError)):
			return goproxy.Meta{}, ofSink(err)
		}
		t.again(rep, err, n)
	}
}

// again prepares the next attempt after one that brought n bytes and then failed, or after the last byte of its part.
func (t *transfer) again(rep *reply, err error, n int64) {
	a := t.q.of(rep.by)
	if err == nil {
		a.tries, a.after = 0, time.Time{}
		t.aim()
		return
	}
	t.q.trouble(a, err)
	t.mu.Lock()
	several := t.several
	t.mu.Unlock()
	switch wrong := errors.As(err, new(*goproxy.Wrong)); {
	case wrong && several: // perhaps they do not belong together: who can give it in one stream is not mistrusted yet
		t.spoilt = true
		t.q.fromStart()
		return
	case wrong:
		t.q.mistrust(a, err, uint64(t.front.sum)<<32|uint64(uint32(t.front.pos)))
		t.q.fromStart()
		return
	case t.size < 0 || t.front.pos == 0:
		t.q.fromStart()
		return
	}
	t.aim()
	if n >= muchProgress && a.u.o.Attempts > 1 { // what goes on is no repetition
		a.tries, a.after = 0, a.after.Add(-backoffMost)
	}
}

// aim has the question asked for what is missing of the front.
func (t *transfer) aim() {
	t.mu.Lock()
	defer t.mu.Unlock()
	rq := &t.q.rq
	rq.from, rq.to, rq.size = t.front.pos, t.front.end, t.size
	if rq.to == rq.size {
		rq.to = 0
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
func (q *question) fromStart() { q.rq.from, q.rq.to, q.rq.size, q.rq.etag, q.tagBy = 0, 0, 0, "", nil }

// take writes a reply into the Sink, n bytes of it, and has the file checked once it is whole. Where it is not, and nobody
// brings what comes next, that is the front.
func (t *transfer) take(ctx context.Context, rep *reply) (n int64, whole bool, err error) {
	if rep.from == 0 {
		if err := t.restart(rep); err != nil {
			return 0, false, err
		}
	}
	if rep.stream == nil {
		_, err = t.write(rep.by, t.front, rep.body)
	} else {
		err = t.stream(ctx, rep)
	}
	n = t.front.pos - rep.from
	if err != nil {
		return n, false, err
	}
	if missing, err := t.missing(ctx); missing || err != nil {
		return n, false, err
	}
	err = rep.by.named(t.dst.Check(ctx, rep.by.base))
	if err != nil && !errors.As(err, new(*goproxy.Wrong)) {
		err = &sinkError{err}
	}
	return n, true, err
}

// restart makes the Sink ready for a file from its first byte on.
func (t *transfer) restart(rep *reply) error {
	t.halt()
	if t.begun {
		if err := t.dst.Reset(); err != nil {
			return &sinkError{err}
		}
	}
	size := rep.size
	if rep.stream == nil {
		size = int64(len(rep.body))
	}
	t.mu.Lock()
	t.begun, t.size, t.several = true, size, false
	t.front = &part{end: size, busy: true}
	t.parts = parts{t.front}
	t.mu.Unlock()
	t.q.rq.etag, t.q.tagBy = rep.etag, rep.by
	if size < 0 {
		return nil
	}
	return rep.by.named(t.dst.SetSize(size))
}

// stream writes the question's own stream to the front.
func (t *transfer) stream(ctx context.Context, rep *reply) error {
	t.widen(ctx, rep)
	t.flows(rep.to)
	defer t.flows(0)
	defer rep.stream.Close() // it may go on beyond the front
	return t.pour(t.front, rep)
}

// missing waits until no part before it is on its way, and reports whether one is missing.
func (t *transfer) missing(ctx context.Context) (bool, error) {
	for first := true; ; first = false {
		t.mu.Lock()
		p := t.parts.first()
		if p != nil && !p.busy {
			t.front, p.busy = p, true
			if t.spread == nil || t.spread.closed {
				t.parts.extend(p, t.size)
			}
			t.mu.Unlock()
			return true, nil
		}
		if p != nil && first {
			t.spread.replace()
		}
		changed := t.changed
		t.mu.Unlock()
		if p == nil {
			return false, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// write writes the bytes that come next in a part, as far as it goes, and reports whether they fill it. What is too long
// for the Sink is wrong, any other trouble is the Sink's.
func (t *transfer) write(u *Upstream, p *part, b []byte) (full bool, err error) {
	t.mu.Lock()
	if p.end >= 0 {
		b = b[:min(int64(len(b)), p.left())]
	}
	off := p.pos
	p.pos += int64(len(b))
	t.mu.Unlock()
	begin := time.Now()
	if _, err := t.dst.WriteAt(b, off); err != nil {
		if errors.As(err, new(*goproxy.Wrong)) {
			return false, u.named(err)
		}
		return false, &sinkError{err}
	}
	took := time.Since(begin)
	p.sum = crc32.Update(p.sum, crc32c(), b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.spread != nil {
		t.spread.came(len(b), took)
	}
	if full = p.pos == p.end; full {
		p.busy = false
		t.ring()
	}
	return full, nil
}

// pour writes a stream to a part, until either ends. What begins unlike a zip is refused before a byte is written.
func (t *transfer) pour(p *part, rep *reply) error {
	buf := make([]byte, copyBuffer(rep.to-rep.from))
	for full := false; ; {
		t.hasten(rep)
		n, err := readChunk(rep.stream, buf, int(max(1, 2-p.pos)))
		if p.pos == 0 && n > 0 && !strings.HasPrefix(string(buf[:min(n, 2)]), "PK") {
			html := hasType(rep.page, "text/html") || goproxy.IsHTML(buf[:n])
			return &goproxy.Wrong{From: rep.by.base, Reason: fmt.Sprintf("no zip came but %s", kindOfPage(rep.page, buf[:n])), HTML: html}
		}
		if n > 0 && !full {
			var trouble error
			if full, trouble = t.write(rep.by, p, buf[:n]); trouble != nil {
				return trouble
			}
		}
		switch {
		case full && (err != nil || p.end < rep.to): // else the stream is read to its end, so that its connection is used again
			return nil //nolint:nilerr // all that was wanted is there
		case err == io.EOF: //nolint:errorlint // trouble may wrap io.EOF, and is not the end
			return t.ended(p, rep)
		case err != nil:
			return t.brokeOff(p, rep, err)
		}
	}
}

// hasten has a stream that hangs given up soon, where there are others: a file waits for all of them.
func (t *transfer) hasten(rep *reply) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if body, ok := rep.stream.(*movingBody); ok && t.several {
		body.idle = min(body.idle, segmentIdle)
	}
}

// ended notes the end of a stream.
func (t *transfer) ended(p *part, rep *reply) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.end > p.pos {
		return t.brokeOff(p, rep, io.ErrUnexpectedEOF)
	}
	if p.end < 0 {
		p.end, t.size = p.pos, p.pos
	}
	p.busy = false
	return nil
}

func (t *transfer) brokeOff(p *part, rep *reply, err error) error {
	return rep.by.failure(err, fmt.Sprintf("the answer broke off after %d%s bytes", p.pos, ofBytes(rep.size)))
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

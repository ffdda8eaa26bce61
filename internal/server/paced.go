package server

import (
	"net/http"
	"time"
)

// A paced is the ResponseWriter of an HTTP/2 stream whose client must take what it is sent. The limit of the connection
// does not see a stream that waits for its window to open: nothing is written then. The time between two writes is the
// upstream's and is not limited. HTTP/2 has no sendfile that this could hide.
type paced struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
}

func newPaced(w http.ResponseWriter, stall time.Duration) *paced {
	return &paced{w, http.NewResponseController(w), stall}
}

func (p *paced) Header() http.Header    { return p.w.Header() }
func (p *paced) WriteHeader(status int) { p.w.WriteHeader(status) }

// Unwrap is for http.ResponseController.
func (p *paced) Unwrap() http.ResponseWriter { return p.w }

func (p *paced) Write(b []byte) (n int, err error) {
	for {
		var m int
		p.watch(func() { m, err = p.w.Write(b[:min(len(b), step)]) })
		n += m
		if b = b[m:]; err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// FlushError is for http.ResponseController.
func (p *paced) FlushError() (err error) {
	p.watch(func() { err = p.rc.Flush() })
	return err
}

// watch resets the stream if do takes too long. Nothing of it is left when it returns: then the stream may be gone.
func (p *paced) watch(do func()) {
	over := make(chan struct{})
	late := time.AfterFunc(p.stall, func() {
		defer close(over)
		_ = p.rc.SetWriteDeadline(time.Unix(1, 0)) // it has them
	})
	defer func() {
		if !late.Stop() {
			<-over
		}
	}()
	do()
}

// end bounds what net/http sends of its own buffer when the handler has returned.
func (p *paced) end() { _ = p.rc.SetWriteDeadline(time.Now().Add(p.stall)) }

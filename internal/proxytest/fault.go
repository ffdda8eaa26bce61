package proxytest

import (
	"fmt"
	"net/http"
	"time"
)

// A Fault is what goes wrong with one answer. The zero value is nothing.
//
// Offsets count the bytes of the body of that answer, not of the file. Offset 0 is
// after the header has been sent, a negative one before it. An offset past the end
// never comes.
type Fault struct{ edits []func(*plan) }

// A plan says how one answer deviates from what the handler writes.
type plan struct {
	instead  http.Handler // answers in place of the handler
	header   http.Header  // set over the handler's; an empty list deletes
	events   []event
	flip     int64 // this byte has its lowest bit inverted; negative: none
	limit    int64 // no byte from here on is sent; negative: none
	length   int64 // announced in place of the true one; negative: none
	noLength bool
	piece    int           // bytes that are sent at once
	every    time.Duration // for each piece; 0: at full speed
}

// An event happens once, as soon as at bytes of the body have been sent.
type event struct {
	at int64
	do func(*writer)
}

func newPlan(faults ...Fault) *plan {
	p := &plan{header: http.Header{}, flip: -1, limit: -1, length: -1}
	for _, f := range faults {
		for _, edit := range f.edits {
			edit(p)
		}
	}
	return p
}

func fault(edit func(*plan)) Fault { return Fault{[]func(*plan){edit}} }

func at(n int64, do func(*writer)) Fault {
	return fault(func(p *plan) { p.events = append(p.events, event{n, do}) })
}

// And is both faults at once.
func (f Fault) And(g Fault) Fault {
	return Fault{append(f.edits[:len(f.edits):len(f.edits)], g.edits...)}
}

// Instead lets h answer.
func Instead(h http.Handler) Fault { return fault(func(p *plan) { p.instead = h }) }

// Header sets a header of the answer; with value "" it removes it.
func Header(key, value string) Fault {
	return fault(func(p *plan) {
		if value == "" {
			p.header[http.CanonicalHeaderKey(key)] = nil
		} else {
			p.header.Set(key, value)
		}
	})
}

// Status answers with that status and a text. For a 429 or 503 add
// Header("Retry-After", "1").
func Status(code int, text string) Fault {
	return Instead(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
		fmt.Fprint(w, text)
	}))
}

// HTML answers 200 with a page, as captive portals do.
func HTML() Fault {
	return Instead(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Please log in.</body></html>\n")
	}))
}

// RedirectLoop answers with a redirect to the same address, without end.
func RedirectLoop() Fault {
	return Instead(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}))
}

// Hang sends n bytes of the body and then nothing, until the client leaves or the
// server is closed. Hang(-1) sends not even a header.
func Hang(n int64) Fault { return at(n, (*writer).hang) }

// Reset ends the connection with a TCP reset when n bytes have been sent. At most
// n bytes reach the client.
func Reset(n int64) Fault { return at(n, (*writer).reset) }

// Close ends the connection in order (FIN, without TLS's farewell) when n bytes have
// been sent; of an HTTP/2 connection it ends that stream only. All n reach the client, which
// can see by the missing length, last chunk or stream end that there should be more.
func Close(n int64) Fault { return at(n, (*writer).cut) }

// Truncate sends the first n bytes as if they were all: the answer looks whole.
func Truncate(n int64) Fault { return fault(func(p *plan) { p.limit = n }) }

// Length announces n in Content-Length. Fewer bytes in truth and the connection ends
// early; more and they are not sent.
func Length(n int64) Fault { return fault(func(p *plan) { p.length = n }) }

// NoLength sends the body in chunks, without Content-Length.
func NoLength() Fault { return fault(func(p *plan) { p.noLength = true }) }

// Flip inverts the lowest bit of the byte at offset n.
func Flip(n int64) Fault { return fault(func(p *plan) { p.flip = n }) }

// Delay waits before the header is sent.
func Delay(d time.Duration) Fault { return at(-1, func(w *writer) { w.wait(d) }) }

// Slow sends the body at this many bytes a second.
func Slow(bytesPerSecond int) Fault {
	piece := min(max(1, bytesPerSecond/100), 64<<10)
	return fault(func(p *plan) {
		p.piece, p.every = piece, time.Duration(piece)*time.Second/time.Duration(bytesPerSecond)
	})
}

// Trickle sends one byte of the body each time.
func Trickle(every time.Duration) Fault {
	return fault(func(p *plan) { p.piece, p.every = 1, every })
}

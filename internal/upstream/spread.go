package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	segment = "segment" // the cause of attempts
	// segmentTries is how often a segment is asked for that brings nothing.
	segmentTries = 3
	// segmentIdle is how long one of several streams may say nothing: its place is easily taken.
	segmentIdle = 3 * time.Second
)

// errNoRoom says that an upstream has too much to do for segments.
var errNoRoom = errors.New("no room for another segment")

// A spread brings parts of a transfer's file beside the stream of the question, from the upstream of that stream. It
// opens more streams for as long as these bring more together.
//
// Its streams ask for bounded ranges and go on by themselves where they break off. One that gets nowhere, or meets another
// file, ends and lets its part be: it is brought by the question, which has other upstreams.
type spread struct {
	t      *transfer
	u      *Upstream
	rq     request       // for a segment, but for where it is
	first  time.Duration // that the upstream took to answer
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// All below are guarded by the transfer's mu.
	closed  bool // no more streams, no more parts
	most    int  // streams at once
	leap    int  // streams after the first opening
	workers int
	silent  int // workers that have not had a byte
	pace    pace
	opened  bool
	proven  int           // streams that brought more than fewer
	flowed  time.Duration // with as many streams as there are, without having brought more
}

// widen has the file of a stream brought by more of them, where that can be. A spread at the same upstream goes on.
func (t *transfer) widen(ctx context.Context, rep *reply) {
	if t.spread != nil && t.spread.u == rep.by {
		return
	}
	t.halt()
	most, leap := rep.by.streams(time.Now())
	if t.spoilt || t.size < 0 || most < 2 || !takesRanges(rep) {
		return
	}
	rq := t.q.rq
	rq.name = t.q.prefix[rep.by] + rq.name
	if t.q.tagBy != rep.by {
		rq.etag = ""
	}
	rq.size, rq.constant, rq.segment, rq.apart = t.size, false, true, rep.page.ProtoMajor > 1
	s := &spread{t: t, u: rep.by, rq: rq, first: rep.first, most: most, leap: leap}
	s.ctx, s.cancel = context.WithCancel(ctx)
	t.spread = s
}

// takesRanges reports whether the upstream says so, or has given one.
func takesRanges(rep *reply) bool {
	return rep.from > 0 || strings.EqualFold(strings.TrimSpace(rep.page.Header.Get("Accept-Ranges")), "bytes")
}

// halt ends the spread. What it has not brought is free.
func (t *transfer) halt() {
	s := t.spread
	if s == nil {
		return
	}
	t.mu.Lock()
	s.closed = true
	s.learn()
	t.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	t.spread = nil
}

// learn has the upstream remember whether more streams were of use. The caller holds the transfer's mu.
func (s *spread) learn() {
	switch {
	case s.proven > 0:
		s.u.remembers(s.proven, usefulFor)
	case s.opened && s.flowed >= 2*soon:
		s.u.remembers(1, uselessFor)
	}
}

// streams returns how many there are. The caller holds the transfer's mu.
func (s *spread) streams() int {
	if s.t.until > 0 {
		return s.workers + 1
	}
	return s.workers
}

// flows notes that the question's stream brings something now, where it ends, or with 0 that it is over.
func (t *transfer) flows(until int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = until
	if t.spread != nil {
		t.spread.pace.restart(time.Time{})
	}
}

// came notes n bytes, and opens more streams where these will be long. The caller holds the transfer's mu.
func (s *spread) came(n int, writing time.Duration) {
	now := time.Now()
	if s.silent > 0 {
		return
	}
	s.pace.add(now, n, writing)
	have := s.streams()
	rate := s.pace.rate(now, have)
	if rate == 0 || s.closed {
		return
	}
	switch {
	case !s.opened:
		s.more(rate, s.leap)
	case have <= s.pace.fewer:
	case s.pace.gained(rate, have):
		s.proven = max(s.proven, have)
		s.more(rate, have*firstStreams)
	default:
		s.flowed += now.Sub(s.pace.since)
	}
	s.pace.restart(now)
}

// more opens streams up to so many, if what is left takes long at that rate and there are parts for them. The caller
// holds the transfer's mu.
func (s *spread) more(rate float64, up int) {
	have, room := s.streams(), s.u.limiter.room()
	each, left := rate/float64(have), s.t.parts.left()
	want := min(enough(each, left), s.most)
	if want <= have || room == 0 {
		return
	}
	if !s.opened {
		s.divide(each, want)
	}
	if n := min(s.most, up, have+room, have+s.t.parts.free()); n > have {
		s.pace.step(rate, have)
		s.flowed = 0
		for range n - have {
			s.open()
		}
	}
}

// divide makes parts of what the question's stream would bring. It has its own sooner than others, so that readers
// go on; it gets more, since others have to connect first. The caller holds the transfer's mu.
func (s *spread) divide(each float64, streams int) {
	p := s.t.front
	if !p.busy || s.t.parts.free() > 0 {
		return
	}
	n := shares(each, p.left(), streams)
	if n < 2 {
		return
	}
	share := p.left() / int64(n)
	lead := min(int64(each*2*s.first.Seconds()), share, p.left()-int64(n)*leastPart)
	s.t.parts.divide(p, n, lead)
}

// open begins a stream. The caller holds the transfer's mu.
func (s *spread) open() {
	s.opened, s.t.several = true, true
	s.workers++
	s.silent++
	s.wg.Go(s.work)
}

// replace opens a stream in place of the question's, which waits for others. The caller holds the transfer's mu.
func (s *spread) replace() {
	if s != nil && !s.closed && s.workers > 0 && s.t.parts.free() > 0 && s.workers < s.most {
		s.open()
	}
}

// work brings one part after the other.
func (s *spread) work() {
	w := worker{spread: s}
	for p := s.claim(); p != nil; p = s.claim() {
		if err := w.bring(p); err != nil {
			s.leave(p, err)
			break
		}
	}
	t := s.t
	t.mu.Lock()
	defer t.mu.Unlock()
	w.heard()
	s.workers--
	if s.workers == 0 && s.closed && t.front.busy {
		t.parts.extend(t.front, t.until)
	}
	t.ring()
}

// claim returns the next part to bring, nil where there is none.
func (s *spread) claim() *part {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	p := s.t.parts.next()
	if s.closed || p == nil {
		return nil
	}
	p.busy = true
	return p
}

// leave lets the rest of a part be. Nothing more is tried after that.
func (s *spread) leave(p *part, err error) {
	var local *sinkError
	if errors.As(err, &local) {
		s.t.fail(err)
	}
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	p.busy = false
	s.closed = true
	switch {
	case errors.As(err, new(*changed)):
		s.u.remembers(1, usefulFor)
		s.cancel() // what others have is of another file, or will not come
	case s.ctx.Err() == nil && answered(err):
		s.u.remembers(1, uselessFor)
	}
	s.t.ring()
}

// A worker is one stream of a spread.
type worker struct {
	*spread
	hears bool
}

// heard notes the first byte. The caller holds the transfer's mu.
func (w *worker) heard() {
	if !w.hears {
		w.hears = true
		w.silent--
		w.pace.restart(time.Time{})
	}
}

// bring asks for a part until it is there, or returns why it will not come.
func (w *worker) bring(p *part) error {
	for tries := 0; ; {
		n, err := w.ask(p, tries)
		switch {
		case err == nil:
			return nil
		case w.ctx.Err() != nil, errors.Is(err, errNoRoom), errors.As(err, new(*sinkError)), answered(err):
			return err
		case n >= muchProgress: // what goes on is no repetition
			tries = 0
			continue
		}
		if tries++; tries >= segmentTries || !w.u.usable(Zip) || !w.u.mayRetry(Zip) {
			return err
		}
		pause(w.ctx, rand.N(backoffFirst))
	}
}

// answered reports whether err is what an upstream said, not that the network failed.
func answered(err error) bool {
	var code statusError
	return errors.As(err, &code) || !errors.As(err, new(*goproxy.Unavailable)) && !errors.Is(err, errNoRoom)
}

// ask makes one attempt and returns how many bytes it brought.
func (w *worker) ask(p *part, tries int) (int64, error) {
	_, doubt := w.u.patience(Zip)
	rq := w.rq
	rq.patience = doubt << tries
	w.t.mu.Lock()
	rq.from, rq.to = p.pos, p.end
	w.t.mu.Unlock()
	rep, err := w.u.attempt(w.ctx, &rq, segment)
	if err != nil {
		return 0, err
	}
	if rep.from != rq.from {
		err = &changed{w.u.base, "asked for a range it gave the whole"}
	} else {
		w.t.mu.Lock()
		w.heard()
		w.t.mu.Unlock()
		err = w.t.pour(p, rep)
	}
	n := p.pos - rq.from
	rep.end(n, err)
	return n, err
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

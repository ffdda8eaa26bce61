package proxy

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	// smallAhead and zipsAhead are how many files are fetched ahead at once.
	smallAhead = 48
	zipsAhead  = 16
	// maxSessions is for how many clients at once is thought ahead, maxGuesses how much waits for one.
	maxSessions = 1024
	maxGuesses  = 8192
	// clientGone is after how long without a request what waits for a client is dropped.
	clientGone = 30 * time.Second
	// afterTrouble is for how long nothing is fetched ahead after fewFailures in a row: fewer may be single faults, of which a client that
	// needs the file feels one.
	afterTrouble = 10 * time.Second
	// Zips are fetched ahead where the spool's disk has plentyFree, or at least leastFree and the share spareSpace of it.
	spareSpace = 0.05
	leastFree  = 1 << 30
	plentyFree = 10 << 30
	// maxUnasked is how many files that nobody has asked for yet are remembered, for unaskedFor.
	maxUnasked = 1 << 16
	unaskedFor = 10 * time.Minute
)

// readAhead fetches what clients are about to ask for. All that they have asked for goes first. It is nil where nothing is to be
// fetched ahead; its methods may be called at once.
type readAhead struct {
	s   *Service
	may func(path string) bool

	awake atomic.Int32 // sessions and unasked files: while there is none, requests have nothing to say here

	mu       sync.Mutex // guards all below
	sessions map[string]*session
	lanes    [lanes]lane
	unasked  map[goproxy.File]unasked
	until    time.Time // nothing is begun before
	failures int       // in a row
	closed   bool
	sweeping bool
	stats    AheadStats
}

// AheadStats say what was fetched ahead since the start, and of what use that was.
type AheadStats struct {
	Running int   `json:"running"` // files on their way
	Waiting int   `json:"waiting"`
	Files   int64 `json:"files"` // fetched
	Bytes   int64 `json:"bytes"`
	// AskedFiles and AskedBytes are what of it clients have asked for meanwhile; Unasked, what nobody asked for within ten minutes.
	AskedFiles   int64 `json:"askedFiles"`
	AskedBytes   int64 `json:"askedBytes"`
	UnaskedFiles int64 `json:"unaskedFiles"`
	UnaskedBytes int64 `json:"unaskedBytes"`
}

// A lane takes guesses from the queues of sessions in turn.
type lane struct {
	index         int
	most, running int
	turns         []*session // those with something in their queue
}

const (
	smallLane = iota // lists are not fetched ahead: .info and .mod
	zipLane
	lanes
)

// A guess is a file that a client is thought to ask for.
type guess struct {
	file   goproxy.File
	by     *session
	follow depth // how far to go on from a .mod
}

type unasked struct {
	bytes int64
	since time.Time
}

func newReadAhead(s *Service, may func(path string) bool) *readAhead {
	if may == nil {
		return nil
	}
	return &readAhead{
		s: s, may: may, sessions: map[string]*session{}, unasked: map[goproxy.File]unasked{},
		lanes: [lanes]lane{{index: smallLane, most: smallAhead}, {index: zipLane, most: zipsAhead}},
	}
}

// add queues guesses, each once for a session. The caller holds mu.
func (a *readAhead) add(by *session, gs ...guess) {
	for _, g := range gs {
		if a.closed || by.guessed[g.file] > g.follow || len(by.guessed) >= maxGuesses || !a.may(g.file.Path) {
			continue
		}
		by.guessed[g.file] = g.follow + 1
		l := &a.lanes[smallLane]
		if g.file.Kind == goproxy.Zip {
			l = &a.lanes[zipLane]
		}
		g.by = by
		if len(by.queues[l.index]) == 0 {
			l.turns = append(l.turns, by)
		}
		by.queues[l.index] = append(by.queues[l.index], g)
	}
	a.run()
}

// run begins what may be begun. The caller holds mu.
func (a *readAhead) run() {
	now := time.Now()
	for i := range a.lanes {
		l := &a.lanes[i]
		for l.running < l.most && len(l.turns) > 0 {
			g := l.next()
			if a.closed || now.Before(a.until) || g.by.gone(now) || i == zipLane && !a.s.spacious() {
				delete(g.by.guessed, g.file) // a client that needs it will ask
				continue
			}
			if a.s.work.start(func() { a.fetch(g); a.done(l) }) {
				l.running++
			}
		}
	}
}

// next takes a guess out.
func (l *lane) next() guess {
	by := l.turns[0]
	l.turns = l.turns[1:]
	q := &by.queues[l.index]
	g := (*q)[0]
	if *q = (*q)[1:]; len(*q) > 0 {
		l.turns = append(l.turns, by)
	}
	return g
}

func (a *readAhead) done(l *lane) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l.running--
	a.run()
}

// fetch brings a file into the store, and goes on from a .mod.
func (a *readAhead) fetch(g guess) {
	if c, err := a.s.stored(a.s.ctx, g.file); err == nil {
		defer c.Body.Close()
		if g.follow > noFurther {
			if b, err := io.ReadAll(io.LimitReader(c.Body, goproxy.MaxMod)); err == nil {
				a.goOn(g, b)
			}
		}
		return
	}
	if a.s.absent.get(g.file.Path, g.file.Name()) == nil {
		a.s.fillAhead(g)
	}
}

// goOn queues what a .mod leads to.
func (a *readAhead) goOn(g guess, mod []byte) {
	next := requirements(mod, g.follow)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(g.by, slices.DeleteFunc(next, func(n guess) bool { return n.follow == noFurther && !g.by.likely(n.file.Version) })...)
}

// came notes a file that was fetched ahead, and whether a client asked for it meanwhile.
func (a *readAhead) came(f goproxy.File, bytes int64, asked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures = 0
	a.stats.Files++
	a.stats.Bytes += bytes
	if asked {
		a.stats.AskedFiles++
		a.stats.AskedBytes += bytes
	} else if len(a.unasked) < maxUnasked {
		a.unasked[f] = unasked{bytes, time.Now()}
		a.wake()
	}
}

// failed notes that an upstream had trouble with a file, which is no longer one that was guessed. Where that is so again and again it ends
// what waits, and keeps anything from being fetched ahead for a while.
func (a *readAhead) failed(gs []guess) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, g := range gs {
		delete(g.by.guessed, g.file)
	}
	if a.failures++; a.failures >= fewFailures {
		a.until = time.Now().Add(afterTrouble)
		a.run()
	}
}

// ask notes that a client asks for a file, and reports whether it had been fetched ahead. The caller holds mu.
func (a *readAhead) ask(f goproxy.File) bool {
	u, ok := a.unasked[f]
	if ok {
		delete(a.unasked, f)
		a.stats.AskedFiles++
		a.stats.AskedBytes += u.bytes
	}
	return ok
}

// wake sees to it that what is old is forgotten one day. The caller holds mu.
func (a *readAhead) wake() {
	a.awake.Store(int32(len(a.sessions) + len(a.unasked)))
	if !a.sweeping && !a.closed && a.awake.Load() > 0 {
		a.sweeping = a.s.work.background(a.sweep)
	}
}

// sweep forgets clients that have gone and files that nobody asked for, until there is nothing left.
func (a *readAhead) sweep(ctx context.Context) {
	tick := time.NewTicker(clientGone)
	defer tick.Stop()
	for a.swept(time.Now()) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// swept reports whether anything is left.
func (a *readAhead) swept(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for client, by := range a.sessions {
		if by.gone(now) {
			delete(a.sessions, client)
		}
	}
	for f, u := range a.unasked {
		if now.Sub(u.since) >= unaskedFor {
			delete(a.unasked, f)
			a.stats.UnaskedFiles++
			a.stats.UnaskedBytes += u.bytes
		}
	}
	a.awake.Store(int32(len(a.sessions) + len(a.unasked)))
	a.sweeping = a.awake.Load() > 0
	return a.sweeping
}

// close drops what waits and begins nothing more.
func (a *readAhead) close() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.run()
}

// now returns the statistics.
func (a *readAhead) now() AheadStats {
	if a == nil {
		return AheadStats{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	st := a.stats
	for i := range a.lanes {
		st.Running += a.lanes[i].running
		for _, by := range a.lanes[i].turns {
			st.Waiting += len(by.queues[i])
		}
	}
	return st
}

// spacious reports whether there is room for files that nobody has asked for yet.
func (s *Service) spacious() bool {
	free, all, err := diskSpace(s.o.Spool)
	return err != nil || hasRoom(free, all)
}

// hasRoom reports whether a disk of all bytes, of which so many are free, has room for more than what clients ask for.
func hasRoom(free, all int64) bool {
	return free >= plentyFree || free >= leastFree && float64(free) >= spareSpace*float64(all)
}

// Ahead begins to fetch files that somebody is sure to ask for soon, in their order.
func (s *Service) Ahead(files []goproxy.File) {
	a := s.ahead
	if a == nil {
		return
	}
	by := newSession(time.Now())
	by.pinned = true
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range files {
		a.add(by, guess{file: f, follow: asPruned})
	}
}

// fillAhead fetches a file that nobody has asked for yet, unless that is under way.
func (s *Service) fillAhead(g guess) {
	s.mu.Lock()
	if fl := s.fills[g.file]; fl != nil {
		fl.then = append(fl.then, g)
		s.mu.Unlock()
		return
	}
	fl := s.newFill(context.Background(), g.file)
	fl.urgent, fl.then = make(chan struct{}), []guess{g}
	s.fills[g.file] = fl
	s.mu.Unlock()
	s.lead(fl)
}

// isAhead reports whether nobody has asked for what a fill fetches.
func (s *Service) isAhead(fl *fill) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fl.urgent != nil && !fl.hurried
}

// hurry notes that a client asks for what is fetched ahead. The caller holds mu.
func (s *Service) hurry(fl *fill) {
	if fl.urgent == nil {
		return
	}
	if !fl.hurried {
		fl.hurried = true
		close(fl.urgent)
	}
	s.ahead.mu.Lock()
	s.ahead.ask(fl.file)
	s.ahead.mu.Unlock()
}

// givenUp reports whether an error is the end of a fill that was begun ahead: where somebody asks for the file by now, it is
// worth more.
func (s *Service) givenUp(fl *fill, err error) bool {
	if fl.urgent == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fl.hurried {
		return false
	}
	delete(s.fills, fl.file)
	if errors.As(err, new(*goproxy.Unavailable)) {
		s.ahead.failed(fl.then)
	}
	return true
}

// wentAhead notes a file that has come.
func (s *Service) wentAhead(fl *fill) {
	if fl.urgent == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead.came(fl.file, fl.meta.Size, fl.hurried)
}

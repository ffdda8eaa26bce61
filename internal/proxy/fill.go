package proxy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

const (
	// A zip of this size and more is answered before it is whole.
	streamFrom = 8 << 20
	// heldBack is at least how much of its end waits for the last check.
	heldBack = 64 << 10
)

// A fill fetches one file for all who ask. It belongs to none of them.
type fill struct {
	file  goproxy.File
	spool *spool
	sink  *checked
	task  *task

	headed chan struct{} // closed when clients can be answered
	ended  chan struct{} // closed when the fetch is over; err and meta are set
	over   chan struct{} // closed when it is stored too, or the store did not take it; unkept is set

	waiters int           // guarded by Service.mu: requests that wait for headed
	urgent  chan struct{} // nil unless it was begun ahead; closed once a client asks
	hurried bool          // guarded by Service.mu: urgent is closed
	then    []guess       // guarded by Service.mu: to go on from once it has come
	stored  bool
	meta    goproxy.Meta
	err     error
	unkept  error // why the store did not take it
}

// fill answers from the fill of a file.
func (s *Service) fill(ctx context.Context, f goproxy.File) (*goproxy.Content, error) {
	fl, err := s.join(ctx, f)
	if err != nil {
		return nil, err
	}
	defer s.leave(fl)
	defer s.wait()()
	select {
	case <-fl.headed:
		return s.answer(ctx, fl)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// join joins the fill of a file, or has one led. Leave it.
func (s *Service) join(ctx context.Context, f goproxy.File) (*fill, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fl := s.fills[f]
	if fl == nil {
		leave, err := s.slots.enter(ctx)
		if err != nil {
			return nil, err
		}
		fl = s.newFill(ctx, f)
		if !s.work.start(func() { defer leave(); s.lead(fl) }) {
			fl.task.end(errClosed)
			leave()
			return nil, errClosed
		}
		s.fills[f] = fl
	} else {
		fl.task.join(ctx)
		s.hurry(fl)
	}
	fl.waiters++
	fl.spool.use() // or the file could be gone before the answer follows it
	return fl, nil
}

func (s *Service) newFill(ctx context.Context, f goproxy.File) *fill {
	small := int64(smallSpool)
	if f.Kind == goproxy.Zip {
		small = 0 // it is checked by name
	}
	fl := &fill{file: f, headed: make(chan struct{}), ended: make(chan struct{}), over: make(chan struct{})}
	fl.task = s.begin(ctx, "fill", f.Name())
	fl.spool = newSpool(s.o.Spool, f.Kind.MaxSize(), small, s.spare)
	fl.sink = newChecked(fl.task.ctx, fl, s)
	return fl
}

func (s *Service) leave(fl *fill) {
	s.mu.Lock()
	fl.waiters--
	s.mu.Unlock()
	fl.spool.done()
}

// lead does the work of a fill: fetch and check, let the clients go, store.
func (s *Service) lead(fl *fill) {
	defer close(fl.over)
	defer fl.spool.done()
	defer func() { fl.task.end(fl.err) }()
	if s.alreadyKnown(fl) {
		s.forgetFill(fl)
		return
	}
	start := time.Now()
	meta, err := s.fetch(fl)
	if err != nil && fl.urgent != nil {
		if s.givenUp(fl, err) {
			s.remember(fl.file.Path, fl.file.Name(), err)
			fl.end(meta, err)
			s.o.Log.DebugContext(fl.task.ctx, "not fetched ahead", "file", fl.file.String(), "err", err)
			return
		}
		if err = fl.sink.Reset(); err == nil {
			meta, err = s.fetch(fl)
		}
	}
	s.remember(fl.file.Path, fl.file.Name(), err)
	if err != nil {
		s.forgetFill(fl) // before its clients are told: who asks again must not be told the same
		fl.end(meta, err)
		s.failed(fl.task.ctx, fl.file.Path, fl.file.Name(), err)
		return
	}
	fl.end(meta, nil)
	fl.task.came(meta.From, fl.meta.Size)
	s.o.Log.InfoContext(fl.task.ctx, "fetched", "file", fl.file.String(), "from", meta.From, "bytes", fl.meta.Size, "took", time.Since(start).Round(time.Millisecond))
	s.o.Recorder.Record(Event{What: Fetched, Path: fl.file.Path, Name: fl.file.Name(), From: meta.From, Size: fl.meta.Size})
	s.wentAhead(fl)
	s.keep(fl)
	s.goOn(fl)
	if fl.file.Kind == goproxy.Info {
		s.answers.exists(fl.file.Version)
	}
}

// alreadyKnown sees whether another fill, or another process, stored the file since it was missed, or found it absent.
func (s *Service) alreadyKnown(fl *fill) bool {
	if nf := s.absent.get(fl.file.Path, fl.file.Name()); nf != nil {
		fl.end(goproxy.Meta{}, nf)
		return true
	}
	c, err := s.stored(s.ctx, fl.file)
	if err != nil {
		return false
	}
	c.Body.Close()
	fl.stored = true
	fl.end(goproxy.Meta{}, nil)
	return true
}

func (s *Service) fetch(fl *fill) (goproxy.Meta, error) {
	wanted := func() error {
		if s.abandoned(fl) {
			return errAbandoned
		}
		return nil
	}
	if s.isAhead(fl) {
		aside := func(wait func() error) error { return errors.Join(wait(), wanted()) } // only what somebody asks for by now waits
		return s.ask(goproxy.WithAhead(goproxy.WithAside(fl.task.ctx, aside), fl.urgent), fl)
	}
	turn, err := s.slots.acquire(s.ctx)
	if err != nil {
		return goproxy.Meta{}, s.closing(err)
	}
	defer turn.release()
	if err := wanted(); err != nil {
		return goproxy.Meta{}, err
	}
	return s.ask(turn.with(fl.task.ctx, wanted), fl)
}

// ask asks the upstreams for a file, and before them what it must be.
func (s *Service) ask(ctx context.Context, fl *fill) (goproxy.Meta, error) {
	ahead := s.o.Verifier != nil && s.foresight.take(time.Now())
	if ahead {
		s.o.Verifier.Expect(fl.task.ctx, fl.file.Version)
	}
	meta, err := s.o.Fetcher.Fetch(ctx, fl.file, fl.sink)
	if ahead && err == nil {
		s.foresight.give()
	}
	return meta, s.closing(err)
}

var errAbandoned = &goproxy.Unavailable{Reason: "nobody waits for it any more"}

// abandoned takes a fill out that has nothing yet and that nobody waits for.
func (s *Service) abandoned(fl *fill) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fl.waiters > 0 || fl.spool.begun() {
		return false
	}
	delete(s.fills, fl.file)
	return true
}

// forgetFill ends joining: from now on the store, or a new fill, answers.
func (s *Service) forgetFill(fl *fill) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fills[fl.file] == fl {
		delete(s.fills, fl.file)
	}
}

// goOn ends joining a fill that has come, and takes the files ahead that it leads to.
func (s *Service) goOn(fl *fill) {
	s.forgetFill(fl)
	s.mu.Lock()
	then := fl.then
	fl.then = nil
	s.mu.Unlock()
	if fl.file.Kind != goproxy.Mod || len(then) == 0 {
		return
	}
	src, _ := fl.spool.content()
	b, err := io.ReadAll(src)
	for _, g := range then {
		if err == nil {
			s.ahead.goOn(g, b)
		}
	}
}

// end lets everyone go who waits for the fill.
func (fl *fill) end(meta goproxy.Meta, err error) {
	fl.meta, fl.err = meta, err
	if err == nil && !fl.stored {
		src, _ := fl.spool.content()
		fl.meta.Size, fl.meta.ETag = src.Size(), fl.sink.etag
	}
	fl.spool.finish(err)
	close(fl.ended)
	fl.sink.head()
}

// keep stores a file that is whole and right. Clients have theirs whether or not that works.
func (s *Service) keep(fl *fill) {
	src, _ := fl.spool.content()
	err := s.files.Put(context.WithoutCancel(s.ctx), fileName(fl.file), src, store.PutOptions{ETag: fl.meta.ETag})
	if err != nil && !errors.Is(err, fs.ErrExist) {
		fl.unkept = err
		s.o.Log.ErrorContext(fl.task.ctx, "the store takes no file; clients were answered all the same", "file", fl.file.String(), "err", err)
		s.o.Recorder.Record(Event{What: StoreFailed, Path: fl.file.Path, Name: fl.file.Name(), Err: err})
	} else if err == nil {
		s.o.Recorder.Record(Event{What: Stored, Path: fl.file.Path, Name: fl.file.Name(), Size: fl.meta.Size})
	}
}

// failed reports a fetch that did not work out.
func (s *Service) failed(ctx context.Context, path, name string, err error) {
	var nf *goproxy.NotFound
	if errors.As(err, &nf) || errors.Is(err, errClosed) || errors.Is(err, errAbandoned) {
		return
	}
	level := s.o.Log.WarnContext
	var w *goproxy.Wrong
	if errors.As(err, &w) {
		level = s.o.Log.ErrorContext
	}
	level(ctx, "not fetched", "name", name, "err", err)
	s.o.Recorder.Record(Event{What: Failed, Path: path, Name: name, Err: err})
}

// answer returns the content of a fill whose clients can be answered.
func (s *Service) answer(ctx context.Context, fl *fill) (*goproxy.Content, error) {
	select {
	case <-fl.ended:
	default: // a large zip on its way: its ETag is not known yet
		size := fl.sink.streamed.Load()
		return &goproxy.Content{Meta: goproxy.Meta{Size: size}, Body: fl.spool.follow(ctx, size)}, nil
	}
	if fl.err != nil {
		return nil, fl.err
	}
	if fl.stored {
		return s.stored(ctx, fl.file)
	}
	src, file := fl.spool.content()
	if file == nil {
		b, err := io.ReadAll(src)
		return goproxy.InMemory(fl.meta, b), err
	}
	return &goproxy.Content{Meta: fl.meta, Body: fl.spool.follow(ctx, fl.meta.Size)}, nil
}

// Package proxy is the order of steps: store, fill in flight, fill; fresh answer, upstream, stale answer.
//
// It knows neither HTTP nor where a Fetcher gets bytes from, and no other package knows its order of steps.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// Options are what a Service is made of. Zero values of numbers and durations mean the default beside them.
type Options struct {
	Store    store.Store     // holds modules/ and queries/
	Fetcher  goproxy.Fetcher // asked for what is not there
	Spool    string          // directory of this process's own, for fills
	Verifier Verifier        // may be nil: then a zip has to agree with itself alone
	Ledger   Ledger          // may be nil: then nothing is known of files that were served before
	Recorder Recorder        // may be nil
	Log      *slog.Logger
	Tracer   trace.Tracer // may be nil: then nothing is traced
	// Ahead says whether files of a module may be fetched before a client asks for them; nil: none.
	Ahead func(path string) bool

	Fresh     time.Duration // how long a list or a query is not asked again; 1 minute
	Budget    time.Duration // how long a client waits for a fresh list when there is a stale one; 3 s
	Refresh   time.Duration // how often lists in use are asked again; 30 s, negative: not
	Fills     int64         // how many upstream requests at once; 128
	Waiting   int64         // how many wait for their turn; 4096
	Memory    int64         // bytes of small files kept in memory; 16 MiB
	SpareDisk int64         // bytes of memory for fills when the spool's disk is full; 64 MiB
}

func (o *Options) defaults() {
	def(&o.Fresh, time.Minute)
	def(&o.Budget, 3*time.Second)
	def(&o.Refresh, 30*time.Second)
	def(&o.Fills, 128)
	def(&o.Waiting, 4096)
	def(&o.Memory, 16<<20)
	def(&o.SpareDisk, 64<<20)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Recorder == nil {
		o.Recorder = nobody{}
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
}

func def[T ~int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// A Verifier knows what the hashes of a version must be. Want is asked while the file is fetched. Before, and with an .info, which
// mostly the other files follow, Expect says that it may be; it does not wait.
type Verifier interface {
	Expect(ctx context.Context, m module.Version)
	Want(ctx context.Context, m module.Version) (Want, error)
}

// Want is what a version's files must be, as in go.sum ("h1:…"); an empty hash is not known.
type Want struct {
	Zip, Mod   string
	By         string // who says so
	TreeSize   int64  // of the checksum database that proves it
	Unverified string // why nothing is known that should be; "" where it is, or where the module is private
	Excepted   bool   // it is by a rule, not by trouble
}

// hash returns what a .mod or a .zip must be.
func (w *Want) hash(k goproxy.Kind) string {
	if k == goproxy.Mod {
		return w.Mod
	}
	return w.Zip
}

// A Ledger remembers the hash of every file that was ever served: trust on first use, where nothing better can be had.
type Ledger interface {
	// Get returns what is noted of a file: what is good, else what was condemned last. The error matches fs.ErrNotExist where nothing is.
	Get(ctx context.Context, f goproxy.File) (Seen, error)
	// Record notes a file before the last of it is released, durably, and returns what is noted: the first that came, unless
	// that one was not verified and this one is.
	Record(ctx context.Context, f goproxy.File, s Seen) (Seen, error)
	// Unverified yields the files that nothing proves, private ones too, and ends after an error.
	Unverified(ctx context.Context) iter.Seq2[Unverified, error]
	// Condemn notes that what was served as f is not what it must be.
	Condemn(ctx context.Context, f goproxy.File, why string) error
}

// Seen is what a Ledger notes of a file.
type Seen struct {
	H1       string
	From     string    // upstream
	First    time.Time // when it was noted; set by the Ledger
	By       string    // checksum database that proves it; "" where none has
	TreeSize int64
	Wrong    string // why it was condemned
}

// Unverified is a file that a Ledger has and that nothing proves.
type Unverified struct {
	File goproxy.File
	Seen Seen
}

// A Recorder hears of what was done. It cannot fail a build.
type Recorder interface{ Record(e Event) }

// Event is one thing done for clients or with an upstream.
type Event struct {
	What EventKind
	Path string // module
	Name string // of the file, list or query
	From string // upstream, "" where none was asked
	Size int64
	Err  error
}

// EventKind says what an Event is about.
type EventKind uint8

const (
	Fetched   EventKind = iota // a file came from an upstream, checked
	Refreshed                  // a list or query did
	Failed                     // neither came; Err says why
	ServedStale
	StoreFailed // a file could not be stored, or what is stored not be read; nobody's build failed of it
	Stored      // the store took a file, list or query
	Mismatch    // a file's hash is not the one that it must have; Err says which
	Unproven    // a file was let out though no checksum database could be asked for it
	Proven      // such a file was found right later
	Condemned   // such a file was found wrong later, or is no public module's
)

type nobody struct{}

func (nobody) Record(Event) {}

// Service is the goproxy.Source of the server: what it knows comes from the store at once, what it does not from
// the Fetcher, once for all who ask.
type Service struct {
	o       Options
	files   store.Store // modules/: small files cached in memory
	answers *answers
	absent  *absences
	slots   *slots
	spare   *spare

	scanners  scanners
	foresight foresight
	ahead     *readAhead // nil: nothing is fetched ahead

	ctx    context.Context // of all fills: they belong to no request
	cancel context.CancelFunc
	work   work // fills, refreshes and what they run beside them

	pending atomic.Bool  // something unverified may be verified by now
	waiting atomic.Int64 // requests that wait for a fill or a refresh

	mu    sync.Mutex // guards fills
	fills map[goproxy.File]*fill
}

var _ goproxy.Source = (*Service)(nil)

// New returns a Service. Close it.
func New(o Options) *Service {
	o.defaults()
	s := &Service{
		o:      o,
		files:  store.NewCache(o.Store, o.Memory),
		absent: newAbsences(),
		slots:  newSlots(o.Fills, o.Waiting),
		spare:  newSpare(o.SpareDisk),
		fills:  map[goproxy.File]*fill{},
	}
	s.answers = newAnswers(s)
	s.ahead = newReadAhead(s, o.Ahead)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if o.Verifier != nil && o.Ledger != nil {
		s.pending.Store(true) // an earlier run may have left some
		s.work.background(s.recheck)
	}
	return s
}

// Drain waits until the fills in flight have ended, or until ctx has.
func (s *Service) Drain(ctx context.Context) error {
	s.ahead.close()
	return s.work.wait(ctx)
}

// Close ends all fills and waits for them. Nothing may be asked afterwards.
func (s *Service) Close() {
	s.ahead.close()
	s.work.close()
	s.cancel()
	s.work.stop()
	_ = s.work.wait(context.Background()) // which never ends
}

var errClosed = &goproxy.Unavailable{Reason: "shutting down", RetryAfter: time.Second}

// closing returns err, or errClosed where it came of Close.
func (s *Service) closing(err error) error {
	if err != nil && s.ctx.Err() != nil {
		return errClosed
	}
	return err
}

// Open implements goproxy.Source.
func (s *Service) Open(ctx context.Context, f goproxy.File) (*goproxy.Content, error) {
	c, err := s.stored(ctx, f)
	if err == nil {
		c.Ahead = s.ahead.asks(ctx, f, true)
		return c, nil
	}
	s.storeTrouble(f, err)
	if goproxy.FetchDisabled(ctx) {
		return nil, notFetched()
	}
	if nf := s.absent.get(f.Path, f.Name()); nf != nil {
		return nil, nf
	}
	s.ahead.asks(ctx, f, false)
	if c, err = s.fill(ctx, f); err == nil {
		s.ahead.gave(ctx, f)
	}
	return c, err
}

// Stat implements goproxy.Source.
func (s *Service) Stat(ctx context.Context, f goproxy.File) (goproxy.Meta, error) {
	m, err := s.files.Stat(ctx, fileName(f))
	if err = s.usable(f, m, err); err == nil {
		return m, nil
	}
	s.storeTrouble(f, err)
	if goproxy.FetchDisabled(ctx) {
		return goproxy.Meta{}, notFetched()
	}
	if nf := s.absent.get(f.Path, f.Name()); nf != nil {
		return goproxy.Meta{}, nf
	}
	leave, err := s.slots.enter(ctx)
	if err != nil {
		return goproxy.Meta{}, err
	}
	defer leave()
	turn, err := s.slots.acquire(ctx)
	if err != nil {
		return goproxy.Meta{}, err
	}
	defer turn.release()
	m, err = s.o.Fetcher.Stat(turn.with(ctx, always), f)
	s.remember(f.Path, f.Name(), err)
	return m, err
}

// List implements goproxy.Source.
func (s *Service) List(ctx context.Context, path string) (*goproxy.Content, error) {
	s.ahead.listed(ctx)
	return s.answers.get(ctx, question{path: path, name: goproxy.ListName(path)})
}

// Query implements goproxy.Source.
func (s *Service) Query(ctx context.Context, path, query string) (*goproxy.Content, error) {
	return s.answers.get(ctx, question{path: path, query: query, name: goproxy.QueryName(path, query)})
}

// modulesBelow is where the store has the files of modules.
const modulesBelow = "modules/"

func fileName(f goproxy.File) string { return f.NameBelow(modulesBelow) }

// stored opens what the store has of a file.
func (s *Service) stored(ctx context.Context, f goproxy.File) (*goproxy.Content, error) {
	c, err := s.files.Open(ctx, fileName(f))
	if err != nil {
		return nil, s.usable(f, goproxy.Meta{}, err)
	}
	if err := s.usable(f, c.Meta, nil); err != nil {
		c.Body.Close()
		return nil, err
	}
	return c, nil
}

// leastSize is what a file has at least: an empty zip its end record, an .info its braces.
var leastSize = [...]int64{goproxy.Info: 2, goproxy.Mod: 0, goproxy.Zip: 22}

// usable returns err, or why what is stored cannot be the file. What is damaged is removed, so that it can be stored
// anew.
func (s *Service) usable(f goproxy.File, m goproxy.Meta, err error) error {
	if err == nil && m.Size < leastSize[f.Kind] {
		err = fmt.Errorf("%w: %d bytes cannot be a .%s", store.ErrDamaged, m.Size, f.Kind)
	}
	if errors.Is(err, store.ErrDamaged) {
		err = errors.Join(err, s.files.Remove(s.ctx, fileName(f)))
	}
	return err
}

func notFetched() error { return goproxy.Absent("not found: temporarily unavailable") }

// storeTrouble reports a store that does not work. What it holds is fetched again meanwhile.
func (s *Service) storeTrouble(f goproxy.File, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	s.o.Log.Error("the store cannot be read", "file", f.String(), "err", err)
	s.o.Recorder.Record(Event{What: StoreFailed, Path: f.Path, Name: f.Name(), Err: err})
}

// remember keeps an absence in memory for a while, or forgets those of a module that answered.
func (s *Service) remember(path, name string, err error) {
	var nf *goproxy.NotFound
	if errors.As(err, &nf) {
		s.absent.put(path, name, nf)
	} else if err == nil {
		s.absent.forget(path)
	}
}

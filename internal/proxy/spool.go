package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// smallSpool is up to which size a file that is no zip is kept in memory.
const smallSpool = 64 << 10

var (
	// errAborted ends the readers of a file whose released bytes turned out not to be the final ones.
	errAborted = errors.New("the file came differently when it was fetched again; ask once more")
	// errRestarted tells the checker to begin again.
	errRestarted = errors.New("restarted")
)

// A spool holds a file while it is fetched: in memory while it is small, else in a file on disk, else,
// where the disk takes no more, in a file without a disk (spare). One writer fills it in any order, one checker
// reads what has arrived and releases it, and any number of readers follow the released prefix.
type spool struct {
	dir   string
	max   int64  // most bytes
	small int64  // up to which size it stays in memory
	spare *spare // for when the disk takes no more

	mu       sync.Mutex // guards all below; not held while the file is read or written
	wake     bell       // rung for readers: more is released, or it is over
	arrived  bell       // rung for the checker: more has arrived, or it is over
	told     int64      // what was released when readers were woken last
	telling  *time.Timer
	mem      []byte
	file     *os.File // nil while in memory
	onSpare  bool     // the file is a spare one
	full     error    // why it had to be
	spared   int64    // bytes taken from spare
	have     extents
	size     int64 // -1 when unknown
	due      int64 // the prefix that the checker waits for, unless that is all
	complete bool  // the fetcher says that all has arrived
	released int64
	promised int64 // most that was ever released: what a restart must bring again
	restarts int
	aborted  int   // readers of an earlier restart than this are over
	ended    bool  // the end, for readers
	err      error // why it is not all; nil when all is released
	users    int   // readers and the fill; the last one removes the file
}

func newSpool(dir string, max, small int64, spare *spare) *spool {
	return &spool{dir: dir, max: max, small: small, spare: spare, size: -1, wake: newBell(), arrived: newBell(), users: 1}
}

// A bell wakes everyone who waits for a change. It is rung under the lock that guards what changes.
type bell struct{ c chan struct{} }

func newBell() bell { return bell{make(chan struct{})} }

func (b *bell) ring() {
	close(b.c)
	b.c = make(chan struct{})
}

// broadcast wakes the checker and the readers. The caller holds mu.
func (s *spool) broadcast() {
	s.arrived.ring()
	s.wake.ring()
}

// SetSize implements goproxy.Sink.
func (s *spool) SetSize(n int64) error {
	if n > s.max {
		return &goproxy.Wrong{Reason: fmt.Sprintf("it has %d bytes, the go command takes at most %d", n, s.max)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = n
	s.broadcast()
	return nil
}

// WriteAt implements goproxy.Sink.
func (s *spool) WriteAt(b []byte, off int64) (int, error) {
	end := off + int64(len(b))
	s.mu.Lock()
	defer s.mu.Unlock()
	if end > s.max {
		return 0, &goproxy.Wrong{Reason: fmt.Sprintf("it has more than the %d bytes that the go command takes", s.max)}
	}
	if s.size >= 0 && end > s.size {
		return 0, &goproxy.Wrong{Reason: fmt.Sprintf("it is longer than the %d bytes announced", s.size)}
	}
	if s.file == nil && end <= s.small {
		s.writeMem(b, off)
	} else if err := s.writeFile(b, off); err != nil {
		return 0, &goproxy.Unavailable{Reason: fmt.Sprintf("the spool directory %s takes no more: %v; free some space there", s.dir, err), Err: err}
	}
	before := s.have.prefix()
	s.have.add(off, end)
	if n := s.have.prefix(); n != before && (n >= s.due || n == s.size) {
		s.arrived.ring()
	}
	return len(b), nil
}

// writeMem writes to memory. The caller holds mu.
func (s *spool) writeMem(b []byte, off int64) {
	end := off + int64(len(b))
	if int64(cap(s.mem)) < end {
		grown := make([]byte, len(s.mem), max(end, min(2*int64(cap(s.mem)), s.small)))
		copy(grown, s.mem) // readers keep the old one
		s.mem = grown
	}
	if int64(len(s.mem)) < end {
		s.mem = s.mem[:end]
	}
	copy(s.mem[off:], b)
}

// writeFile writes to the file, to the spare one where the disk fails. The caller holds mu, which is
// given up meanwhile.
func (s *spool) writeFile(b []byte, off int64) error {
	end := off + int64(len(b))
	if s.file == nil {
		f, err := s.create()
		if err != nil {
			return err
		}
		s.file, s.mem = f, nil
	}
	for {
		if s.onSpare {
			if err := s.reserve(end); err != nil {
				return err
			}
		}
		file, promised := s.file, s.promised
		s.mu.Unlock()
		if off < promised && !same(file, b, off, promised) {
			s.abort()
		}
		_, err := file.WriteAt(b, off)
		s.mu.Lock()
		switch {
		case s.file != file: // moved meanwhile, without these bytes
		case err == nil || s.onSpare:
			return err
		default:
			if err := s.moveToSpare(end, err); err != nil {
				return err
			}
		}
	}
}

// create makes the file and puts there what is in memory. The caller holds mu.
func (s *spool) create() (*os.File, error) {
	f, err := os.CreateTemp(s.dir, "fill-*")
	if err == nil {
		if err = f.Chmod(0o644); err == nil {
			_, err = f.WriteAt(s.mem, 0)
		}
		if err == nil {
			return f, nil
		}
		f.Close()
		os.Remove(f.Name())
	}
	spare, serr := s.spare.create()
	if serr != nil {
		return nil, err
	}
	if _, serr := spare.WriteAt(s.mem, 0); serr != nil {
		spare.Close()
		return nil, err
	}
	s.onSpare, s.full = true, err
	return spare, nil
}

// reserve makes sure that a spare file may have n bytes. The caller holds mu.
func (s *spool) reserve(n int64) error {
	if n = max(n, s.size); n <= s.spared {
		return nil
	}
	if n > maxSpare {
		return fmt.Errorf("%w (only files up to %d MiB can do without it)", s.full, maxSpare>>20)
	}
	if !s.spare.take(n - s.spared) {
		return fmt.Errorf("%w (and the memory set aside for this is in use)", s.full)
	}
	s.spared = n
	return nil
}

// moved reports whether the content is in another file than f by now.
func (s *spool) moved(f *os.File) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file != f
}

// moveToSpare moves all that is there to a spare file with room for n bytes, after the disk failed with cause. The
// caller holds mu.
func (s *spool) moveToSpare(n int64, cause error) error {
	spare, err := s.spare.create()
	if err != nil {
		return cause
	}
	s.full = cause
	there := max(s.have.end(), s.promised)
	if err = s.reserve(max(n, there)); err == nil {
		_, err = io.Copy(io.NewOffsetWriter(spare, 0), io.NewSectionReader(s.file, 0, there))
	}
	if err != nil {
		spare.Close()
		return err
	}
	s.file.Close()
	os.Remove(s.file.Name())
	s.file, s.onSpare = spare, true
	return nil
}

// same reports whether b repeats, up to promised, what the file holds at off.
func same(file *os.File, b []byte, off, promised int64) bool {
	old := make([]byte, min(off+int64(len(b)), promised)-off)
	_, err := file.ReadAt(old, off)
	return err == nil && bytes.Equal(old, b[:len(old)])
}

// abort ends the readers that were given bytes which are not the final ones.
func (s *spool) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborted, s.promised = s.restarts, 0
	s.wake.ring()
}

// Reset implements goproxy.Sink.
func (s *spool) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.promised = max(s.promised, s.released)
	s.released, s.told, s.size, s.have, s.due, s.complete = 0, 0, -1, extents{}, 0, false
	s.mem = nil // the checker may still read the old bytes
	s.restarts++
	s.broadcast()
	return nil
}

// setComplete says that all bytes have arrived, and returns how many.
func (s *spool) setComplete() (n int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = s.have.prefix()
	if s.size >= 0 && n != s.size {
		return n, &goproxy.Wrong{Reason: fmt.Sprintf("%d of %d bytes arrived", n, s.size)}
	}
	if n != s.have.end() {
		return n, &goproxy.Wrong{Reason: fmt.Sprintf("bytes are missing from %d on", n)}
	}
	if s.file != nil { // an earlier attempt may have left more behind
		if err := s.file.Truncate(n); err != nil {
			return n, &goproxy.Unavailable{Reason: fmt.Sprintf("the spool directory %s: %v", s.dir, err), Err: err}
		}
	}
	s.complete = true
	s.arrived.ring()
	return n, nil
}

// release lets readers have the bytes before n, of the given restart. It is false where that one is over.
func (s *spool) release(n int64, restart int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if restart != s.restarts {
		return false
	}
	if n > s.released {
		s.released = n
		s.tell()
	}
	return true
}

const (
	// A hundred readers of one file are woken for every tellBytes, and for less only after tellAfter: each time costs
	// them a system call or two.
	tellBytes = 256 << 10
	tellAfter = 4 * time.Millisecond
)

// tell wakes the readers, now or soon. The caller holds mu.
func (s *spool) tell() {
	switch {
	case s.told == 0 || s.released-s.told >= tellBytes:
		s.told = s.released
		s.wake.ring()
	case s.telling == nil:
		s.telling = time.AfterFunc(tellAfter, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.telling, s.told = nil, s.released
			s.wake.ring()
		})
	}
}

// finish ends it: with nil all bytes are released, else readers get err.
func (s *spool) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.size, s.released = s.have.prefix(), s.have.prefix()
	}
	s.ended, s.err = true, err
	s.broadcast()
}

// content returns all bytes that have arrived: from a file or from memory.
func (s *spool) content() (src *io.SectionReader, file *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return io.NewSectionReader(s.file, 0, s.have.prefix()), s.file
	}
	return io.NewSectionReader(bytes.NewReader(s.mem), 0, s.have.prefix()), nil
}

// begun reports whether anything has arrived.
func (s *spool) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have.prefix() > 0
}

func (s *spool) restartCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restarts
}

func (s *spool) sizeNow() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// use counts a user: the fill, a request that waits for it, a follower.
func (s *spool) use() {
	s.mu.Lock()
	s.users++
	s.mu.Unlock()
}

// done is called once by each user; the last one removes the file.
func (s *spool) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users > 0 {
		return
	}
	s.spare.give(s.spared)
	s.spared = 0
	if s.telling != nil {
		s.telling.Stop()
	}
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name()) // a spare one has no name: no harm
	}
}

// read copies bytes at off into b once gate, which is called with mu held, lets at least one be read. It waits for the
// ringing of on.
func (s *spool) read(ctx context.Context, b []byte, off int64, on *bell, gate func() (limit int64, err error)) (int, error) {
	for {
		there, err := s.await(ctx, off, on, gate)
		switch {
		case err != nil:
			return 0, err
		case there.file == nil:
			return copy(b, there.mem[off:there.limit]), nil
		}
		n, err := there.file.ReadAt(b[:min(int64(len(b)), there.limit-off)], off)
		if errors.Is(err, os.ErrClosed) && s.moved(there.file) {
			continue
		}
		return n, err
	}
}

// readable is what may be read at one moment: bytes before limit, of file or, where that is nil, of mem.
type readable struct {
	limit int64
	mem   []byte
	file  *os.File
}

// await waits until gate, which is called with mu held, gives a limit beyond off.
func (s *spool) await(ctx context.Context, off int64, on *bell, gate func() (limit int64, err error)) (readable, error) {
	for {
		s.mu.Lock()
		limit, err := gate()
		there, rung := readable{limit, s.mem, s.file}, on.c
		s.mu.Unlock()
		if err != nil || limit > off {
			return there, err
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return there, context.Cause(ctx)
		}
	}
}

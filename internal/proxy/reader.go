package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A follower reads a spool as it is released, or tells where the released bytes are. It holds files in named fields: an
// embedded *os.File would let io.Copy run past what is released.
type follower struct {
	ctx     context.Context
	spool   *spool
	size    int64 // as announced to the client
	restart int   // of the spool when it began
	off     int64
	close   sync.Once

	of, opened *os.File // the spool's file, and the same opened anew for Next
}

var _ goproxy.Arriving = (*follower)(nil)

// follow returns a reader of s, whose size is known.
func (s *spool) follow(ctx context.Context, size int64) *follower {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
	return &follower{ctx: ctx, spool: s, size: size, restart: s.restarts}
}

// Read implements io.Reader. It waits until bytes are released.
func (f *follower) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := f.spool.read(f.ctx, b, f.off, &f.spool.wake, f.gate)
	f.off += int64(n)
	if n > 0 && f.over() { // what was read may have been overwritten meanwhile
		return 0, errAborted
	}
	return n, err
}

// Next implements goproxy.Arriving. Each follower has the file open for itself, since the kernel sends from a place that
// belongs to the open file.
func (f *follower) Next() (file *os.File, n int64, err error) {
	for {
		there, err := f.spool.await(f.ctx, f.off, &f.spool.wake, f.gate)
		switch {
		case err != nil:
			return nil, 0, err
		case there.file == nil:
			return nil, 0, errors.ErrUnsupported
		}
		if f.of != there.file {
			f.closeOpened()
			if f.opened, err = os.Open(there.file.Name()); err != nil {
				if f.spool.moved(there.file) {
					continue
				}
				return nil, 0, errors.ErrUnsupported // Read says what is wrong, if anything is
			}
			f.of = there.file
		}
		_, err = f.opened.Seek(f.off, io.SeekStart)
		return f.opened, there.limit - f.off, err
	}
}

// Sent implements goproxy.Arriving.
func (f *follower) Sent(n int64) error {
	f.off += n
	if f.over() {
		return errAborted
	}
	return nil
}

func (f *follower) closeOpened() {
	if f.opened != nil {
		f.opened.Close()
	}
	f.of, f.opened = nil, nil
}

// gate runs with the spool's mu held.
func (f *follower) gate() (int64, error) {
	s := f.spool
	switch {
	case s.aborted > f.restart:
		return 0, errAborted
	case s.err != nil:
		return 0, fmt.Errorf("the file did not come whole: %w", s.err) // which may be io.EOF: never as it is
	case s.ended && s.size != f.size:
		return 0, errAborted
	case s.size != f.size: // it came with another length this time, and may be wrong
		return 0, nil
	case s.released > f.off:
		return s.released, nil
	case s.ended:
		return 0, io.EOF
	}
	return 0, nil // also where all was read, but the end is not confirmed
}

func (f *follower) over() bool {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	return f.spool.aborted > f.restart
}

// Seek implements io.Seeker, for ranges.
func (f *follower) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += f.off
	case io.SeekEnd:
		off += f.size
	}
	if off < 0 {
		return 0, errors.New("seek before the start")
	}
	f.off = off
	return off, nil
}

// Close gives up the place among the spool's users.
func (f *follower) Close() error {
	f.close.Do(func() {
		f.closeOpened()
		f.spool.done()
	})
	return nil
}

// checkedAtOnce is how many bytes the checker waits for, unless they are the last: each time it is woken takes longer
// than to read a few more.
const checkedAtOnce = 64 << 10

// arrivals reads a spool's bytes as they arrive, of one restart: for the checker.
type arrivals struct {
	ctx     context.Context
	spool   *spool
	restart int
	off     int64
	limit   int64 // up to where the bytes are known to be there
}

func (a *arrivals) Read(b []byte) (int, error) {
	n, err := a.spool.read(a.ctx, b, a.off, &a.spool.arrived, func() (int64, error) {
		s := a.spool
		if a.off >= a.limit {
			s.due = a.off + checkedAtOnce
		}
		switch n := s.have.prefix(); {
		case s.restarts != a.restart:
			return 0, errRestarted
		case s.err != nil:
			return 0, fmt.Errorf("ended: %w", s.err)
		case n > a.off && (n >= s.due || n == s.size || s.complete):
			a.limit = n
			return n, nil
		case s.complete:
			return 0, io.EOF
		}
		return 0, nil
	})
	a.off += int64(n)
	return n, err
}

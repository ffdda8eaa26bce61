package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// An Object is one thing stored below modules/.
type Object struct {
	Name     string // in the store
	Size     int64
	File     goproxy.File
	Stranger bool // it is no file of a module: nobody is ever served of it, and File is not set
}

// Objects yields what is stored below modules/, and ends after an error.
func (s *Service) Objects(ctx context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for e, err := range s.o.Store.List(ctx, modulesBelow) {
			o := Object{Name: e.Name, Size: e.Size, Stranger: true}
			r, perr := goproxy.Parse(strings.TrimPrefix(e.Name, modulesBelow))
			if perr == nil && r.Op == goproxy.OpFile && fileName(r.File) == e.Name {
				o.File, o.Stranger = r.File, false
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// A Verdict is how a stored file was found.
type Verdict uint8

const (
	Good       Verdict = iota // it has the hash that it must have; an .info has none, and is one of its version
	Noted                     // its hash was not known; now the Ledger has it
	Rotten                    // it is not what it must be
	Unreadable                // the store cannot read it
	Gone                      // it was removed meanwhile
)

// A Finding is what Verify found of a stored file.
type Finding struct {
	Verdict Verdict
	Why     string // it is Rotten or Unreadable; for people
}

// Verify reads a stored file, past all memory, and compares its hash with that in the Ledger, which the Service must have. Where there is
// none, or none that is proven, the Verifier is asked. What nobody knows is noted as first seen now, if it does not contradict itself;
// what a checksum database contradicts, or does not know, never is. It changes nothing in the store.
//
// An error says that nothing was found out: it is of the Ledger, or that of ctx.
func (s *Service) Verify(ctx context.Context, f goproxy.File) (Finding, error) {
	var h1 string
	var err error
	if f.Kind == goproxy.Info {
		err = s.checkStoredInfo(ctx, f)
	} else {
		h1, err = s.hashStored(ctx, f)
	}
	if ctx.Err() != nil {
		return Finding{}, context.Cause(ctx)
	}
	if h1 != "" {
		return s.compare(ctx, f, h1, err)
	}
	switch {
	case err == nil:
		return Finding{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return Finding{Verdict: Gone}, nil
	case errors.As(err, new(*goproxy.Wrong)), errors.Is(err, store.ErrDamaged):
		return rotten("%v", err)
	}
	return Finding{Unreadable, err.Error()}, nil
}

func rotten(format string, args ...any) (Finding, error) {
	return Finding{Rotten, fmt.Sprintf(format, args...)}, nil
}

func (s *Service) checkStoredInfo(ctx context.Context, f goproxy.File) error {
	c, err := s.openStored(ctx, f)
	if err != nil {
		return err
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	if err != nil {
		return err
	}
	return goproxy.CheckInfo(b, f.Path, f.Version.Version)
}

// compare says what follows from the hash of a stored file. torn is how the file contradicts itself, nil where it does not: that counts
// where nobody knows the hash.
func (s *Service) compare(ctx context.Context, f goproxy.File, h1 string, torn error) (Finding, error) {
	known, err := s.o.Ledger.Get(ctx, f)
	fresh := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !fresh:
		return Finding{}, err
	case !fresh && known.Wrong == "" && known.H1 == h1:
		return Finding{}, nil
	case !fresh && known.Wrong == "" && known.By != "":
		return rotten("%s", differs(h1, known))
	}
	want, err := s.wantNow(ctx, f)
	proven := want.hash(f.Kind)
	var refused *goproxy.Refused
	switch {
	case ctx.Err() != nil:
		return Finding{}, context.Cause(ctx)
	case proven == h1:
		return s.note(ctx, f, Seen{H1: h1, By: want.By, TreeSize: want.TreeSize}, fresh)
	case proven != "":
		return rotten("its hash is %s, and %s (tree of %d records) says %s", h1, want.By, want.TreeSize, proven)
	case !fresh:
		return rotten("%s", differs(h1, known))
	case errors.As(err, &refused):
		return rotten("%s", refused.Reason)
	case torn != nil:
		return rotten("%v", torn)
	}
	if want.Unverified != "" || err != nil {
		s.pending.Store(true)
	}
	return s.note(ctx, f, Seen{H1: h1}, true)
}

// wantNow asks what a file must be; nothing is known without a Verifier.
func (s *Service) wantNow(ctx context.Context, f goproxy.File) (Want, error) {
	if s.o.Verifier == nil {
		return Want{}, nil
	}
	return s.o.Verifier.Want(ctx, f.Version)
}

// note records the hash of a stored file. Another process may have noted another one since it was asked for.
func (s *Service) note(ctx context.Context, f goproxy.File, seen Seen, fresh bool) (Finding, error) {
	noted, err := s.o.Ledger.Record(ctx, f, seen)
	switch {
	case err != nil:
		return Finding{}, err
	case noted.H1 != seen.H1 || noted.Wrong != "" && seen.By == "":
		return rotten("%s", differs(seen.H1, noted))
	case fresh:
		return Finding{Verdict: Noted}, nil
	}
	return Finding{}, nil
}

// differs says how a hash contradicts what is recorded.
func differs(h1 string, known Seen) string {
	switch {
	case known.Wrong != "" && known.H1 == h1:
		return fmt.Sprintf("its hash is %s, which was found wrong: %s", h1, known.Wrong)
	case known.Wrong != "":
		return fmt.Sprintf("its hash is %s, and the one recorded, %s, was found wrong: %s", h1, known.H1, known.Wrong)
	}
	return fmt.Sprintf("its hash is %s, recorded is %s, first seen on %s", h1, known.H1, known.First.UTC().Format(time.DateTime))
}

// Repair takes a stored file out of the store, with a copy into quarantine where it can be read, and fetches it again, with all the
// checks of a first fetch. It reports whether the file left the store, and why it is not there anew. Where ctx ends before, it
// may come all the same.
func (s *Service) Repair(ctx context.Context, f goproxy.File) (out bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if _, err := s.quarantine(ctx, fileName(f)); err != nil {
		return false, err
	}
	return true, s.have(ctx, f)
}

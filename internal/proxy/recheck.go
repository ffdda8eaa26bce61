package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// recheckEvery is how long at most files that went out unverified wait for the next try.
const recheckEvery = 20 * time.Second

// recheck verifies what went out while no checksum database could be asked, until ctx ends.
func (s *Service) recheck(ctx context.Context) {
	for {
		t := time.NewTimer(recheckEvery/2 + rand.N(recheckEvery/2))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		if s.pending.Swap(false) && !s.recheckAll(ctx) {
			s.pending.Store(true)
		}
	}
}

// fewFailures is how many files in a row cannot be had before that is taken for the trouble of who is asked.
const fewFailures = 3

// recheckAll goes through what is not verified. It reports false where some of that has to be asked for again.
func (s *Service) recheckAll(ctx context.Context) bool {
	all, failures := true, 0
	for u, err := range s.o.Ledger.Unverified(ctx) {
		if err != nil {
			s.o.Log.Error("the ledger cannot be read; what went out unverified stays so", "err", err)
			return false
		}
		switch s.recheckOne(ctx, u) {
		case concluded:
			failures = 0
		case undecided:
			all, failures = false, 0
		case unanswered:
			all = false
			if failures++; failures == fewFailures {
				return false
			}
		}
	}
	return all
}

// An outcome is what came of verifying a file again.
type outcome uint8

const (
	concluded  outcome = iota
	undecided          // the answer may be another one later
	unanswered         // the database could not be asked
)

func (s *Service) recheckOne(ctx context.Context, u Unverified) outcome {
	want, err := s.o.Verifier.Want(ctx, u.File.Version)
	var refused *goproxy.Refused
	hash := want.hash(u.File.Kind)
	switch {
	case errors.As(err, &refused):
		s.withdraw(ctx, u, refused.Reason)
		return undecided
	case err != nil:
		return unanswered
	case want.Excepted:
		return undecided
	case want.Unverified != "":
		return unanswered
	case hash == "": // it is private
	case hash != u.Seen.H1:
		s.condemn(ctx, u, fmt.Sprintf("its hash is %s, %s (tree of %d records) says %s", u.Seen.H1, want.By, want.TreeSize, hash))
	default:
		u.Seen.By, u.Seen.TreeSize = want.By, want.TreeSize
		if _, err := s.o.Ledger.Record(ctx, u.File, u.Seen); err != nil {
			s.o.Log.Error("the ledger takes no entry", "file", u.File.String(), "err", err)
			return undecided
		}
		s.o.Recorder.Record(Event{What: Proven, Path: u.File.Path, Name: u.File.Name()})
	}
	return concluded
}

// withdraw takes a file out of the store that the database does not know. It may know it later: nothing is said of its hash.
func (s *Service) withdraw(ctx context.Context, u Unverified, why string) {
	was, err := s.quarantine(ctx, fileName(u.File))
	switch {
	case err != nil:
		s.o.Log.Error("a file that must not be served stays in the store; remove it", "file", u.File.String(), "err", err)
	case was:
		s.o.Log.Error("a file that was served unverified is no public module's; it is in quarantine", "file", u.File.String(), "from", u.Seen.From, "why", why)
		s.o.Recorder.Record(Event{What: Condemned, Path: u.File.Path, Name: u.File.Name(), From: u.Seen.From, Err: &goproxy.Wrong{From: u.Seen.From, Reason: why}})
	}
}

// condemn takes a file that was served and is not what it must be out of the store, and says so loudly.
func (s *Service) condemn(ctx context.Context, u Unverified, why string) {
	err := &goproxy.Wrong{From: u.Seen.From, Reason: why}
	s.o.Log.Error("SECURITY: a file that was served unverified is wrong; it is in quarantine, look for who has it with: modhaven ledger show --served "+u.File.Version.String(),
		"file", u.File.String(), "from", u.Seen.From, "first", u.Seen.First, "why", why)
	s.o.Recorder.Record(Event{What: Condemned, Path: u.File.Path, Name: u.File.Name(), From: u.Seen.From, Err: err})
	if err := s.o.Ledger.Condemn(ctx, u.File, why); err != nil {
		s.o.Log.Error("the ledger takes no entry", "file", u.File.String(), "err", err)
	}
	if _, err := s.quarantine(ctx, fileName(u.File)); err != nil {
		s.o.Log.Error("a wrong file stays in the store; remove it", "file", u.File.String(), "err", err)
	}
}

// quarantine moves an object to where nobody is served from, and reports whether it was there.
func (s *Service) quarantine(ctx context.Context, name string) (was bool, err error) {
	c, err := s.files.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil { // whatever it is: nobody must be served of it
		s.o.Log.Error("no copy of a wrong file is in quarantine", "name", name, "err", err)
		return true, s.files.Remove(ctx, name)
	}
	defer c.Body.Close()
	b, ok := c.Body.(io.ReaderAt)
	if !ok {
		return true, errors.New("a body that cannot seek")
	}
	if err := s.o.Store.Put(ctx, "quarantine/"+name, io.NewSectionReader(b, 0, c.Size), store.PutOptions{If: "*", ETag: c.ETag}); err != nil {
		s.o.Log.Error("no copy of a wrong file is in quarantine", "name", name, "err", err)
	}
	return true, s.files.Remove(ctx, name)
}

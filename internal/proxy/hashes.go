package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Hashes returns the hashes of a version's zip and of its go.mod, as in go.sum, from the bytes as they are stored, which are
// fetched where they are not there. What the ledger knows otherwise is a *goproxy.Wrong; other errors are those of goproxy.Source.
func (s *Service) Hashes(ctx context.Context, m module.Version) (zip, mod string, err error) {
	if mod, err = s.hashOf(ctx, goproxy.File{Version: m, Kind: goproxy.Mod}); err != nil {
		return "", "", err
	}
	zip, err = s.hashOf(ctx, goproxy.File{Version: m, Kind: goproxy.Zip})
	return zip, mod, err
}

func (s *Service) hashOf(ctx context.Context, f goproxy.File) (string, error) {
	h1, err := s.hashStored(ctx, f)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.have(ctx, f); err != nil {
			return "", err
		}
		h1, err = s.hashStored(ctx, f)
	}
	var wrong *goproxy.Wrong
	switch {
	case errors.As(err, &wrong):
		return "", err
	case err != nil:
		return "", &goproxy.Unavailable{Reason: fmt.Sprintf("%s: the store cannot be read: %v", f, err), RetryAfter: time.Second, Err: err}
	case s.o.Ledger == nil:
		return "", &goproxy.Unavailable{Reason: fmt.Sprintf("%s: its hash cannot be noted in the ledger", f), RetryAfter: time.Second}
	}
	noted, err := s.o.Ledger.Record(ctx, f, Seen{H1: h1})
	switch {
	case err != nil:
		return "", &goproxy.Unavailable{Reason: fmt.Sprintf("%s: its hash cannot be noted in the ledger: %v", f, err), RetryAfter: time.Second, Err: err}
	case noted.Wrong != "":
		return "", &goproxy.Wrong{Reason: fmt.Sprintf("SECURITY ERROR: %s was found wrong: %s", f, noted.Wrong)}
	case noted.H1 != h1:
		return "", &goproxy.Wrong{Reason: fmt.Sprintf("SECURITY ERROR: checksum mismatch; %s as it is stored is not what was first served; see modhaven verify --repair\n\tstored: %s\n\tledger: %s", f, h1, noted.H1)}
	}
	return h1, nil
}

// have returns when a file that was not stored is.
func (s *Service) have(ctx context.Context, f goproxy.File) error {
	fl, err := s.join(ctx, f)
	if err != nil {
		return err
	}
	defer s.leave(fl)
	select {
	case <-fl.over:
		return cmp.Or(fl.err, fl.unkept)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

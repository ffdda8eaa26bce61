package sumdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/sync/singleflight"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Records are a checksum database that can be added to.
type Records interface {
	Name() string
	// Answer answers what stands behind the database's name in a URL's path. Its errors are those of goproxy.Source.
	Answer(ctx context.Context, name string) (*goproxy.Content, error)
	// Record adds a version with its two lines of go.sum and returns its number, also where it is there with the same lines
	// already. It is a *goproxy.Wrong where it is there with other ones; any other error may pass.
	Record(ctx context.Context, m module.Version, lines []byte) (int64, error)
}

// Files knows what the files of a version are.
type Files interface {
	// Hashes returns the hashes of a version's zip and of its go.mod, as in go.sum, from the bytes that clients are served,
	// which it fetches where they are not stored. Its errors are those of goproxy.Source.
	Hashes(ctx context.Context, m module.Version) (zip, mod string, err error)
}

// OwnOptions are what an Own is made of.
type OwnOptions struct {
	Records  Records
	Files    Files          // of private modules
	Private  *goproxy.Rules // by which modules are private: recorded as they were first seen
	Verifier *Verifier      // proves all others; nil: none of them is recorded
	Log      *slog.Logger
}

// Own answers for a checksum database of one's own. A version that it lacks is recorded when it is first asked for: a private
// one as it was first served, any other as the public checksum database has it, and only with its proof.
type Own struct {
	o      OwnOptions
	flight singleflight.Group
	slots  chan struct{}
}

// maxRecording is how many versions are on their way into the log at once.
const maxRecording = 256

// NewOwn returns an Own.
func NewOwn(o OwnOptions) *Own { return &Own{o: o, slots: make(chan struct{}, maxRecording)} }

// Name returns the name of the database.
func (w *Own) Name() string { return w.o.Records.Name() }

// Answer answers what stands behind the database's name in a URL's path: "lookup/example.com/m@v1.0.0".
func (w *Own) Answer(ctx context.Context, name string) (*goproxy.Content, error) {
	c, err := w.o.Records.Answer(ctx, name)
	arg, ok := strings.CutPrefix(name, "lookup/")
	if !ok || !errors.As(err, new(*goproxy.NotFound)) || goproxy.FetchDisabled(ctx) {
		return c, err
	}
	m, parseErr := parseLookup(name, arg)
	if parseErr != nil {
		return nil, parseErr
	}
	if err := w.record(ctx, m); err != nil {
		return nil, err
	}
	return w.o.Records.Answer(ctx, name)
}

// record appends a version, once for all who want it now. The work belongs to none of them.
func (w *Own) record(ctx context.Context, m module.Version) error {
	ch := w.flight.DoChan(m.String(), func() (any, error) {
		select {
		case w.slots <- struct{}{}:
			defer func() { <-w.slots }()
		default:
			return nil, &goproxy.Unavailable{Reason: fmt.Sprintf("%s: %d other versions are being recorded in %s", m, maxRecording, w.Name()), RetryAfter: time.Second}
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recording)
		defer cancel()
		return nil, w.append(ctx, m)
	})
	select {
	case r := <-ch:
		return r.Err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// recording ends the work on a record that nobody may be waiting for any more: a large zip is fetched for it.
const recording = 10 * time.Minute

func (w *Own) append(ctx context.Context, m module.Version) error {
	zip, mod, err := w.hashes(ctx, m)
	if err != nil {
		return err
	}
	text := fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, zip, m.Path, m.Version, mod)
	id, err := w.o.Records.Record(ctx, m, text)
	switch {
	case errors.As(err, new(*goproxy.Wrong)): // another process was first, and saw other bytes
		w.o.Log.Error("SECURITY: a version has other hashes than its record in the own checksum database", "version", m.String(), "err", err)
		return err
	case err != nil:
		w.o.Log.Error("the own checksum database takes no record", "version", m.String(), "err", err)
		return &goproxy.Unavailable{Reason: fmt.Sprintf("%s: %s takes no record now; the server's log says why", m, w.Name()), RetryAfter: time.Second, Err: err}
	}
	w.o.Log.Info("recorded in the own checksum database", "version", m.String(), "record", id)
	return nil
}

// hashes returns what is to be recorded of a version.
func (w *Own) hashes(ctx context.Context, m module.Version) (zip, mod string, err error) {
	if w.o.Private.Private(m.Path) != "" {
		return w.o.Files.Hashes(ctx, m)
	}
	if w.o.Verifier == nil {
		return "", "", goproxy.Absent("not found: %s is not private to %s, and there is no public checksum database that proves it (sumdb: off)", m, w.Name())
	}
	want, err := w.o.Verifier.Want(ctx, m)
	switch {
	case err != nil:
		return "", "", err
	case want.Excepted:
		return "", "", goproxy.Absent("not found: %s is not recorded in %s, since nothing proves it: %s; until then set GONOSUMDB for it", m, w.Name(), want.Unverified)
	case want.Unverified != "":
		return "", "", &goproxy.Unavailable{RetryAfter: time.Second,
			Reason: fmt.Sprintf("%s cannot be recorded in %s before the public checksum database proves it: %s", m, w.Name(), want.Unverified)}
	}
	return want.Zip, want.Mod, nil
}

// Databases answers below /sumdb/ for several checksum databases.
type Databases struct {
	Own   *Own
	Other Answerer // for all other names
}

// An Answerer answers for checksum databases: what stands behind /sumdb/ in a URL's path, "sum.golang.org/latest".
type Answerer interface {
	Answer(ctx context.Context, path string) (*goproxy.Content, error)
}

// Answer implements Answerer.
func (d Databases) Answer(ctx context.Context, path string) (*goproxy.Content, error) {
	if name, ok := strings.CutPrefix(path, d.Own.Name()+"/"); ok {
		return d.Own.Answer(ctx, name)
	}
	if d.Other == nil {
		return nil, goproxy.Absent("not found: no checksum database of that name is served here")
	}
	return d.Other.Answer(ctx, path)
}

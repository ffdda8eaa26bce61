package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/gocmd"
	"github.com/modhaven/modhaven/internal/goproxy"
)

// callerDirect makes what fetches from version control as the caller of exec would. Without a go command there is none: then
// the command fetches private modules by itself.
func callerDirect(environ []string) func(*haven, *config.Config, bool) (goproxy.Fetcher, error) {
	return func(hv *haven, _ *config.Config, _ bool) (goproxy.Fetcher, error) {
		f, err := gocmd.New(gocmd.Options{Dir: filepath.Join(hv.state.Dir, "direct"), Caller: environ, Log: hv.log})
		if err != nil {
			hv.log.Warn("private modules are left to the command", "err", err)
			return nil, nil //nolint:nilnil // none
		}
		hv.direct = f
		return f, nil
	}
}

// A yielding Source says of what version control did not give that it is absent. The command, whose list goes on to direct, then asks
// version control itself, with its terminal: whatever it could fetch without Modhaven it still can. A file that is wrong stays so.
type yielding struct {
	next   goproxy.Source
	direct *goproxy.Rules
	t      *tally
}

// yield returns err, or absence in its place.
func (y *yielding) yield(path, name, what string, err error) error {
	trouble := errors.As(err, new(*goproxy.Unavailable)) || errors.As(err, new(*goproxy.Refused))
	if !trouble || y.direct.Of(path).Route < 0 {
		return err
	}
	y.t.yields(name, what, err)
	return goproxy.Absent("not found: %s\nThe command's own go asks version control next.", err.Error())
}

// List implements goproxy.Source.
func (y *yielding) List(ctx context.Context, path string) (*goproxy.Content, error) {
	c, err := y.next.List(ctx, path)
	return c, y.yield(path, goproxy.ListName(path), path+"/@v/list", err)
}

// Query implements goproxy.Source.
func (y *yielding) Query(ctx context.Context, path, query string) (*goproxy.Content, error) {
	c, err := y.next.Query(ctx, path, query)
	return c, y.yield(path, goproxy.QueryName(path, query), path+"@"+query, err)
}

// Stat implements goproxy.Source.
func (y *yielding) Stat(ctx context.Context, f goproxy.File) (goproxy.Meta, error) {
	m, err := y.next.Stat(ctx, f)
	return m, y.yield(f.Path, f.Name(), f.String(), err)
}

// Open implements goproxy.Source.
func (y *yielding) Open(ctx context.Context, f goproxy.File) (*goproxy.Content, error) {
	c, err := y.next.Open(ctx, f)
	return c, y.yield(f.Path, f.Name(), f.String(), err)
}

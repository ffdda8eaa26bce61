// Package sumdb answers for a checksum database below /sumdb/, from upstreams that have a copy and from the
// database itself.
//
// It passes answers through without verifying them: the go command does. What it keeps is kept apart, as unverified.
package sumdb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/singleflight"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/lru"
)

// A Remote is whom to ask. Get returns at most max bytes of what the database calls name, once check finds nothing wrong
// with them; its errors are those of goproxy.Source. Where ctx has goproxy.WithStale it waits for nobody to come back.
type Remote interface {
	Get(ctx context.Context, name string, max int64, check func([]byte) error) ([]byte, error)
}

// A Keeper keeps answers across restarts. It cannot fail a request.
type Keeper interface {
	Load(ctx context.Context, name string) ([]byte, bool)
	Save(ctx context.Context, name string, b []byte)
}

// Options are what a Proxy is made of.
type Options struct {
	DB      goproxy.SumDB
	Remote  Remote // nil: nobody is asked
	Private string // patterns as in GOPRIVATE, whose names are never sent anywhere
	Keep    Keeper
}

const (
	maxAnswer = 1 << 20 // a full tile has 8 KiB, a lookup less than 1, a tile of records perhaps 100
	maxMemory = 8 << 20
	// maxAsking is how many questions are under way at once.
	maxAsking = 64
	// patience ends a question that nobody may be waiting for any more.
	patience = time.Minute
	// budget is how long a client waits where an answer is kept from before.
	budget = 3 * time.Second
)

// Proxy passes the answers of one checksum database through.
type Proxy struct {
	o      Options
	flight singleflight.Group
	slots  chan struct{}
	tiles  *lru.Cache[[]byte]
}

// New returns a Proxy.
func New(o Options) *Proxy {
	return &Proxy{o: o, slots: make(chan struct{}, maxAsking), tiles: lru.New(maxMemory, func(b []byte) int64 { return int64(len(b)) })}
}

// Answer answers what stands behind /sumdb/ in a URL's path, percent-decoded: "sum.golang.org/latest". The
// name of a database may have slashes.
func (p *Proxy) Answer(ctx context.Context, path string) (*goproxy.Content, error) {
	name, ok := strings.CutPrefix(path, p.o.DB.Name+"/")
	if !ok || p.o.DB.Name == "" {
		return nil, goproxy.Absent("not found: no checksum database of that name is served here")
	}
	var b []byte
	var err error
	kind, rest, _ := strings.Cut(name, "/")
	switch {
	case name == "supported":
	case name == "latest":
		b, err = p.ask(ctx, name, checkLatest)
	case kind == "lookup":
		b, err = p.lookup(ctx, name, rest)
	case kind == "tile":
		b, err = p.tile(ctx, name)
	default:
		err = goproxy.Absent("not found: a checksum database answers supported, latest, lookup/ and tile/")
	}
	if err != nil {
		return nil, err
	}
	return &goproxy.Content{Meta: goproxy.Meta{Size: int64(len(b))}, Body: goproxy.NewBytes(b)}, nil
}

func malformed(format string, args ...any) error {
	return &goproxy.Refused{Status: http.StatusBadRequest, Reason: fmt.Sprintf(format, args...)}
}

// lookup answers lookup/MODULE@VERSION. A private name goes nowhere, in no spelling.
func (p *Proxy) lookup(ctx context.Context, name, arg string) ([]byte, error) {
	escPath, escVersion, ok := strings.Cut(arg, "@")
	if !ok {
		return nil, malformed("%s: a lookup is MODULE@VERSION", name)
	}
	path, err := module.UnescapePath(escPath)
	if err != nil {
		return nil, malformed("%s: %v", name, err)
	}
	version, err := module.UnescapeVersion(escVersion)
	if err != nil {
		return nil, malformed("%s: %v", name, err)
	}
	if goproxy.MatchesAny(p.o.Private, path) {
		return nil, goproxy.Absent("not found: %s is private (%s) and its name is sent to no checksum database; set GONOSUMDB or GOPRIVATE for it", path, p.o.Private)
	}
	if !goproxy.Fits(path, version) {
		return nil, malformed("%s: %s is not a canonical version of %s", name, version, path)
	}
	return p.ask(ctx, name, checkRecord(path, version))
}

// tile answers tile/H/L/N and its partial forms. A partial tile is the start of the full one, and may be gone
// once that exists.
func (p *Proxy) tile(ctx context.Context, name string) ([]byte, error) {
	t, err := tlog.ParseTilePath(name)
	if err != nil {
		return nil, malformed("%s: not a tile", name)
	}
	if b, ok := p.known(ctx, t); ok {
		return b, nil
	}
	whole := t
	whole.W = 1 << t.H
	partial := t != whole && t.L >= 0
	if partial {
		if b, ok := p.known(ctx, whole); ok {
			return b[:t.W*tlog.HashSize], nil
		}
	}
	b, err := p.ask(ctx, name, checkTile(t))
	var absent *goproxy.NotFound
	if errors.As(err, &absent) && partial {
		if b, werr := p.tile(ctx, whole.Path()); werr == nil {
			return b[:t.W*tlog.HashSize], nil
		}
	}
	if err == nil {
		p.tiles.Put(name, b)
	}
	return b, err
}

// known returns a tile that nobody needs to be asked for: it never changes.
func (p *Proxy) known(ctx context.Context, t tlog.Tile) ([]byte, bool) {
	name := t.Path()
	if b, ok := p.tiles.Get(name); ok {
		return b, true
	}
	b, ok := p.kept(ctx, name, checkTile(t))
	if ok {
		p.tiles.Put(name, b)
	}
	return b, ok
}

// kept returns what is kept of an earlier answer.
func (p *Proxy) kept(ctx context.Context, name string, check func([]byte) error) ([]byte, bool) {
	b, ok := p.o.Keep.Load(ctx, name)
	return b, ok && check(b) == nil
}

// ask asks place after place, once for all who ask now. What is kept of an earlier answer stands in where all are
// in trouble, or take too long.
func (p *Proxy) ask(ctx context.Context, name string, check func([]byte) error) ([]byte, error) {
	ch := p.flight.DoChan(name, func() (any, error) { return p.fly(context.WithoutCancel(ctx), name, check) })
	late := time.NewTimer(budget)
	defer late.Stop()
	for {
		select {
		case r := <-ch:
			var absent *goproxy.NotFound
			if r.Err == nil {
				return r.Val.([]byte), nil
			}
			if !errors.As(r.Err, &absent) {
				if b, ok := p.kept(ctx, name, check); ok {
					return b, nil
				}
			}
			return nil, r.Err
		case <-late.C:
			if b, ok := p.kept(ctx, name, check); ok {
				return b, nil
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// fly asks, when it is its turn, and keeps the answer. It belongs to nobody's request.
func (p *Proxy) fly(ctx context.Context, name string, check func([]byte) error) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, &goproxy.Unavailable{Reason: "checksum database " + p.o.DB.Name + ": too many questions wait for an answer already", RetryAfter: time.Second}
	}
	b, err := p.get(ctx, name, check)
	if err == nil {
		p.o.Keep.Save(ctx, name, b)
	}
	return b, err
}

// get asks, and waits for nobody to come back where an earlier answer is kept.
func (p *Proxy) get(ctx context.Context, name string, check func([]byte) error) ([]byte, error) {
	if p.o.Remote == nil {
		return nil, p.unavailable(": there is nobody to ask for it (upstreams: off)")
	}
	if _, kept := p.kept(ctx, name, check); kept {
		ctx = goproxy.WithStale(ctx)
	}
	b, err := p.o.Remote.Get(ctx, name, maxAnswer, check)
	if err == nil || errors.As(err, new(*goproxy.NotFound)) {
		return b, err
	}
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return nil, p.unavailable(":\n" + strings.Join(lines, "\n"))
}

func (p *Proxy) unavailable(why string) error {
	return &goproxy.Unavailable{Reason: "checksum database " + p.o.DB.Name + why}
}

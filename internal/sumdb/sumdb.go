// Package sumdb knows what a checksum database says, proven, from upstreams that have a copy and from the database itself;
// it says what a file's hash must be, and answers below /sumdb/.
//
// Nothing is answered or kept that the database's signed tree does not prove.
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
	Client  *Client        // of that database; nil where there is none
	Private *goproxy.Rules // by which names are private: never sent anywhere
	Gate    Gate           // may be nil
}

// A Gate keeps names from being sent to a public database that are not private by any rule.
type Gate interface {
	// Admit returns why a module's name is not sent; it may wait.
	Admit(ctx context.Context, path string) error
	// Admits does not wait, and is false where it is not known.
	Admits(path string) bool
}

// open is the Gate where there is none.
type open struct{}

func (open) Admit(context.Context, string) error { return nil }
func (open) Admits(string) bool                  { return true }

func gate(g Gate) Gate {
	if g == nil {
		return open{}
	}
	return g
}

const (
	maxAnswer = 1 << 20 // a full tile has 8 KiB, a lookup less than 1, a tile of records perhaps 100
	maxMemory = 8 << 20
	// maxAsking is how many questions are under way at once.
	maxAsking = 64
	// maxWaiting is how many wait for their turn: who asked may have left, while the question belongs to nobody.
	maxWaiting = 4096
	// patience ends a question that nobody may be waiting for any more.
	patience = time.Minute
	// budget is how long a client waits where an answer is kept from before.
	budget = 3 * time.Second
)

// Proxy answers for one checksum database.
type Proxy struct {
	o      Options
	answer *lru.Cache[answer] // by what is behind the database's name
}

// An answer is one to a lookup, with the head of a tree of treeSize records.
type answer struct {
	treeSize int64
	body     []byte
}

// New returns a Proxy.
func New(o Options) *Proxy {
	o.Gate = gate(o.Gate)
	return &Proxy{o, lru.New(maxMemory, func(a answer) int64 { return int64(len(a.body)) })}
}

// Answer answers what stands behind /sumdb/ in a URL's path, percent-decoded: "sum.golang.org/latest". The
// name of a database may have slashes.
func (p *Proxy) Answer(ctx context.Context, path string) (*goproxy.Content, error) {
	name, ok := strings.CutPrefix(path, p.o.DB.Name+"/")
	if !ok || p.o.Client == nil {
		return nil, goproxy.Absent("not found: no checksum database of that name is served here")
	}
	var b []byte
	var err error
	kind, rest, _ := strings.Cut(name, "/")
	switch {
	case name == "supported":
		if !p.o.Client.Serves() {
			err = goproxy.Absent("not found: nothing of the checksum database %s is kept here, and there is nobody to ask for it (upstreams: off)", p.o.DB.Name)
		}
	case name == "latest":
		b, err = p.o.Client.Latest(ctx)
	case kind == "lookup":
		b, err = p.lookup(ctx, name, rest)
	case kind == "tile":
		b, err = p.tile(ctx, name)
	default:
		err = goproxy.Absent("not found: a checksum database answers supported, latest, lookup/ and tile/")
	}
	var fork *ForkError
	if errors.As(err, &fork) {
		return nil, &goproxy.Wrong{Reason: fork.Error()}
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
	if a, ok := p.answer.Get(name); ok && a.treeSize == p.o.Client.current().N { // else there is a newer head
		return a.body, nil
	}
	m, err := parseLookup(name, arg)
	if pattern := p.o.Private.Private(m.Path); m.Path != "" && pattern != "" {
		return nil, goproxy.Absent("not found: %s is private (%s) and its name is sent to no checksum database; set GONOSUMDB or GOPRIVATE for it", m.Path, pattern)
	}
	if err != nil {
		return nil, err
	}
	if err := p.o.Gate.Admit(ctx, m.Path); err != nil {
		return nil, err
	}
	b, treeSize, err := p.o.Client.Answer(ctx, m)
	if err == nil {
		p.answer.Put(name, answer{treeSize, b})
	}
	return b, err
}

// parseLookup reads what is behind lookup/. With an error of the version the module's path is known all the same.
func parseLookup(name, arg string) (module.Version, error) {
	escPath, escVersion, ok := strings.Cut(arg, "@")
	if !ok {
		return module.Version{}, malformed("%s: a lookup is MODULE@VERSION", name)
	}
	path, err := module.UnescapePath(escPath)
	if err != nil {
		return module.Version{}, malformed("%s: %v", name, err)
	}
	m := module.Version{Path: path}
	if m.Version, err = module.UnescapeVersion(escVersion); err != nil {
		return m, malformed("%s: %v", name, err)
	}
	if !goproxy.Fits(m.Path, m.Version) {
		return m, malformed("%s: %s is not a canonical version of %s", name, m.Version, m.Path)
	}
	return m, nil
}

// tile answers tile/H/L/N and its partial forms. Tiles of records are for who audits the database, and asks it itself.
func (p *Proxy) tile(ctx context.Context, name string) ([]byte, error) {
	t, err := tlog.ParseTilePath(name)
	if err != nil {
		return nil, malformed("%s: not a tile", name)
	}
	if t.L < 0 {
		return nil, goproxy.Absent("not found: tiles of records are not served here; ask the database itself")
	}
	return p.o.Client.Tile(ctx, t)
}

// tidy is a text of lines without odd space in them.
func tidy(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

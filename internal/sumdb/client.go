package sumdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/singleflight"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/lru"
)

// A Shelf is a Keeper that can also change what it keeps, for what several processes change.
type Shelf interface {
	Keeper
	// Swap replaces what is kept as name, if that is old still; a nil old is nothing. It reports false where it is not.
	Swap(ctx context.Context, name string, old, b []byte) (bool, error)
}

// ClientOptions are what a Client is made of.
type ClientOptions struct {
	DB     goproxy.SumDB // its key is needed
	Remote Remote        // asks whoever answers first; nil: nobody is asked
	// Places are those that Remote asks, each alone: what one gave that proves nothing, another may do better.
	Places []Remote
	// Keep holds what was proven, and the tree head under which it was. Nothing that was not goes there.
	Keep Shelf
	Log  *slog.Logger
}

// A Client knows what a checksum database says, and believes of it what is proven by one tree that only grows. It forgets
// failures, unlike golang.org/x/mod/sumdb.Client, and every question ends with its context.
type Client struct {
	o        ClientOptions
	verifier note.Verifiers
	flight   singleflight.Group // of what is asked for
	fetches  singleflight.Group // of the tiles that prove it
	slots    chan struct{}
	waiting  atomic.Int64 // questions that have none yet
	records  *lru.Cache[Record]
	tiles    *lru.Cache[[]byte] // proven ones

	mu        sync.Mutex // guards all below
	now       head
	forked    *ForkError // why nothing is believed any more
	refreshed time.Time  // when the newest head was had
}

// A head is a signed tree head that was proven to continue all earlier ones.
type head struct {
	tlog.Tree
	msg []byte // the signed note; nil for the empty tree
}

// A Record is what a database says of one version.
type Record struct {
	ID       int64
	Text     []byte // lines as in go.sum
	TreeSize int64  // of the tree that proves it
}

// Hashes returns what go.sum says of the module's zip and of its go.mod; "" where the record says nothing.
func (r Record) Hashes(m module.Version) (zip, mod string) {
	for line := range bytes.Lines(r.Text) {
		f := bytes.Fields(line)
		switch {
		case len(f) != 3 || string(f[0]) != m.Path:
		case string(f[1]) == m.Version:
			zip = string(f[2])
		case string(f[1]) == m.Version+"/go.mod":
			mod = string(f[2])
		}
	}
	return zip, mod
}

// A ForkError says that a database signed two histories. It is final: nothing is believed of it until a person has looked.
type ForkError struct{ Name, Why string }

func (e *ForkError) Error() string {
	return "checksum database " + e.Name + ": SECURITY: it has signed two histories that contradict each other; nothing is verified by it any more. " + e.Why
}

// An unprovenError says that what came is not what the database has signed.
type unprovenError struct{ why string }

func (e *unprovenError) Error() string { return e.why }

func unproven(format string, args ...any) error { return &unprovenError{fmt.Sprintf(format, args...)} }

const maxRecords = 8 << 20

// NewClient returns a Client that goes on from the tree head that is kept. It is an error if the key is none, or did not
// sign that head.
func NewClient(ctx context.Context, o ClientOptions) (*Client, error) {
	v, err := note.NewVerifier(o.DB.Key)
	if err != nil {
		return nil, fmt.Errorf("checksum database %s: its key %q: %w; see the setting sumdb", o.DB.Name, o.DB.Key, err)
	}
	c := &Client{
		o:        o,
		verifier: note.VerifierList(v),
		slots:    make(chan struct{}, maxAsking),
		records:  lru.New(maxRecords, func(r Record) int64 { return int64(len(r.Text)) + 64 }),
		tiles:    lru.New(maxMemory, func(b []byte) int64 { return int64(len(b)) }),
	}
	return c, c.load(ctx)
}

// Lookup returns the record of a version, proven. That the database does not know it is a *goproxy.NotFound, that it has
// forked a *ForkError; any other error may pass.
func (c *Client) Lookup(ctx context.Context, m module.Version) (Record, error) {
	name, err := lookupName(m)
	if err != nil {
		return Record{}, err
	}
	if r, ok := c.known(ctx, name, m); ok {
		return r, nil
	}
	return once(ctx, c, name, func(ctx context.Context) (Record, error) { return c.ask(ctx, name, m) })
}

// Expect asks for the record of a version that is likely to be looked up soon, so that it is there then. It does not wait, and
// does nothing where there is enough to do.
func (c *Client) Expect(ctx context.Context, m module.Version) {
	name, err := lookupName(m)
	if err != nil || len(c.slots) > maxAsking/2 {
		return
	}
	if _, ok := c.known(ctx, name, m); !ok {
		c.flight.DoChan(name, c.question(ctx, func(ctx context.Context) (any, error) { return c.ask(ctx, name, m) }))
	}
}

// once asks the database for something, in turn and once for all who want it now. The question belongs to none of them.
func once[T any](ctx context.Context, c *Client, what string, ask func(context.Context) (T, error)) (none T, err error) {
	ch := c.flight.DoChan(what, c.question(ctx, func(ctx context.Context) (any, error) { return ask(ctx) }))
	select {
	case r := <-ch:
		if r.Err != nil {
			return none, r.Err
		}
		return r.Val.(T), nil
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// question is what once asks.
func (c *Client) question(ctx context.Context, ask func(context.Context) (any, error)) func() (any, error) {
	return func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if err := c.frozen(); err != nil {
			return nil, err
		}
		if c.o.Remote == nil {
			return nil, c.unavailable(errors.New("there is nobody to ask for it (upstreams: off)"))
		}
		if !c.turn(ctx) {
			return nil, c.unavailable(errors.New("too many questions wait for an answer already"))
		}
		defer func() { <-c.slots }()
		return ask(ctx)
	}
}

// turn waits for a slot; false where too many wait, or until ctx ends.
func (c *Client) turn(ctx context.Context) bool {
	defer c.waiting.Add(-1)
	if c.waiting.Add(1) > maxWaiting {
		return false
	}
	select {
	case c.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func lookupName(m module.Version) (string, error) {
	path, err := module.EscapePath(m.Path)
	if err != nil {
		return "", err
	}
	version, err := module.EscapeVersion(m.Version)
	return "lookup/" + path + "@" + version, err
}

// known returns a record that was proven before.
func (c *Client) known(ctx context.Context, name string, m module.Version) (Record, bool) {
	if r, ok := c.records.Get(name); ok {
		return r, true
	}
	b, ok := c.o.Keep.Load(ctx, name)
	if !ok || checkRecord(m.Path, m.Version)(b) != nil {
		return Record{}, false
	}
	id, text, msg, err := tlog.ParseRecord(b)
	if err != nil {
		return Record{}, false
	}
	tree, err := tlog.ParseTree(msg)
	if err != nil {
		return Record{}, false
	}
	r := Record{id, text, tree.N}
	c.records.Put(name, r)
	return r, true
}

// ask gets a record and its proof.
func (c *Client) ask(ctx context.Context, name string, m module.Version) (Record, error) {
	r, err := anywhere(ctx, c, name, func(ctx context.Context, from place) (Record, error) { return c.prove(ctx, from, name, m) })
	if err == nil {
		c.records.Put(name, r)
	}
	return r, err
}

// again is how often a place is asked, alone, whose answers prove nothing: a byte may have been damaged on the way. The first
// proof of all takes half a dozen answers, each of which must be right.
const again = 6

// anywhere has get ask whoever is first, then each place alone while what comes proves nothing. A place that is away is
// not waited for.
func anywhere[T any](ctx context.Context, c *Client, name string, get func(context.Context, place) (T, error)) (none T, err error) {
	v, err := get(ctx, anyPlace)
	for i := range again * len(c.o.Places) {
		if !errors.As(err, new(*unprovenError)) {
			break
		}
		c.o.Log.Warn("what came from a checksum database is not what it signed; asking again", "database", c.o.DB.Name, "name", name, "err", err)
		other, why := get(goproxy.WithStale(ctx), place(i%len(c.o.Places)))
		if why == nil || errors.As(why, new(*ForkError)) {
			v, err = other, why
		}
	}
	if err != nil {
		return none, c.trouble(err)
	}
	return v, nil
}

// A place is whom to ask: one of ClientOptions.Places, or whoever answers first.
type place int

const anyPlace place = -1

func (c *Client) get(ctx context.Context, from place, name string, check func([]byte) error) ([]byte, error) {
	remote := c.o.Remote
	if from != anyPlace {
		remote = c.o.Places[from]
	}
	if remote == nil {
		return nil, c.unavailable(errors.New("there is nobody to ask for it (upstreams: off)"))
	}
	return remote.Get(ctx, name, maxAnswer, check)
}

func (c *Client) unavailable(err error) error {
	return &goproxy.Unavailable{Reason: "checksum database " + c.o.DB.Name + ": " + tidy(err.Error()), RetryAfter: time.Second, Err: err}
}

// prove asks from for a record and for what proves it.
func (c *Client) prove(ctx context.Context, from place, name string, m module.Version) (Record, error) {
	b, err := c.get(ctx, from, name, checkRecord(m.Path, m.Version))
	if err != nil {
		return Record{}, err
	}
	id, text, msg, err := tlog.ParseRecord(b)
	if err != nil {
		return Record{}, unproven("no record came: %v", err)
	}
	at, err := c.advance(ctx, from, msg, id)
	if err != nil {
		return Record{}, err
	}
	if id >= at.N { // a copy may hand out a record with an old head
		if at, err = c.latest(ctx, from, id); err != nil {
			return Record{}, err
		}
	}
	if id >= at.N {
		return Record{}, unproven("the signed tree that came is stale: it has %d records, this is record %d", at.N, id)
	}
	hashes, err := tlog.TileHashReader(at.Tree, &tileReader{ctx, c, from}).ReadHashes([]int64{tlog.StoredHashIndex(0, id)})
	if err != nil {
		return Record{}, asUnproven(err)
	}
	if hashes[0] != tlog.RecordHash(text) {
		return Record{}, unproven("record %d that came is not the one in the tree of %d records", id, at.N)
	}
	record, err := tlog.FormatRecord(id, text)
	if err != nil {
		return Record{}, unproven("record %d: %v", id, err)
	}
	c.o.Keep.Save(ctx, name, append(record, at.msg...))
	return Record{id, text, at.N}, nil
}

// latest asks for the newest head.
func (c *Client) latest(ctx context.Context, from place, want int64) (head, error) {
	msg, err := c.get(ctx, from, latestName, checkLatest)
	if err != nil {
		return head{}, err
	}
	return c.advance(ctx, from, msg, want)
}

// asUnproven returns err as one of proof, where it is not of those of Remote: package tlog says so of what does not add up.
func asUnproven(err error) error {
	var u *goproxy.Unavailable
	var n *goproxy.NotFound
	if errors.As(err, &u) || errors.As(err, &n) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	return unproven("%v", err)
}

// frozen returns why nothing is believed of the database any more; nil where all is well.
func (c *Client) frozen() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forked == nil {
		return nil
	}
	return c.forked
}

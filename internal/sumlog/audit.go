package sumlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// AuditOptions are what an audit may have.
type AuditOptions struct {
	// Progress is told how many records of how many have been read, after each tile. It may be nil.
	Progress func(done, total int64)
	// Since is a signed head of an earlier day, which the log must continue. It may be nil.
	Since []byte
}

// A Report says what an audit found to be good.
type Report struct {
	Name   string    // of the database
	Tree   tlog.Tree // as it is signed
	Since  tlog.Tree // the earlier one that it continues
	Tiles  int64     // read
	Signed []byte    // the head, for the next audit's Since
}

// A Fetch returns what a database has under a name such as "latest", of at most [MaxAnswer] bytes. Absence is a
// *goproxy.NotFound. It is called up to 32 times at once.
type Fetch func(ctx context.Context, name string) ([]byte, error)

// ahead is how many tiles of records, and of their hashes, are fetched before it is their turn.
const ahead = 16

// Audit reads a whole log as its clients can, and computes the tree anew: every record has the hash in the tree's
// lowest tiles, every tile those in the next, and all of them the hash that is signed with the key verifier. Each record
// is the two lines of one version, and no version has two. The error is a *[Broken] where the log is wrong, and anything
// else where it could not be read. Memory is bounded; beyond a million records 16 bytes of temporary files are needed
// for each.
func Audit(ctx context.Context, fetch Fetch, verifier string, o AuditOptions) (Report, error) {
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return Report{}, fmt.Errorf("verifier key: %w", err)
	}
	a := &audit{fetch: fetch, o: o, versions: newVersions(), report: Report{Name: v.Name()}}
	defer a.versions.close()
	if err := a.readHeads(ctx, v); err != nil {
		return Report{}, err
	}
	if err := a.replay(ctx); err != nil {
		return Report{}, err
	}
	if err := a.twice(ctx); err != nil {
		return Report{}, err
	}
	return a.report, nil
}

// An audit under way.
type audit struct {
	fetch    Fetch
	o        AuditOptions
	report   Report
	edge     frontier
	versions *versions
}

// getTile fetches a tile or its full form, the begin of which it is.
func (a *audit) getTile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	b, err := a.fetch(ctx, t.Path())
	if errors.As(err, new(*goproxy.NotFound)) && t.W < width {
		b, err = a.fetch(ctx, whole(t).Path())
	}
	if errors.As(err, new(*goproxy.NotFound)) {
		return nil, broken(t.Path(), "it is missing")
	}
	return b, err
}

func (a *audit) readHeads(ctx context.Context, v note.Verifier) error {
	signed, err := a.fetch(ctx, latest)
	if errors.As(err, new(*goproxy.NotFound)) {
		return errors.New("there is no checksum database: it has no signed head (latest)")
	}
	if err != nil {
		return err
	}
	if a.report.Tree, err = openHead(signed, v); err != nil {
		return err
	}
	a.report.Signed = signed
	if a.o.Since == nil {
		return nil
	}
	if a.report.Since, err = openHead(a.o.Since, v); err != nil {
		return fmt.Errorf("the earlier head: %s", err.(*Broken).Reason) //nolint:errorlint // openHead has no other errors, and this is none of the log's
	}
	if a.report.Since.N > a.report.Tree.N {
		return broken(latest, "its tree has %d records, and had %d in the earlier head: what was signed then is taken back", a.report.Tree.N, a.report.Since.N)
	}
	return nil
}

// A leaf is a tile of records and the tile of their hashes.
type leaf struct {
	tile    tlog.Tile // of records
	records *records
	hashes  []byte
	err     error
}

// replay computes the tree from its records and compares each tile with the one that is published.
func (a *audit) replay(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var under sync.WaitGroup
	defer under.Wait()
	defer cancel()
	size := a.report.Tree.N
	queue := make(chan chan leaf, ahead-1) // one more is with the sender
	under.Go(func() {
		defer close(queue)
		for id := int64(0); id < size; id += width {
			ch := make(chan leaf, 1)
			select {
			case queue <- ch:
			case <-ctx.Done():
				return
			}
			under.Go(func() { ch <- a.readLeaf(ctx, dataTile(id, size)) })
		}
	})
	if err := a.checkSince(); err != nil {
		return err
	}
	for ch := range queue {
		if err := a.addLeaf(ctx, <-ch); err != nil {
			return err
		}
		if a.o.Progress != nil {
			a.o.Progress(a.edge.size, size)
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := a.edge.partial(func(t tlog.Tile, hashes []tlog.Hash) error { return a.compare(ctx, t, hashes) }); err != nil {
		return err
	}
	if a.edge.root() != a.report.Tree.Hash {
		return broken(latest, "the signed hash is not that of the %d records: all tiles agree with each other, but not with the signature", size)
	}
	return nil
}

func (a *audit) readLeaf(ctx context.Context, t tlog.Tile) leaf {
	l := leaf{tile: t}
	b, err := a.getTile(ctx, t)
	if err != nil {
		l.err = err
		return l
	}
	if l.records, err = splitRecords(b, t.W); err != nil {
		l.err = broken(t.Path(), "%v", err)
		return l
	}
	if t.W == width && len(l.records.data) != len(b) {
		l.err = broken(t.Path(), "it has more than %d records", width)
		return l
	}
	t.L = 0
	if l.hashes, l.err = a.getTile(ctx, t); l.err == nil {
		l.hashes, l.err = cutHashes(t, l.hashes)
	}
	return l
}

// addLeaf adds a tile's records to the tree.
func (a *audit) addLeaf(ctx context.Context, l leaf) error {
	if l.err != nil {
		return l.err
	}
	a.report.Tiles += 2
	full := func(t tlog.Tile, hashes []tlog.Hash) error { return a.compare(ctx, t, hashes) }
	for i, want := range unflat(l.hashes) {
		text, id := l.records.text(i), a.edge.size
		h := tlog.RecordHash(text)
		if h != want {
			return differs(l.tile, i, text)
		}
		v, err := parseText(text)
		if err != nil {
			return broken(l.tile.Path(), "record %d: %v", id, err)
		}
		if err := a.versions.add(versionHash(v), id); err != nil {
			return err
		}
		if err := a.edge.add(h, full); err != nil {
			return err
		}
		if err := a.checkSince(); err != nil {
			return err
		}
	}
	return nil
}

// checkSince compares the tree with the earlier one, once it has come to its size.
func (a *audit) checkSince() error {
	if a.o.Since != nil && a.edge.size == a.report.Since.N && a.edge.root() != a.report.Since.Hash {
		return broken(latest, "the log has forked: its first %d records are not those of the earlier head; keep both heads and tell whoever runs it", a.report.Since.N)
	}
	return nil
}

// compare compares a tile of hashes, as the records make it, with the one that is published. Those of the lowest level
// have been compared record by record.
func (a *audit) compare(ctx context.Context, t tlog.Tile, hashes []tlog.Hash) error {
	if t.L == 0 {
		return nil
	}
	b, err := a.getTile(ctx, t)
	if err != nil {
		return err
	}
	a.report.Tiles++
	if b, err = cutHashes(t, b); err != nil {
		return err
	}
	for i, h := range hashes {
		if !bytes.Equal(b[i*tlog.HashSize:(i+1)*tlog.HashSize], h[:]) {
			below := tlog.Tile{H: height, L: t.L - 1, N: t.N<<height + int64(i), W: width}
			return broken(t.Path(), "hash %d is not that of %s", i, below.Path())
		}
	}
	return nil
}

// twice looks for versions with two records.
func (a *audit) twice(ctx context.Context) error {
	return a.versions.same(func(first, second int64) error {
		v, err := a.versionOf(ctx, first)
		if err != nil {
			return err
		}
		w, err := a.versionOf(ctx, second)
		if err != nil || v != w {
			return err
		}
		return broken(dataTile(second, a.report.Tree.N).Path(), "record %d is of %s, as record %d is", second, w, first)
	})
}

// versionOf reads a record again.
func (a *audit) versionOf(ctx context.Context, id int64) (module.Version, error) {
	l := a.readLeaf(ctx, dataTile(id, a.report.Tree.N))
	if l.err != nil {
		return module.Version{}, l.err
	}
	return parseText(l.records.text(int(id % width)))
}

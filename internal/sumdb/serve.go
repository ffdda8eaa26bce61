package sumdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// freshHead is how long the newest head is not asked for again.
const freshHead = time.Minute

// Answer returns a lookup's answer: the record, under the one head that is held with all that proves it, and how large the
// tree of that is.
func (c *Client) Answer(ctx context.Context, m module.Version) ([]byte, int64, error) {
	r, err := c.Lookup(ctx, m)
	if err != nil {
		return nil, 0, err
	}
	now := c.current()
	if r.ID >= now.N { // another process has proven it
		if err := c.meet(ctx, anyPlace, now); err != nil {
			return nil, 0, c.trouble(err)
		}
		now = c.current()
	}
	record, err := tlog.FormatRecord(r.ID, r.Text)
	if err == nil && r.ID >= now.N {
		err = fmt.Errorf("record %d is kept, the tree that proves it is not", r.ID)
	}
	if err != nil {
		return nil, 0, c.unavailable(err)
	}
	return append(record, now.msg...), now.N, nil
}

// Latest returns the newest signed head that can be had: that of a minute ago is as good, and an older one better than none.
func (c *Client) Latest(ctx context.Context) ([]byte, error) {
	c.mu.Lock()
	fresh := time.Since(c.refreshed) < freshHead
	c.mu.Unlock()
	var err error
	if !fresh {
		err = c.refresh(ctx)
	}
	if now := c.current(); now.N > 0 && !errors.As(err, new(*ForkError)) {
		return now.msg, nil
	}
	return nil, err
}

// refresh goes on to the newest head.
func (c *Client) refresh(ctx context.Context) error {
	_, err := once(ctx, c, latestName, func(ctx context.Context) (head, error) {
		if c.current().N > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(goproxy.WithStale(ctx), budget)
			defer cancel()
		}
		h, err := anywhere(ctx, c, latestName, func(ctx context.Context, from place) (head, error) { return c.latest(ctx, from, math.MaxInt64) })
		if err != nil {
			return head{}, err
		}
		c.mu.Lock()
		c.refreshed = time.Now()
		c.mu.Unlock()
		return h, nil
	})
	return err
}

// trouble returns err in the words of package goproxy, or a *ForkError.
func (c *Client) trouble(err error) error {
	if errors.As(err, new(*ForkError)) || errors.As(err, new(*goproxy.NotFound)) {
		return err
	}
	return c.unavailable(err)
}

// Tile returns a tile of hashes, proven.
func (c *Client) Tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	if t.H != tileHeight || t.L < 0 || t.L > 7 {
		return nil, goproxy.Absent("not found: tiles have the height %d", tileHeight)
	}
	if b, ok := c.provenTile(ctx, t); ok {
		return slices.Clone(b), nil
	}
	if wide(t, c.current()).W < t.W {
		if err := c.refresh(ctx); err != nil {
			return nil, err
		}
	}
	widest := wide(t, c.current())
	if widest.W < t.W {
		return nil, goproxy.Absent("not found: the tree has not grown that far")
	}
	if b, ok := c.provenTile(ctx, widest); ok {
		return slices.Clone(b[:t.W*tlog.HashSize]), nil
	}
	b, err := once(ctx, c, fmt.Sprintf("tile/%d/%d", t.L, t.N), func(ctx context.Context) ([]byte, error) { return c.proveTile(ctx, t) })
	switch {
	case err != nil:
		return nil, err
	case len(b) < t.W*tlog.HashSize: // another client wanted less of it, before the tree grew
		return nil, c.unavailable(fmt.Errorf("the tree grew while %s was asked for", t.Path()))
	}
	return slices.Clone(b[:t.W*tlog.HashSize]), nil
}

// proveTile gets a tile as wide as the tree has it now.
func (c *Client) proveTile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	now := c.current()
	t = wide(t, now)
	if b, ok := c.provenTile(ctx, t); ok {
		return b, nil
	}
	index := tlog.StoredHashIndex(tileHeight*t.L, t.N<<tileHeight)
	_, err := anywhere(ctx, c, t.Path(), func(ctx context.Context, from place) ([]tlog.Hash, error) {
		hashes, err := tlog.TileHashReader(now.Tree, &tileReader{ctx, c, from}).ReadHashes([]int64{index})
		if err != nil {
			err = asUnproven(err)
		}
		return hashes, err
	})
	if err != nil {
		return nil, err
	}
	b, ok := c.provenTile(ctx, t)
	if !ok {
		return nil, c.unavailable(fmt.Errorf("%s is not kept", t.Path()))
	}
	return b, nil
}

// wide returns a tile with all the hashes that it has in a tree; W is 0 where it has none.
func wide(t tlog.Tile, in head) tlog.Tile {
	t.W = int(min(max(in.N>>(tileHeight*t.L)-t.N<<tileHeight, 0), 1<<tileHeight))
	return t
}

// Serves reports whether lookups can be answered: somebody can be asked, or there is what was proven before.
func (c *Client) Serves() bool {
	return c.o.Remote != nil || c.current().N > 0
}

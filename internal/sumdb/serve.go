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

// Answer returns a lookup's answer: the record, under the one head that is held with all that proves it.
func (c *Client) Answer(ctx context.Context, m module.Version) ([]byte, error) {
	r, err := c.Lookup(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	now := c.current()
	if r.ID >= now.N { // another process has proven it
		if now, err = c.reload(ctx); err != nil {
			return nil, err
		}
	}
	record, err := tlog.FormatRecord(r.ID, r.Text)
	if err == nil && r.ID >= now.N {
		err = fmt.Errorf("record %d is kept, the tree that proves it is not", r.ID)
	}
	if err != nil {
		return nil, c.unavailable(err)
	}
	return append(record, now.msg...), nil
}

// Latest returns the newest signed head that can be had: that of a minute ago is as good, and an older one better than none.
func (c *Client) Latest(ctx context.Context) ([]byte, error) {
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	fresh := time.Since(c.refreshed) < freshHead && c.now.N > 0
	c.mu.Unlock()
	if fresh {
		return c.current().msg, nil
	}
	err := c.refresh(ctx)
	if now := c.current(); now.N > 0 && !errors.As(err, new(*ForkError)) {
		return now.msg, nil
	}
	return nil, err
}

// refresh goes on to the newest head.
func (c *Client) refresh(ctx context.Context) error {
	if c.o.Remote == nil {
		return c.unavailable(errors.New("there is nobody to ask for it (upstreams: off)"))
	}
	if c.current().N > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(goproxy.WithStale(ctx), budget)
		defer cancel()
	}
	if _, err := c.latest(ctx, c.o.Remote, math.MaxInt64); err != nil {
		if errors.As(err, new(*ForkError)) || errors.As(err, new(*goproxy.NotFound)) {
			return err
		}
		return c.unavailable(err)
	}
	c.mu.Lock()
	c.refreshed = time.Now()
	c.mu.Unlock()
	return nil
}

// Tile returns a tile of hashes, proven.
func (c *Client) Tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	if b, ok := c.provenTile(ctx, t); ok {
		return slices.Clone(b), nil
	}
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	if t.H != tileHeight || t.L < 0 || t.L > 7 {
		return nil, goproxy.Absent("not found: tiles have the height %d", tileHeight)
	}
	if c.holds(t) < t.W {
		if err := c.refresh(ctx); err != nil {
			return nil, err
		}
	}
	wide := t
	if wide.W = min(c.holds(t), 1<<tileHeight); wide.W < t.W {
		return nil, goproxy.Absent("not found: the tree has not grown that far")
	}
	index := tlog.StoredHashIndex(tileHeight*t.L, t.N<<tileHeight)
	if _, err := tlog.TileHashReader(c.current().Tree, &tileReader{ctx, c, c.o.Remote}).ReadHashes([]int64{index}); err != nil {
		return nil, c.unavailable(asUnproven(err))
	}
	b, ok := c.provenTile(ctx, wide)
	if !ok {
		return nil, c.unavailable(fmt.Errorf("%s could not be kept", wide.Path()))
	}
	return slices.Clone(b[:t.W*tlog.HashSize]), nil
}

// holds returns how many hashes of a tile's place, and those behind it, are in the tree.
func (c *Client) holds(t tlog.Tile) int {
	return int(min(max(c.current().N>>(tileHeight*t.L)-t.N<<tileHeight, 0), 1<<tileHeight))
}

// Serves reports whether lookups can be answered: somebody can be asked, or there is what was proven before.
func (c *Client) Serves(ctx context.Context) bool {
	return c.o.Remote != nil || c.load(ctx) == nil && c.current().N > 0
}

package sumdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A tileReader reads tiles for a proof: those that were proven before, else what from has of them.
type tileReader struct {
	ctx  context.Context
	c    *Client
	from place
}

// Height implements tlog.TileReader.
func (r *tileReader) Height() int { return tileHeight }

// ReadTiles implements tlog.TileReader. What it returns is proven by the caller.
func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data, errs := make([][]byte, len(tiles)), make([]error, len(tiles))
	var all sync.WaitGroup
	for i, t := range tiles {
		if b, ok := r.c.provenTile(r.ctx, t); ok {
			data[i] = b
			continue
		}
		all.Go(func() { data[i], errs[i] = r.c.fetchTile(r.ctx, r.from, t) })
	}
	all.Wait()
	return data, errors.Join(errs...)
}

// SaveTiles implements tlog.TileReader: it is called with tiles that are proven.
func (r *tileReader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, t := range tiles {
		name := t.Path()
		if _, ok := r.c.tiles.Get(name); ok {
			continue
		}
		r.c.tiles.Put(name, data[i])
		if kept, ok := r.c.o.Keep.Load(r.ctx, name); !ok || !bytes.Equal(kept, data[i]) {
			r.c.o.Keep.Save(r.ctx, name, data[i])
		}
	}
}

// provenTile returns a tile that was proven before, or the start of the full one that was.
func (c *Client) provenTile(ctx context.Context, t tlog.Tile) ([]byte, bool) {
	for _, from := range []tlog.Tile{t, whole(t)} {
		name := from.Path()
		if b, ok := c.tiles.Get(name); ok {
			return b[:t.W*tlog.HashSize], true
		}
		if b, ok := c.o.Keep.Load(ctx, name); ok && checkTile(from)(b) == nil {
			c.tiles.Put(name, b)
			return b[:t.W*tlog.HashSize], true
		}
	}
	return nil, false
}

// whole returns the full tile that t is the start of.
func whole(t tlog.Tile) tlog.Tile {
	t.W = 1 << t.H
	return t
}

// fetchTile asks for a tile, once for all proofs that need it now.
func (c *Client) fetchTile(ctx context.Context, from place, t tlog.Tile) ([]byte, error) {
	b, err, _ := c.fetches.Do(fmt.Sprintf("%d %s", from, t.Path()), func() (any, error) {
		if b, ok := c.provenTile(ctx, t); ok {
			return b, nil
		}
		return c.getTile(ctx, from, t)
	})
	if err != nil {
		return nil, err
	}
	return b.([]byte), nil
}

// getTile asks for a tile, and for the full one where the partial one is gone.
func (c *Client) getTile(ctx context.Context, from place, t tlog.Tile) ([]byte, error) {
	b, err := c.get(ctx, from, t.Path(), checkTile(t))
	if !errors.As(err, new(*goproxy.NotFound)) {
		return b, err
	}
	if full := whole(t); t != full {
		if b, err := c.get(ctx, from, full.Path(), checkTile(full)); err == nil {
			return b[:t.W*tlog.HashSize], nil
		}
	}
	return nil, &goproxy.Unavailable{Reason: "nobody has " + t.Path()}
}

package sumlog

import (
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// A frontier is the edge of a tree, where it grows: of each level of tiles the hashes in the tile that is not full yet.
type frontier struct {
	size  int64         // records
	edges [][]tlog.Hash // by level
}

func (f *frontier) clone() *frontier {
	c := &frontier{size: f.size}
	for _, e := range f.edges {
		c.edges = append(c.edges, append(make([]tlog.Hash, 0, width), e...))
	}
	return c
}

// add adds the hash of a record. full is told of each tile that this fills, the lowest first; it must not keep hashes.
func (f *frontier) add(h tlog.Hash, full func(t tlog.Tile, hashes []tlog.Hash) error) error {
	f.size++
	for level := 0; ; level++ {
		if level == len(f.edges) {
			f.edges = append(f.edges, make([]tlog.Hash, 0, width))
		}
		e := append(f.edges[level], h)
		f.edges[level] = e
		if len(e) < width {
			return nil
		}
		if err := full(tlog.Tile{H: height, L: level, N: f.size>>(height*(level+1)) - 1, W: width}, e); err != nil {
			return err
		}
		h, f.edges[level] = fold(e), e[:0]
	}
}

// partial tells of each tile that is not full.
func (f *frontier) partial(tell func(t tlog.Tile, hashes []tlog.Hash) error) error {
	for _, t := range partialTiles(f.size) {
		if err := tell(t, f.edges[t.L]); err != nil {
			return err
		}
	}
	return nil
}

// partialTiles returns the tiles of hashes that are not full in a tree of that size.
func partialTiles(size int64) []tlog.Tile {
	var all []tlog.Tile
	for level := 0; size>>(height*level) > 0; level++ {
		if w := int(size >> (height * level) % width); w > 0 {
			all = append(all, tlog.Tile{H: height, L: level, N: size >> (height * (level + 1)), W: w})
		}
	}
	return all
}

// root returns the hash of the tree. A tile's hashes stand for whole subtrees, so that the tree of a level is that of
// the hashes there with what is left over below as the last one.
func (f *frontier) root() tlog.Hash {
	if f.size == 0 {
		h, _ := tlog.TreeHash(0, nil) // of nothing: no reader, no error
		return h
	}
	var list []tlog.Hash
	for _, e := range f.edges {
		list = append(slices.Clone(e), list...)
		if len(list) > 0 {
			list = []tlog.Hash{fold(list)}
		}
	}
	return list[0]
}

// fold returns the hash of the tree with these leaves, RFC 6962, section 2.1.
func fold(leaves []tlog.Hash) tlog.Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	return tlog.NodeHash(fold(leaves[:k]), fold(leaves[k:]))
}

// flat returns hashes as they stand in a tile.
func flat(hashes []tlog.Hash) []byte {
	b := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// unflat is the inverse of flat.
func unflat(b []byte) []tlog.Hash {
	hashes := make([]tlog.Hash, 0, width)
	for part := range slices.Chunk(b, tlog.HashSize) {
		hashes = append(hashes, tlog.Hash(part))
	}
	return hashes
}

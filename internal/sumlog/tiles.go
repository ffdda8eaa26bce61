package sumlog

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/mod/sumdb/tlog"
)

// A Broken says what is wrong with a log, and where: the name of a tile, or "latest".
type Broken struct{ Name, Reason string }

func (e *Broken) Error() string { return e.Name + ": " + e.Reason }

func broken(name, format string, args ...any) error {
	return &Broken{name, fmt.Sprintf(format, args...)}
}

// whole returns the full form of a tile.
func whole(t tlog.Tile) tlog.Tile {
	t.W = width
	return t
}

// dataTile returns the tile of records that has number id, as it is in a tree of that size.
func dataTile(id, size int64) tlog.Tile {
	n := id >> height
	return tlog.Tile{H: height, L: -1, N: n, W: int(min(width, size-n<<height))}
}

// readFile returns the bytes of a tile or of its full form, the begin of which it is.
func (l *Log) readFile(t tlog.Tile) ([]byte, error) {
	b, err := readAtMost(l.disk.file(t.Path()), MaxAnswer)
	if errors.Is(err, fs.ErrNotExist) && t.W < width {
		b, err = readAtMost(l.disk.file(whole(t).Path()), MaxAnswer)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, broken(t.Path(), "it is missing; restore it from a copy")
	}
	return b, err
}

// readHashes returns the bytes of a tile of hashes.
func (l *Log) readHashes(t tlog.Tile) ([]byte, error) {
	b, err := l.readFile(t)
	if err == nil {
		b, err = cutHashes(t, b)
	}
	return b, err
}

// cutHashes returns what a tile, or its full form, has of t.
func cutHashes(t tlog.Tile, b []byte) ([]byte, error) {
	if len(b) != t.W*tlog.HashSize && len(b) != width*tlog.HashSize {
		return nil, broken(t.Path(), "it has %d bytes, want %d", len(b), t.W*tlog.HashSize)
	}
	return b[:t.W*tlog.HashSize], nil
}

// readRecords returns the records of a tile that is part of the tree, once they are found to have the hashes there.
func (l *Log) readRecords(t tlog.Tile) (*records, error) {
	b, err := l.readFile(t)
	if err != nil {
		return nil, err
	}
	r, err := splitRecords(b, t.W)
	if err != nil {
		return nil, broken(t.Path(), "%v", err)
	}
	leaf := t
	leaf.L = 0
	hashes, err := l.readHashes(leaf)
	if err != nil {
		return nil, err
	}
	for i, h := range unflat(hashes) {
		if tlog.RecordHash(r.text(i)) != h {
			return nil, differs(t, i, r.text(i))
		}
	}
	return r, nil
}

// differs says that a record does not have the hash that stands in the tree.
func differs(t tlog.Tile, i int, text []byte) error {
	leaf := t
	leaf.L = 0
	return broken(t.Path(), "record %d (%s) does not have the hash in %s; restore both from a copy", t.N<<height+int64(i), title(text), leaf.Path())
}

// title names a record for people, whatever it holds.
func title(text []byte) string {
	if v, err := parseText(text); err == nil {
		return v.String()
	}
	return fmt.Sprintf("%.80q", text)
}

// record returns the text of a record of that tree.
func (l *Log) record(tree tlog.Tree, id int64) ([]byte, error) {
	t := dataTile(id, tree.N)
	name := t.Path()
	r, ok := l.records.Get(name)
	if !ok {
		var err error
		if r, err = l.readRecords(t); err != nil {
			return nil, err
		}
		l.records.Put(name, r)
	}
	return r.text(int(id - t.N<<height)), nil
}

// readEdge returns the edge of a tree, once it is found to have the tree's hash.
func (l *Log) readEdge(tree tlog.Tree) (*frontier, error) {
	f := &frontier{size: tree.N}
	for level := 0; tree.N>>(height*level) > 0; level++ {
		f.edges = append(f.edges, make([]tlog.Hash, 0, width))
	}
	for _, t := range partialTiles(tree.N) {
		b, err := l.readHashes(t)
		if err != nil {
			return nil, err
		}
		f.edges[t.L] = unflat(b)
	}
	if f.root() != tree.Hash {
		return nil, broken(latest, "the tiles at the edge of the tree of %d records do not have the signed hash; restore them from a copy, modhaven sumdb audit finds which", tree.N)
	}
	return f, nil
}

// tiles reads a log's tiles for golang.org/x/mod/sumdb/tlog, which checks them.
type tiles struct{ l *Log }

func (r tiles) Height() int { return height }

func (r tiles) ReadTiles(ts []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range ts {
		b, err := r.l.readHashes(t)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

func (r tiles) SaveTiles([]tlog.Tile, [][]byte) {}

package sumlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// An index finds the records of a version: those whose name has the same hash. It needs 8 bytes a record and 8 to 16 of
// table, and holds no names.
type index struct {
	hashes []uint64 // by record
	slots  []uint32 // record+1, 0 where none is; a power of two of them, at most half of them taken
}

func newIndex() *index { return &index{slots: make([]uint32, 1024)} }

func versionHash(v module.Version) uint64 {
	sum := sha256.Sum256([]byte(v.Path + "@" + v.Version))
	return binary.BigEndian.Uint64(sum[:])
}

func (x *index) size() int64 { return int64(len(x.hashes)) }

// add adds the next record.
func (x *index) add(h uint64) {
	x.hashes = append(x.hashes, h)
	if 2*len(x.hashes) <= len(x.slots) {
		x.place(len(x.hashes))
		return
	}
	x.slots = make([]uint32, 2*len(x.slots))
	for i := range x.hashes {
		x.place(i + 1)
	}
}

func (x *index) place(n int) {
	at := x.at(x.hashes[n-1])
	for x.slots[at] != 0 {
		at = (at + 1) % len(x.slots)
	}
	x.slots[at] = uint32(n)
}

func (x *index) at(h uint64) int { return int(h % uint64(len(x.slots))) }

// find returns the records with that hash.
func (x *index) find(h uint64) []int64 {
	var ids []int64
	for at := x.at(h); x.slots[at] != 0; at = (at + 1) % len(x.slots) {
		if id := int64(x.slots[at]) - 1; x.hashes[id] == h {
			ids = append(ids, id)
		}
	}
	return ids
}

const indexMagic = "modhaven sumlog index 1\n"

// marshal returns the index as it stands in a file: with the hash of the tree that it is of, and a sum over all.
func (x *index) marshal(root tlog.Hash) []byte {
	b := append(make([]byte, 0, len(indexMagic)+8*len(x.hashes)+2*sha256.Size), indexMagic...)
	b = append(b, root[:]...)
	for _, h := range x.hashes {
		b = binary.BigEndian.AppendUint64(b, h)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// unmarshalIndex is the inverse of marshal. ok is false where b is anything else.
func unmarshalIndex(b []byte) (x *index, root tlog.Hash, ok bool) {
	n := len(b) - sha256.Size
	if n < len(indexMagic)+tlog.HashSize {
		return nil, root, false
	}
	sum := sha256.Sum256(b[:n])
	list, ok := bytes.CutPrefix(b[:n], []byte(indexMagic))
	if !ok || !bytes.Equal(sum[:], b[n:]) || len(list)%8 != 0 {
		return nil, root, false
	}
	list = list[copy(root[:], list):]
	x = newIndex()
	for ; len(list) > 0; list = list[8:] {
		x.add(binary.BigEndian.Uint64(list))
	}
	return x, root, true
}

// loadIndex takes the file's index where that is of a begin of the tree; else all is read anew.
func (l *Log) loadIndex(tree tlog.Tree) {
	b, err := readAtMost(l.disk.file(indexFile), 8*tree.N+1<<10)
	if err != nil {
		return
	}
	x, root, ok := unmarshalIndex(b)
	if !ok || x.size() > tree.N {
		return
	}
	h, err := tlog.TreeHash(x.size(), tlog.TileHashReader(tree, tiles{l}))
	if err != nil || h != root {
		return
	}
	l.now.Lock()
	defer l.now.Unlock()
	l.index = x
	l.saved = x.size()
}

// saveIndex writes the index where it has grown. The caller has the turn and holds the lock.
func (l *Log) saveIndex() error {
	l.now.RLock()
	n := l.index.size()
	var b []byte
	if n != l.saved {
		b = l.index.marshal(l.head.tree.Hash)
	}
	l.now.RUnlock()
	if b == nil {
		return nil
	}
	err := l.disk.replace(indexFile, b)
	if err == nil {
		l.saved = n
	}
	return err
}

// readVersions returns the hashes of the versions of a tree that the index lacks.
func (l *Log) readVersions(tree tlog.Tree) ([]uint64, error) {
	l.now.RLock()
	from := l.index.size()
	l.now.RUnlock()
	var all []uint64
	for id := from; id < tree.N; {
		t := dataTile(id, tree.N)
		r, err := l.readRecords(t)
		if err != nil {
			return nil, err
		}
		for ; id < t.N<<height+int64(t.W); id++ {
			v, err := parseText(r.text(int(id - t.N<<height)))
			if err != nil {
				return nil, broken(t.Path(), "record %d: %v", id, err)
			}
			all = append(all, versionHash(v))
		}
	}
	return all, nil
}

// A finding is the record of a version, and a head that it is under.
type finding struct {
	id     int64 // -1 where there is none
	text   []byte
	signed []byte
}

// find looks a version up.
func (l *Log) find(v module.Version) (finding, error) {
	l.now.RLock()
	h, ids := l.head, l.index.find(versionHash(v))
	l.now.RUnlock()
	prefix := []byte(v.Path + " " + v.Version + " ")
	for _, id := range ids {
		text, err := l.record(h.tree, id)
		if err != nil {
			return finding{}, err
		}
		if bytes.HasPrefix(text, prefix) {
			return finding{id, text, h.signed}, nil
		}
	}
	return finding{id: -1}, nil
}

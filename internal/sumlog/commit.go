package sumlog

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// A batchOf is what one commit adds: the records from number base on.
type batchOf struct {
	base  int64
	texts [][]byte
}

func (p *batchOf) end() int64 { return p.base + int64(len(p.texts)) }

// saveEvery is after how many records .index is written: as many are read again after a kill.
const saveEvery = 1 << 14

const pendingFormat = "modhaven sumlog pending 1 %d %d %x\n"

// marshal returns the batch as it stands in .pending.
func (p *batchOf) marshal() []byte {
	var data []byte
	for _, text := range p.texts {
		data = append(append(data, text...), '\n')
	}
	return append(fmt.Appendf(nil, pendingFormat, p.base, len(p.texts), sha256.Sum256(data)), data...)
}

// unmarshalBatch is the inverse of marshal.
func unmarshalBatch(b []byte) (*batchOf, error) {
	var p batchOf
	var n int
	first, data, _ := bytes.Cut(b, []byte("\n"))
	var sum []byte
	_, err := fmt.Sscanf(string(first)+"\n", pendingFormat, &p.base, &n, &sum)
	if want := sha256.Sum256(data); err != nil || !bytes.Equal(sum, want[:]) || n < 1 || n > maxBatch || p.base < 0 {
		return nil, broken(pending, "it is damaged; restore the whole directory from a copy")
	}
	r, err := splitRecords(data, n)
	if err != nil {
		return nil, broken(pending, "%v", err)
	}
	for i := range n {
		p.texts = append(p.texts, r.text(i))
	}
	return &p, nil
}

// recover completes the append that was cut off, if one was. The caller holds the lock and has the newest head.
func (l *Log) recover() error {
	b, err := readAtMost(l.disk.file(pending), maxBatch*(maxRecord+1)+1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := unmarshalBatch(b)
	if err != nil {
		return err
	}
	// Whoever was killed may have come to the names of this file and of the head, and not to making them last.
	if err := l.disk.syncDir(l.dir); err != nil {
		return err
	}
	switch size := l.current().tree.N; {
	case p.base == size:
		return l.apply(p)
	case p.end() <= size:
		return l.finish(p)
	default:
		return broken(pending, "it goes on from %d records, and the signed tree has %d: an older copy of %s was put in place; restore the newest", p.base, size, latest)
	}
}

// apply makes the tiles of a batch that lasts in .pending, signs the new head and finishes. Done again it makes the same.
func (l *Log) apply(p *batchOf) error {
	files, edge, err := l.grow(p)
	if err != nil {
		return err
	}
	if err := l.disk.create(files); err != nil {
		return err
	}
	signed, err := l.sign(edge)
	if err != nil {
		return err
	}
	if err := l.goOn(p, &head{tlog.Tree{N: edge.size, Hash: edge.root()}, signed, edge}); err != nil {
		return err
	}
	return l.finish(p)
}

// goOn makes a head the log's.
func (l *Log) goOn(p *batchOf, h *head) error {
	versions := make([]uint64, 0, len(p.texts))
	for i, text := range p.texts {
		v, err := parseText(text)
		if err != nil {
			return broken(pending, "record %d: %v", p.base+int64(i), err)
		}
		versions = append(versions, versionHash(v))
	}
	l.reading.Lock()
	defer l.reading.Unlock()
	if err := l.disk.replace(latest, h.signed); err != nil {
		return err
	}
	l.publish(h, versions)
	return nil
}

// grow returns the tiles that a batch needs, and the edge of the tree with it.
func (l *Log) grow(p *batchOf) ([]file, *frontier, error) {
	files, err := l.growRecords(p)
	if err != nil {
		return nil, nil, err
	}
	edge := l.current().edge.clone()
	add := func(t tlog.Tile, hashes []tlog.Hash) error {
		if p.base>>(height*t.L) != p.end()>>(height*t.L) { // else it is there
			files = append(files, file{t.Path(), flat(hashes)})
		}
		return nil
	}
	for _, text := range p.texts {
		if err := edge.add(tlog.RecordHash(text), add); err != nil {
			return nil, nil, err
		}
	}
	return files, edge, edge.partial(add)
}

// growRecords returns the tiles of records that a batch needs.
func (l *Log) growRecords(p *batchOf) ([]file, error) {
	var files []file
	var data []byte
	if p.base%width > 0 {
		old, err := l.readRecords(dataTile(p.base-1, p.base))
		if err != nil {
			return nil, err
		}
		data = slices.Clone(old.data)
	}
	for i, text := range p.texts {
		data = append(append(data, text...), '\n')
		if id := p.base + int64(i); id%width == width-1 || id == p.end()-1 {
			files = append(files, file{dataTile(id, p.end()).Path(), data})
			data = nil
		}
	}
	return files, nil
}

// finish does what may come after the head of a batch is signed: lookups for static servers, and room.
func (l *Log) finish(p *batchOf) error {
	if err := l.writeLookups(p); err != nil {
		return fmt.Errorf("the records are in the log, but not yet what a static server answers of them: %w", err)
	}
	for level := -1; ; level++ {
		up := height * (max(level, 0) + 1)
		for n := p.base >> up; n < p.end()>>up; n++ {
			full := tlog.Tile{H: height, L: level, N: n, W: width}
			if err := l.disk.remove(l.disk.file(full.Path() + ".p")); err != nil {
				return err
			}
		}
		if level >= 0 && p.end()>>up == 0 {
			break
		}
	}
	if err := l.disk.remove(l.disk.file(pending)); err != nil {
		return err
	}
	if l.current().tree.N-l.saved >= saveEvery {
		return l.saveIndex()
	}
	return nil
}

// writeLookups writes the answers that are not there yet, and makes those last that are.
func (l *Log) writeLookups(p *batchOf) error {
	signed := l.current().signed
	var files []file
	for i, text := range p.texts {
		v, err := parseText(text)
		if err != nil {
			return err
		}
		name, err := lookupName(v)
		if err != nil {
			return err
		}
		record, err := tlog.FormatRecord(p.base+int64(i), text)
		if err != nil {
			return err
		}
		have, err := os.ReadFile(l.disk.file(name))
		if err == nil && bytes.HasPrefix(have, record) {
			files = append(files, file{name, have}) // with the head of another time; its name may not last yet
			continue
		}
		files = append(files, file{name, append(record, signed...)})
	}
	return l.disk.create(files)
}

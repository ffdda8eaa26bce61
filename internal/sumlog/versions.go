package sumlog

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// maxHeld is how many versions are held in memory: 16 MiB.
const maxHeld = 1 << 20

// parts is into how many files more are divided, by hash, so that each can be sorted in memory.
const parts = 128

// versions finds hashes that come twice, among more than memory holds.
type versions struct {
	max   int // held in memory
	held  []versionAt
	dir   string // of the parts; "" while there are none
	files []*os.File
	out   []*bufio.Writer
}

type versionAt struct {
	hash uint64
	id   int64
}

func newVersions() *versions { return &versions{max: maxHeld} }

// add adds the hash of a record.
func (v *versions) add(hash uint64, id int64) error {
	if len(v.held) == v.max {
		if err := v.spill(); err != nil {
			return err
		}
	}
	v.held = append(v.held, versionAt{hash, id})
	return nil
}

// spill moves what is held to the parts.
func (v *versions) spill() error {
	if v.dir == "" {
		if err := v.divide(); err != nil {
			return err
		}
	}
	for _, e := range v.held {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], e.hash)
		binary.BigEndian.PutUint64(b[8:], uint64(e.id))
		if _, err := v.out[e.hash%parts].Write(b[:]); err != nil {
			return err
		}
	}
	v.held = v.held[:0]
	return nil
}

// divide makes the parts.
func (v *versions) divide() error {
	dir, err := os.MkdirTemp("", "modhaven-audit-")
	if err != nil {
		return err
	}
	v.dir = dir
	for i := range parts {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			return err
		}
		v.files = append(v.files, f)
		v.out = append(v.out, bufio.NewWriterSize(f, 16<<10))
	}
	return nil
}

// same tells of each two records with the same hash, until that returns an error.
func (v *versions) same(tell func(first, second int64) error) error {
	if v.dir == "" {
		return sameIn(v.held, tell)
	}
	if err := v.spill(); err != nil {
		return err
	}
	for i, f := range v.files {
		part, err := v.part(f, v.out[i])
		if err == nil {
			err = sameIn(part, tell)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sameIn(list []versionAt, tell func(first, second int64) error) error {
	slices.SortFunc(list, func(a, b versionAt) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.id, b.id))
	})
	for i := range list {
		if i > 0 && list[i].hash == list[i-1].hash {
			if err := tell(list[i-1].id, list[i].id); err != nil {
				return err
			}
		}
	}
	return nil
}

// part reads a part. It uses the memory of what was held.
func (v *versions) part(f *os.File, out *bufio.Writer) ([]versionAt, error) {
	if err := out.Flush(); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	v.held = v.held[:0]
	r := bufio.NewReader(f)
	for {
		var b [16]byte
		if _, err := io.ReadFull(r, b[:]); errors.Is(err, io.EOF) {
			return v.held, nil
		} else if err != nil {
			return nil, err
		}
		v.held = append(v.held, versionAt{binary.BigEndian.Uint64(b[:]), int64(binary.BigEndian.Uint64(b[8:]))})
	}
}

// close removes the parts.
func (v *versions) close() {
	for _, f := range v.files {
		f.Close()
	}
	if v.dir != "" {
		os.RemoveAll(v.dir)
	}
}

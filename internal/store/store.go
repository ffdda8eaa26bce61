// Package store keeps named bytes: in a directory, in memory, behind a cache.
//
// A Store knows nothing of modules, of hashes to be expected or of where bytes came from. What it
// promises is that an object is either absent or whole, whatever is killed and whenever.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

var (
	// ErrConflict says that an object changed since its ETag was read.
	ErrConflict = errors.New("changed meanwhile")
	// ErrDamaged says that an object is there but is not what was stored. Remove it and put it anew.
	ErrDamaged = errors.New("not as it was stored")
)

// Small is the size up to which a Dir hands out an object as *goproxy.Bytes, and a Cache keeps it.
const Small = 64 << 10

// A Store holds named bytes. Names are slash-separated as in fs.ValidPath; those that checkName refuses are
// errors matching fs.ErrInvalid. Absence is an error that matches fs.ErrNotExist. All methods may be called at
// once, also by several processes. A body that is open stays as it is when its object is replaced or removed.
type Store interface {
	// Open returns the object. Small ones are a *goproxy.Bytes, others a body that can seek.
	Open(ctx context.Context, name string) (*goproxy.Content, error)
	// Stat returns what Open would, without the body.
	Stat(ctx context.Context, name string) (goproxy.Meta, error)
	// Put stores all of src or nothing; the object is durable when Put returns nil. After an error it may be there
	// all the same, but whole. If src is the whole of an *os.File, that very file may become the object: the
	// caller writes to it no more.
	Put(ctx context.Context, name string, src *io.SectionReader, o PutOptions) error
	// List returns the objects whose names start with prefix, in one order for all stores:
	// element by element. It stops after an error.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
	// Remove removes the object; absence is no error.
	Remove(ctx context.Context, name string) error
}

// PutOptions says under which condition to store, and what to remember.
type PutOptions struct {
	ETag string // of the content, for objects larger than Small, whose ETag is not computed on reading
	// Volatile says that nobody waits for the disk: after a loss of power the object may be absent, or there and torn. It is for
	// what is checked when it is read and can be had again.
	Volatile bool
	// If is "" to create only (else an error matching fs.ErrExist), "*" to replace, or the ETag
	// that the object must have now (else ErrConflict).
	If string
}

// An Entry is one object of a listing.
type Entry struct {
	Name    string
	Size    int64
	ModTime time.Time
}

// ETag returns the ETag of some content: 16 bytes of its SHA-256 in hex.
func ETag(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// checkName refuses what could leave the store, what no file can be called, and what a Dir keeps beside objects:
// files named NAME.etag, and hidden ones at the top.
func checkName(op, name string) error {
	if !fs.ValidPath(name) || strings.HasPrefix(name, ".") || strings.HasSuffix(name, etagSuffix) || strings.ContainsAny(name, "\x00\\") {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

func absent(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

func small(b []byte) *goproxy.Content {
	return goproxy.InMemory(goproxy.Meta{Size: int64(len(b)), ETag: ETag(b)}, b)
}

// readAll reads all of src. That there is less than it says is an error.
func readAll(src *io.SectionReader) ([]byte, error) {
	b := make([]byte, src.Size())
	if _, err := io.ReadFull(io.NewSectionReader(src, 0, src.Size()), b); err != nil {
		return nil, shortSource(err)
	}
	return b, nil
}

func shortSource(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading what is to be stored: %w", err)
}

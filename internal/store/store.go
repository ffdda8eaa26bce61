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
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// ErrConflict says that an object changed since its ETag was read.
var ErrConflict = errors.New("changed meanwhile")

// Small is the size up to which a Dir hands out an object as *goproxy.Bytes, and a Cache keeps it.
const Small = 64 << 10

// A Store holds named bytes. Names are slash-separated as in fs.ValidPath. Absence is an
// error that matches fs.ErrNotExist. All methods may be called at once, also by several processes.
type Store interface {
	// Open returns the object. Small ones are a *goproxy.Bytes, others a body that can seek.
	Open(ctx context.Context, name string) (*goproxy.Content, error)
	// Stat returns what Open would, without the body.
	Stat(ctx context.Context, name string) (goproxy.Meta, error)
	// Put stores all of src or nothing; the object is durable when Put returns nil. If src is the
	// whole of an *os.File, that very file may become the object: the caller writes to it no more.
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

// checkName refuses what could leave the store or collide with what a Dir keeps beside objects.
func checkName(op, name string) error {
	if !fs.ValidPath(name) || name == "." {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

func absent(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

func small(b []byte) *goproxy.Content {
	return &goproxy.Content{
		Meta: goproxy.Meta{Size: int64(len(b)), ETag: ETag(b)},
		Body: goproxy.NewBytes(b),
	}
}

// readAll reads src, which must be n bytes long.
func readAll(src *io.SectionReader) ([]byte, error) {
	b := make([]byte, src.Size())
	if _, err := src.ReadAt(b, 0); err != nil && !(err == io.EOF && len(b) == 0) && err != io.EOF {
		return nil, fmt.Errorf("reading what is to be stored: %w", err)
	}
	return b, nil
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// ViewState returns what is stored in a state directory. It makes, migrates and changes nothing: nothing can be put into the
// Store or removed from it. The error matches fs.ErrNotExist where dir is no state directory.
func ViewState(dir string) (Store, error) {
	b, err := os.ReadFile(filepath.Join(dir, "format"))
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", dir, err)
	}
	if text := strings.TrimSpace(string(b)); text != fmt.Sprint(formatPrefix, StateFormat) {
		return nil, fmt.Errorf("state %s: the file format says %.40q, and this version of Modhaven reads %q; start the server on it once, or use the newer version", dir, text, fmt.Sprint(formatPrefix, StateFormat))
	}
	d, err := NewDir(dir, "")
	if err != nil {
		return nil, err
	}
	return view{d}, nil
}

// A view is a Store that cannot be changed.
type view struct{ next Store }

var errView = errors.New("store: it is open for reading alone")

// Open implements Store.
func (v view) Open(ctx context.Context, name string) (*goproxy.Content, error) {
	return v.next.Open(ctx, name)
}

// Stat implements Store.
func (v view) Stat(ctx context.Context, name string) (goproxy.Meta, error) {
	return v.next.Stat(ctx, name)
}

// Put implements Store.
func (v view) Put(context.Context, string, *io.SectionReader, PutOptions) error { return errView }

// List implements Store.
func (v view) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return v.next.List(ctx, prefix)
}

// Remove implements Store.
func (v view) Remove(context.Context, string) error { return errView }

package sumlog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Answer answers what stands behind the database's address in a URL's path, percent-decoded: "supported", "latest",
// "lookup/MODULE@VERSION", "tile/8/0/000". Its errors are those of goproxy.Source: a *goproxy.NotFound where the log has
// no such thing, a *goproxy.Refused with status 400 for what is malformed, and a *goproxy.Unavailable where the log is
// damaged. Nothing is asked of anybody.
func (l *Log) Answer(_ context.Context, name string) (*goproxy.Content, error) {
	b, err := l.answer(name)
	if err == nil {
		return goproxy.InMemory(goproxy.Meta{Size: int64(len(b))}, b), nil
	}
	if errors.As(err, new(*goproxy.NotFound)) || errors.As(err, new(*goproxy.Refused)) {
		return nil, err
	}
	return nil, &goproxy.Unavailable{Reason: fmt.Sprintf("checksum database %s: %v", l.Name(), err), Err: err}
}

func (l *Log) answer(name string) ([]byte, error) {
	kind, rest, _ := strings.Cut(name, "/")
	switch {
	case name == supported:
		return nil, nil
	case name == latest:
		if err := l.refresh(); err != nil {
			return nil, err
		}
		return l.current().signed, nil
	case kind == "lookup":
		return l.lookup(name, rest)
	case kind == "tile":
		return l.tile(name)
	}
	return nil, goproxy.Absent("not found: a checksum database answers supported, latest, lookup/ and tile/")
}

func malformed(format string, args ...any) error {
	return &goproxy.Refused{Status: http.StatusBadRequest, Reason: fmt.Sprintf(format, args...)}
}

func (l *Log) lookup(name, arg string) ([]byte, error) {
	v, err := parseLookup(arg)
	if err != nil {
		return nil, malformed("%s: %v", name, err)
	}
	f, err := l.find(v)
	if err == nil && f.id < 0 { // another process may have added it
		if err = l.refresh(); err == nil {
			f, err = l.find(v)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case f.id < 0:
		return nil, goproxy.Absent("not found: %s is not in the checksum database %s", v, l.Name())
	}
	b, err := tlog.FormatRecord(f.id, f.text)
	return append(b, f.signed...), err
}

func parseLookup(arg string) (module.Version, error) {
	escPath, escVersion, ok := strings.Cut(arg, "@")
	if !ok {
		return module.Version{}, errors.New("a lookup is MODULE@VERSION")
	}
	path, err := module.UnescapePath(escPath)
	if err != nil {
		return module.Version{}, err
	}
	version, err := module.UnescapeVersion(escVersion)
	if err != nil {
		return module.Version{}, err
	}
	if !goproxy.Fits(path, version) {
		return module.Version{}, fmt.Errorf("%s is not a canonical version of %s", version, path)
	}
	return module.Version{Path: path, Version: version}, nil
}

// tile answers with a tile of the signed tree: what was written for a head that is not yet signed is not there yet.
func (l *Log) tile(name string) ([]byte, error) {
	t, err := tlog.ParseTilePath(name)
	if err != nil {
		return nil, malformed("%s: not a tile", name)
	}
	if t.H != height {
		return nil, goproxy.Absent("not found: the tiles of this checksum database have height %d, not %d", height, t.H)
	}
	if !has(l.current().tree.N, t) {
		if err := l.refresh(); err != nil {
			return nil, err
		}
	}
	if size := l.current().tree.N; !has(size, t) {
		return nil, goproxy.Absent("not found: the tree of %d records has no %s", size, name)
	}
	if t.L >= 0 {
		return l.readHashes(t)
	}
	b, err := l.readFile(t)
	if err != nil {
		return nil, err
	}
	r, err := splitRecords(b, t.W)
	if err != nil {
		return nil, broken(name, "%v", err)
	}
	return r.data, nil
}

// has reports whether a tree of that size has a tile.
func has(size int64, t tlog.Tile) bool {
	level := max(t.L, 0)
	if height*level > 62 || t.N < 0 || t.N > maxSize {
		return false
	}
	return t.N<<height+int64(t.W) <= size>>(height*level)
}

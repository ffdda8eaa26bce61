package proxy

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	// infosInRow is after how many .info files, each asked after its .mod, the others are expected: "go mod download" and "go
	// list -m" ask for those of the whole build list.
	infosInRow = 3
	// infosAlone is how many more .info files than lists show that zips follow: "go list -m -u" asks for a list with each.
	infosAlone = 8
	// toolchain is a module of which only zips are asked for.
	toolchain = "golang.org/toolchain"
)

// A session is what a client has asked for lately, and what it is thought to ask for next.
type session struct {
	last    time.Time // when something was asked for that no earlier request had brought into the store
	pinned  bool      // it does not go
	queues  [lanes][]guess
	guessed map[goproxy.File]depth // one more than how far is gone on from it

	mods        map[module.Version]bool // asked for
	newest      map[string]string       // by path, of mods: what a build list has of it
	roots       map[string]string       // by path, what a main module is thought to list
	infos       map[module.Version]bool // asked for after their mods
	given       int                     // .info files answered
	lists       int                     // asked for
	downloading bool                    // zips are asked for after their .info
}

func newSession(now time.Time) *session {
	return &session{last: now, guessed: map[goproxy.File]depth{}, mods: map[module.Version]bool{}, newest: map[string]string{}, roots: map[string]string{}, infos: map[module.Version]bool{}}
}

// gone reports whether the client has asked for nothing new for long.
func (by *session) gone(now time.Time) bool { return !by.pinned && now.Sub(by.last) >= clientGone }

// full reports whether nothing more can be noted.
func (by *session) full() bool { return len(by.mods) >= maxGuesses || len(by.guessed) >= maxGuesses }

// session returns that of a client; a new one where fresh is set: what it asks for was not stored, or was fetched ahead. The caller
// holds mu. Who asks only for what is stored is left alone after a while: that is most requests, and costs them time.
func (a *readAhead) session(ctx context.Context, fresh bool) *session {
	client := goproxy.Client(ctx)
	by := a.sessions[client]
	if by == nil && !fresh {
		return nil
	}
	now := time.Now()
	if by != nil && (by.gone(now) || by.full()) {
		by = nil // many may come from one address, without a pause: what was long ago says nothing of what is next
	}
	if by == nil && fresh && client != "" && (a.sessions[client] != nil || len(a.sessions) < maxSessions) {
		by = newSession(now)
		a.sessions[client] = by
		a.wake()
	}
	if by != nil && fresh {
		by.last = now
	}
	return by
}

// asks hears of a request for a file, and whether the store has that. It reports whether that is so because it was fetched ahead.
func (a *readAhead) asks(ctx context.Context, f goproxy.File, hit bool) (ahead bool) {
	if a == nil || hit && a.awake.Load() == 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	ahead = a.ask(f)
	if goproxy.FetchDisabled(ctx) {
		return ahead
	}
	if by := a.session(ctx, !hit || ahead); by != nil {
		a.add(by, by.next(f, hit)...)
	}
	return ahead
}

// gave hears that a file was fetched for a client.
func (a *readAhead) gave(ctx context.Context, f goproxy.File) {
	if a == nil || f.Kind == goproxy.Zip {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if by := a.session(ctx, false); by != nil {
		a.add(by, by.after(f)...)
	}
}

// listed hears of a request for a list.
func (a *readAhead) listed(ctx context.Context) {
	if a == nil || a.awake.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if by := a.session(ctx, false); by != nil {
		by.lists++
	}
}

// next notes a request and returns what will be asked for beside it.
func (by *session) next(f goproxy.File, hit bool) (gs []guess) {
	m := f.Version
	if m.Path == toolchain {
		return nil
	}
	if f.Kind != goproxy.Mod {
		by.guessed[f] = allBelow + 1 // asked for: nothing to guess
	}
	switch f.Kind {
	case goproxy.Mod:
		by.mods[m] = true
		if semver.Compare(m.Version, by.newest[m.Path]) > 0 {
			by.newest[m.Path] = m.Version
		}
	case goproxy.Info:
		if !by.mods[m] { // "go get": the module comes next, and will be one whose requirements are read
			return []guess{{file: goproxy.File{Version: m, Kind: goproxy.Mod}, follow: oneLevel}}
		}
		gs = by.info(m)
	default:
		if by.infos[m] {
			gs = by.download()
		}
		if !by.mods[m] { // "go build": asked for when the zip has come
			gs = append(gs, guess{file: goproxy.File{Version: m, Kind: goproxy.Mod}})
		}
	}
	if hit {
		gs = append(gs, by.after(f)...)
	}
	return gs
}

// after notes that a client has a file, and returns what will be asked for once it has read it.
func (by *session) after(f goproxy.File) []guess {
	switch f.Kind {
	case goproxy.Mod:
		if by.guessed[f] > asPruned { // below a module that does not prune
			return []guess{{file: f, follow: asPruned}}
		}
		return []guess{{file: f, follow: asRoot}}
	case goproxy.Info:
		if by.infos[f.Version] {
			by.given++
		}
	}
	return nil
}

// likely reports whether a version that a module requires may be what the main module lists, which has the newest that any requires,
// and notes it.
func (by *session) likely(m module.Version) bool {
	if semver.Compare(m.Version, by.newest[m.Path]) <= 0 || semver.Compare(m.Version, by.roots[m.Path]) <= 0 {
		return false
	}
	by.roots[m.Path] = m.Version
	return true
}

// info notes the request for an .info that came after that for the .mod.
func (by *session) info(m module.Version) (gs []guess) {
	by.infos[m] = true
	if len(by.infos) == infosInRow {
		for _, v := range by.buildList() {
			gs = append(gs, guess{file: goproxy.File{Version: v, Kind: goproxy.Info}})
		}
	}
	switch {
	case by.downloading:
		return append(gs, guess{file: goproxy.File{Version: m, Kind: goproxy.Zip}})
	case by.given-by.lists >= infosAlone:
		return append(gs, by.download()...)
	}
	return gs
}

// download returns the zips of all whose .info was asked for.
func (by *session) download() (gs []guess) {
	if by.downloading {
		return nil
	}
	by.downloading = true
	for m := range by.infos {
		gs = append(gs, guess{file: goproxy.File{Version: m, Kind: goproxy.Zip}})
	}
	return inOrder(gs)
}

// buildList returns the newest version of each module whose .mod was asked for.
func (by *session) buildList() (all []module.Version) {
	for path, version := range by.newest {
		all = append(all, module.Version{Path: path, Version: version})
	}
	module.Sort(all)
	return all
}

// inOrder sorts guesses as the go command asks.
func inOrder(gs []guess) []guess {
	slices.SortFunc(gs, func(a, b guess) int { return strings.Compare(a.file.Path, b.file.Path) })
	return gs
}

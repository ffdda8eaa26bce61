package proxy

import (
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A depth is how far the go command reads the .mod files that a .mod leads to: https://go.dev/ref/mod#graph-pruning.
type depth uint8

const (
	noFurther depth = iota
	asPruned        // of what is required by a module that does not prune, all below it
	asRoot          // the same, and what a module that prunes names itself: a main module that lists this one is likely to list those
	oneLevel        // of what is required, and on from there as pruned: the module will be required by the main one, or be it
	allBelow
)

// requirements returns the .mod files that are read because of a .mod.
func requirements(mod []byte, follow depth) (gs []guess) {
	if follow == noFurther {
		return nil
	}
	f, err := modfile.ParseLax("go.mod", mod, nil)
	if err != nil {
		return nil
	}
	next := asPruned
	switch {
	case follow == allBelow, !goproxy.Prunes(f.Go):
		next = allBelow
	case follow == asPruned:
		return nil
	case follow == asRoot:
		next = noFurther // more is known once it is asked for
	}
	for _, r := range f.Require {
		if next == noFurther && r.Indirect {
			continue
		}
		if module.Check(r.Mod.Path, r.Mod.Version) == nil {
			gs = append(gs, guess{file: goproxy.File{Version: r.Mod, Kind: goproxy.Mod}, follow: next})
		}
	}
	return gs
}

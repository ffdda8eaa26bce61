package proxytest

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A catalog is the modules of an upstream. It may change while it is served.
type catalog struct {
	mu   sync.Mutex
	mods map[string][]Module // by escaped path; complete, in order of version
}

// add puts in m, in place of the same version if there is one.
func (c *catalog) add(m Module) error {
	m, err := m.complete()
	if err != nil {
		return fmt.Errorf("%s@%s: %v", m.Path, m.Version, err)
	}
	esc, err := module.EscapePath(m.Path)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mods == nil {
		c.mods = map[string][]Module{}
	}
	all := append(without(c.mods[esc], m.Version), m)
	slices.SortFunc(all, func(a, b Module) int { return semver.Compare(a.Version, b.Version) })
	c.mods[esc] = all
	return nil
}

func (c *catalog) remove(path, version string) error {
	esc, err := module.EscapePath(path)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mods[esc] = without(c.mods[esc], version)
	return nil
}

// without returns a copy, since others may hold the slice.
func without(all []Module, version string) []Module {
	return slices.DeleteFunc(slices.Clone(all), func(m Module) bool { return m.Version == version })
}

// find returns one version.
func (c *catalog) find(path, version string) (Module, bool) {
	esc, err := module.EscapePath(path)
	if err != nil {
		return Module{}, false
	}
	for _, m := range c.versions(esc) {
		if m.Version == version {
			return m, true
		}
	}
	return Module{}, false
}

// versions returns the versions of a module, given its escaped path, in order. Nobody
// writes to what it returns.
func (c *catalog) versions(esc string) []Module {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mods[esc]
}

// gosum is what a checksum database's server asks.
func (c *catalog) gosum(path, version string) ([]byte, error) {
	m, ok := c.find(path, version)
	if !ok { // a type that os.IsNotExist knows, since sumdb.Server asks it
		return nil, &fs.PathError{Op: "lookup", Path: path + "@" + version, Err: fs.ErrNotExist}
	}
	return m.GoSum()
}

// list is the body of @v/list.
func list(versions []Module, pseudo bool) string {
	var b strings.Builder
	for _, m := range versions {
		if !m.Unlisted && (pseudo || !module.IsPseudoVersion(m.Version)) {
			b.WriteString(m.Version + "\n")
		}
	}
	return b.String()
}

// latest is the version that @latest answers: the highest release, else the highest
// pre-release, else the newest pseudo-version.
func latest(versions []Module) (Module, bool) {
	rank := func(m Module) int {
		switch {
		case module.IsPseudoVersion(m.Version):
			return 0
		case semver.Prerelease(m.Version) != "":
			return 1
		}
		return 2
	}
	best := Module{}
	for _, m := range versions { // in order of version
		switch {
		case best.Path == "", rank(m) > rank(best):
			best = m
		case rank(m) == 0 && rank(best) == 0 && m.time().Before(best.time()):
		case rank(m) == rank(best):
			best = m
		}
	}
	return best, best.Path != ""
}

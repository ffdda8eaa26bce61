package proxytest

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/tools/txtar"
)

//go:embed testdata/mod/*.txtar
var fixtureFS embed.FS

// fixtures reads and builds them once for a process; nobody writes to what it returns.
var fixtures = sync.OnceValues(func() ([]Module, error) {
	names, err := fixtureFS.ReadDir("testdata/mod")
	if err != nil {
		return nil, err
	}
	var mods []Module
	for _, e := range names {
		data, err := fixtureFS.ReadFile(path.Join("testdata/mod", e.Name()))
		if err != nil {
			return nil, err
		}
		m, err := ParseModule(data)
		if err == nil {
			m, err = m.complete()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %v", e.Name(), err)
		}
		mods = append(mods, m)
	}
	return mods, nil
})

// Fixtures returns the modules that every upstream serves unless told otherwise, with
// Mod, Info and Zip filled in. Nobody writes to their Files and Zip; to vary one, replace
// them and set what shall be made anew to its zero value.
func Fixtures(t TB) []Module {
	t.Helper()
	mods, err := fixtures()
	if err != nil {
		t.Fatalf("proxytest: %v", err)
	}
	return slices.Clone(mods)
}

// Fixture returns one of them.
func Fixture(t TB, path, version string) Module {
	t.Helper()
	for _, m := range Fixtures(t) {
		if m.Path == path && m.Version == version {
			return m
		}
	}
	t.Fatalf("proxytest: no fixture %s@%s", path, version)
	return Module{}
}

// ParseModule reads a module from a txtar archive. The archive's comment has lines that
// start with '#', and these:
//
//	module: PATH@VERSION
//	ref: NAME …        Refs
//	trim: .mod .info   these end without the newline that txtar adds
//	unlisted: true
//
// The files ".mod" and ".info" are Mod and Info; all others are the module's own.
func ParseModule(data []byte) (Module, error) {
	var m Module
	var trim []string
	a := txtar.Parse(data)
	for line := range strings.Lines(string(a.Comment)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "module":
			m.Path, m.Version, _ = strings.Cut(value, "@")
		case "ref":
			m.Refs = strings.Fields(value)
		case "trim":
			trim = strings.Fields(value)
		case "unlisted":
			m.Unlisted = true
		default:
			return m, fmt.Errorf("the comment has %q; it may have the lines module:, ref:, trim: and unlisted: alone", line)
		}
	}
	if m.Path == "" {
		return m, fmt.Errorf("the comment has no line module: PATH@VERSION")
	}
	m.Files = map[string]string{}
	for _, f := range a.Files {
		data := string(f.Data)
		if slices.Contains(trim, f.Name) {
			data = strings.TrimSuffix(data, "\n")
		}
		switch f.Name {
		case ".mod":
			m.Mod = data
		case ".info":
			m.Info = data
		default:
			m.Files[f.Name] = data
		}
	}
	return m, m.check()
}

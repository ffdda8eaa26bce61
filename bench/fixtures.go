package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
)

const (
	hotPath   = "example.com/hot"
	hotLatest = "v1.39.0"
	bigZip    = "/example.com/big/@v/v1.0.0.zip"
	bigSize   = 40 << 20
	smalls    = 50 // modules with a small zip, for the benchmarks that look at latency
)

func smallPath(i int) string { return fmt.Sprintf("example.com/small/m%02d", i) }

// siteFixture is an upstream with a module of 40 versions, one with a zip of 40 MB, and
// some small ones.
func (l *lab) siteFixture() (string, error) {
	return l.fixture("site", func(dir string) error {
		recipes := []recipe{{Version: module.Version{Path: "example.com/big", Version: "v1.0.0"}, Go: "1.24", Size: bigSize, Seed: 1}}
		for i := range 40 {
			r := recipe{Version: module.Version{Path: hotPath, Version: fmt.Sprintf("v1.%d.0", i)}, Go: "1.24", Seed: uint64(i) + 10}
			for j := range 25 {
				r.Requires = append(r.Requires, module.Version{Path: fmt.Sprintf("example.com/dep%d/part%d", j%7, j), Version: fmt.Sprintf("v1.%d.%d", j, i)})
			}
			recipes = append(recipes, r)
		}
		for i := range smalls {
			recipes = append(recipes, recipe{Version: module.Version{Path: smallPath(i), Version: "v1.0.0"}, Go: "1.24", Size: 20 << 10, Seed: uint64(i) + 100})
		}
		_, err := writeAll(dir, recipes)
		return err
	})
}

// A project is a main module and the upstream that has all it needs.
type project struct {
	upstream string // directory to serve
	main     string // directory with go.mod and go.sum
}

func (l *lab) project(name string, recipes func() (deps []recipe, main recipe)) (project, error) {
	dir, err := l.fixture(name, func(dir string) error {
		deps, main := recipes()
		sums, err := writeAll(filepath.Join(dir, "upstream"), deps)
		if err != nil {
			return err
		}
		root := filepath.Join(dir, "main")
		if err := os.Mkdir(root, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, "go.sum"), []byte(sums), 0o644); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(root, "go.mod"), main.goMod(), 0o644)
	})
	return project{filepath.Join(dir, "upstream"), filepath.Join(dir, "main")}, err
}

func writeAll(dir string, recipes []recipe) (string, error) {
	var sums strings.Builder
	for _, r := range recipes {
		s, err := r.write(dir)
		if err != nil {
			return "", fmt.Errorf("%s: %w", r.Version, err)
		}
		sums.WriteString(s)
	}
	return sums.String(), nil
}

const coldModules = 100

// coldRecipes is a project whose go.mod lists 100 modules, as a tidy one does. Their zips have log-normal sizes: the median is
// 100 KB, the largest some MB. They require one another, in a quarter of all cases the version that the project lists and
// else an older one, which is not read: as in this project's own go.mod, some 60 of 100 are named by a module before them.
func coldRecipes() (deps []recipe, main recipe) {
	rng, versions := rand.New(rand.NewPCG(2, 2)), rand.New(rand.NewPCG(5, 5))
	main = recipe{Version: module.Version{Path: "example.com/project", Version: "v0.0.0"}, Go: "1.24"}
	for i, q := range rng.Perm(coldModules) {
		deps = append(deps, recipe{
			Version: module.Version{Path: fmt.Sprintf("example.com/team%d/lib%02d", i%9, i), Version: fmt.Sprintf("v1.%d.%d", i%12, i%5)},
			Go:      "1.21", Size: int(100e3 * math.Exp(2*normalQuantile((float64(q)+0.5)/coldModules))), Seed: uint64(i) + 1000,
		})
	}
	const older = "v0.9.0"
	for i, d := range deps {
		deps = append(deps, recipe{Version: module.Version{Path: d.Path, Version: older}, Go: "1.21"})
		main.Requires = append(main.Requires, d.Version)
		for range rng.IntN(8) {
			j := i + 1 + rng.IntN(coldModules-i)
			if j >= coldModules {
				continue
			}
			v := deps[j].Version
			if versions.IntN(4) > 0 {
				v.Version = older
			}
			deps[i].Requires = append(deps[i].Requires, v)
		}
	}
	return deps, main
}

// normalQuantile is the inverse of the normal distribution's cumulative function.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

const graphMods = 390

// graphRecipes is a project whose module graph has 390 nodes beside the main module: two
// versions of each of 195 modules. All their go.mod files are read since none of them
// prunes (go 1.16). 60 are required by the main module, the others by ones before them.
func graphRecipes() (deps []recipe, main recipe) {
	const direct = 60
	rng := rand.New(rand.NewPCG(3, 3))
	main = recipe{Version: module.Version{Path: "example.com/project", Version: "v0.0.0"}, Go: "1.16"}
	for i := range graphMods {
		deps = append(deps, recipe{Version: graphVersion(i, direct), Go: "1.16", Seed: uint64(i) + 5000})
		if i < direct {
			main.Requires = append(main.Requires, deps[i].Version)
			continue
		}
		for range 1 + rng.IntN(4) {
			from := rng.IntN(i)
			deps[from].Requires = append(deps[from].Requires, deps[i].Version)
		}
	}
	return deps, main
}

// graphVersion gives the first direct numbers the newer version of a module each, so that
// what the main module requires is what is selected, and then every other version its number.
func graphVersion(i, direct int) module.Version {
	lib, minor := i, 1
	switch {
	case i >= 2*direct:
		lib, minor = i/2, i%2
	case i >= direct:
		lib, minor = i-direct, 0
	}
	return module.Version{Path: fmt.Sprintf("example.com/graph%d/lib%03d", lib%11, lib), Version: fmt.Sprintf("v1.%d.0", minor)}
}

const faultsModules = 107

// faultsRecipes is a project of 107 modules, all listed in its go.mod, with small zips.
func faultsRecipes() (deps []recipe, main recipe) {
	rng := rand.New(rand.NewPCG(4, 4))
	main = recipe{Version: module.Version{Path: "example.com/project", Version: "v0.0.0"}, Go: "1.24"}
	for i := range faultsModules {
		size := int(2e3 * math.Exp(rng.Float64()*math.Log(30)))
		if i%27 == 13 {
			size = 300e3
		}
		deps = append(deps, recipe{
			Version: module.Version{Path: fmt.Sprintf("example.com/shaky%d/lib%03d", i%7, i), Version: fmt.Sprintf("v1.%d.%d", i%9, i%4)},
			Go:      "1.21", Size: size, Seed: uint64(i) + 8000,
		})
		main.Requires = append(main.Requires, deps[i].Version)
	}
	return deps, main
}

// bigRecipes is a project of one module, whose zip has 40 MB.
func bigRecipes() (deps []recipe, main recipe) {
	deps = []recipe{{Version: module.Version{Path: "example.com/big", Version: "v1.0.0"}, Go: "1.24", Size: bigSize, Seed: 1}}
	main = recipe{Version: module.Version{Path: "example.com/project", Version: "v0.0.0"}, Go: "1.24", Requires: []module.Version{deps[0].Version}}
	return deps, main
}

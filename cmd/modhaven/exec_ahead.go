package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
)

// ahead wraps a handler so that with the first request for a module all that the project in the working directory needs begins
// to be fetched: a command that asks for nothing has nothing fetched.
func (e *execution) ahead(hv *haven, h http.Handler) http.Handler {
	if e.settings.ReadAhead != "on" {
		return h
	}
	begin := sync.OnceFunc(func() {
		if dir, err := os.Getwd(); err == nil {
			hv.service.Ahead(projectFiles(dir, e.settings.GoEnv()))
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/@v/") {
			begin()
		}
		h.ServeHTTP(w, r)
	})
}

// projectFiles returns what the go command asks for in the project that dir is in: the .mod and .zip files of the modules that its
// go.mod files require and that its go.sum files have the hashes of, without those that the module cache has. A project that cannot be
// read, or that has its dependencies with it, needs nothing.
func projectFiles(dir string, env *config.GoEnv) []goproxy.File {
	flags := env.Get("GOFLAGS").Value
	cache := moduleCache(env)
	var files []goproxy.File
	seen := map[goproxy.File]bool{}
	for _, root := range moduleRoots(dir, env.Get("GOWORK").Value) {
		if strings.Contains(flags, "-mod=vendor") || exists(filepath.Join(root, "vendor", "modules.txt")) && !strings.Contains(flags, "-mod=") {
			continue
		}
		for _, f := range moduleFiles(root) {
			if !seen[f] && !cached(cache, f) {
				files = append(files, f)
			}
			seen[f] = true
		}
	}
	return files
}

// moduleRoots returns the directories of the main modules: those that go.work names, else the one that dir is in.
func moduleRoots(dir, work string) (roots []string) {
	if work == "" {
		work = upward(dir, "go.work")
	}
	if b, err := os.ReadFile(work); work != "off" && err == nil {
		if w, err := modfile.ParseWork(work, b, nil); err == nil {
			for _, u := range w.Use {
				root := filepath.FromSlash(u.Path)
				if !filepath.IsAbs(root) {
					root = filepath.Join(filepath.Dir(work), root)
				}
				roots = append(roots, root)
			}
			return roots
		}
	}
	if mod := upward(dir, "go.mod"); mod != "" {
		return []string{filepath.Dir(mod)}
	}
	return nil
}

// upward returns the file called name in dir or the nearest directory above that has one.
func upward(dir, name string) string {
	for {
		if file := filepath.Join(dir, name); exists(file) {
			return file
		}
		above := filepath.Dir(dir)
		if above == dir {
			return ""
		}
		dir = above
	}
}

// moduleFiles returns what the go command asks for because of the go.mod and the go.sum in a directory.
func moduleFiles(root string) (files []goproxy.File) {
	b, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil
	}
	f, err := modfile.ParseLax("go.mod", b, nil)
	if err != nil {
		return nil
	}
	full, err := modfile.Parse("go.mod", b, nil)
	if err == nil {
		f = full // with its replacements
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return nil
	}
	has := summed(string(sums))
	build := required(f)
	if !goproxy.Prunes(f.Go) { // its whole graph is read, which go.sum has the hashes of
		build = selected(build, has)
		files = filesOf(goproxy.Mod, others(has, build))
	}
	for _, m := range build {
		if file := (goproxy.File{Version: m, Kind: goproxy.Mod}); has[file] {
			files = append(files, file)
		}
	}
	for _, m := range build {
		if file := (goproxy.File{Version: m, Kind: goproxy.Zip}); has[file] {
			files = append(files, file)
		}
	}
	return files
}

// required returns what a go.mod requires, as replaced by other modules; what directories stand for is left out.
func required(f *modfile.File) (all []module.Version) {
	replaced := map[module.Version]module.Version{}
	for _, r := range f.Replace {
		replaced[r.Old] = r.New
	}
	for _, r := range f.Require {
		m := r.Mod
		if by, ok := replaced[m]; ok {
			m = by
		} else if by, ok := replaced[module.Version{Path: m.Path}]; ok {
			m = by
		}
		if m.Version != "" {
			all = append(all, m)
		}
	}
	return all
}

// summed reads a go.sum: the .mod and .zip files that it has hashes of.
func summed(text string) map[goproxy.File]bool {
	has := map[goproxy.File]bool{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		file := goproxy.File{Version: module.Version{Path: fields[0], Version: fields[1]}, Kind: goproxy.Zip}
		if v, ok := strings.CutSuffix(fields[1], "/go.mod"); ok {
			file.Version.Version, file.Kind = v, goproxy.Mod
		}
		if module.Check(file.Path, file.Version.Version) == nil {
			has[file] = true
		}
	}
	return has
}

// selected adds to what is required the other modules that a go.sum has zips of, each in its newest version.
func selected(build []module.Version, has map[goproxy.File]bool) []module.Version {
	newest := map[string]string{}
	for f := range has {
		if f.Kind == goproxy.Zip && semver.Compare(f.Version.Version, newest[f.Path]) > 0 {
			newest[f.Path] = f.Version.Version
		}
	}
	for _, m := range build {
		delete(newest, m.Path)
	}
	var more []module.Version
	for path, v := range newest {
		more = append(more, module.Version{Path: path, Version: v})
	}
	module.Sort(more)
	return append(slices.Clone(build), more...)
}

// others returns the versions that a go.sum has only the .mod of.
func others(has map[goproxy.File]bool, build []module.Version) (all []module.Version) {
	for f := range has {
		if f.Kind == goproxy.Mod && !slices.Contains(build, f.Version) {
			all = append(all, f.Version)
		}
	}
	module.Sort(all)
	return all
}

func filesOf(k goproxy.Kind, all []module.Version) (files []goproxy.File) {
	for _, m := range all {
		files = append(files, goproxy.File{Version: m, Kind: k})
	}
	return files
}

// moduleCache returns the directory of the caller's module cache: https://go.dev/ref/mod#module-cache.
func moduleCache(env *config.GoEnv) string {
	if dir := env.Get("GOMODCACHE").Value; dir != "" {
		return dir
	}
	if paths := filepath.SplitList(env.Get("GOPATH").Value); len(paths) > 0 {
		return filepath.Join(paths[0], "pkg", "mod")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, "go", "pkg", "mod")
}

// cached reports whether a module cache has a file.
func cached(cache string, f goproxy.File) bool {
	return cache != "" && exists(filepath.Join(cache, "cache", "download", filepath.FromSlash(f.Name())))
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

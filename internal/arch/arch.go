// Package arch checks that the code keeps to the layout of DESIGN.md: which package may
// import which, and that what is public is explained.
//
// It reads all Go files of the module, whatever their build constraints say. It judges
// no style, and nothing imports it; its test is its use.
package arch

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Check returns what is wrong in the module whose root is fsys, a line for each, in
// the order of the files.
func Check(fsys fs.FS) ([]string, error) {
	m, err := read(fsys)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, p := range m.packages {
		for _, f := range p.files {
			wrong = append(wrong, m.imports(p, f)...)
		}
		wrong = append(wrong, p.comment()...)
		if p.name != "main" {
			wrong = append(wrong, p.exported()...)
		}
	}
	return wrong, nil
}

// imports says which imports of a file the table does not allow.
func (m *tree) imports(p *pkg, f *file) []string {
	var wrong []string
	for _, imp := range f.imports {
		if reason := m.forbidden(p, f, imp); reason != "" {
			wrong = append(wrong, fmt.Sprintf("%s: imports %s: %s", f.name, m.short(imp), reason))
		}
	}
	return wrong
}

// forbidden returns why a file may not import imp, or "".
func (m *tree) forbidden(p *pkg, f *file, imp string) string {
	dir, ours := m.dir(imp)
	switch {
	case !ours:
		return foreign(p.dir, f, imp)
	case top(dir) == "cmd" || tool(dir):
		return "programs are not imported; move what is needed to a package below internal"
	case dir == p.dir || f.test && !testOnly(p.dir):
		return "" // tests may use every package
	case testOnly(dir) && tool(p.dir):
		return ""
	case testOnly(dir):
		return "it is for _test files, bench and conformance only"
	case top(p.dir) == "cmd" || tool(p.dir):
		return ""
	case slices.Contains(leaves, dir) && !slices.Contains(bottom, p.dir):
		return ""
	}
	if may := allowed(p.dir); !slices.Contains(may, dir) {
		return fmt.Sprintf("%s may import %s. Take what is needed as an interface of internal/goproxy and let cmd/modhaven/wire.go hand it in, or change the table in DESIGN.md and in internal/arch",
			p.dir, orNothing(may))
	}
	return ""
}

// foreign returns why a file may not import a package of another module, or "".
func foreign(dir string, f *file, imp string) string {
	first, _, _ := strings.Cut(imp, "/")
	if imp == "C" {
		return "the binary is static: no cgo"
	}
	if !strings.Contains(first, ".") || f.test { // std
		return ""
	}
	within := func(mod string) bool { return imp == mod || strings.HasPrefix(imp, mod+"/") }
	if slices.ContainsFunc(slices.Concat(common(dir), modules[dir]), within) {
		return ""
	}
	return fmt.Sprintf("of other modules %s may import %s. If this one is needed, name it in internal/arch, with the reason in the commit",
		dir, orNothing(slices.Concat(common(dir), modules[dir])))
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

func top(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// tool reports whether dir is a program for developers.
func tool(dir string) bool { return slices.Contains(tools, top(dir)) }

// testOnly reports whether dir holds nothing that is in the binary.
func testOnly(dir string) bool { return slices.Contains(tests, dir) }

// allowed returns what a package may import of this module beside the leaves.
func allowed(dir string) []string {
	if may, ok := table[dir]; ok {
		return may
	}
	may := []string{"internal/goproxy"}
	if parent := path.Dir(dir); parent != "internal" {
		may = append(may, parent) // store/s3 → store
	}
	return may
}

package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// A tree is the packages of a module.
type tree struct {
	module   string
	packages []*pkg // in the order of their directories
}

// A pkg is a directory with Go files.
type pkg struct {
	dir   string // slash-separated, from the module's root
	name  string // as in the package clauses that are not of tests
	files []*file
}

// A file is a parsed one. Its syntax lacks objects.
type file struct {
	name    string // slash-separated, from the module's root
	test    bool
	imports []string
	fset    *token.FileSet
	syntax  *ast.File
}

// read parses all Go files but those in testdata, in directories that start with '.' or
// '_', and in nested modules, as the go command does.
func read(fsys fs.FS) (*tree, error) {
	gomod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, err
	}
	m := &tree{module: modfile.ModulePath(gomod)}
	return m, fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && skipped(fsys, name):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".go") && !hidden(path.Base(name)):
			return m.add(fsys, name)
		}
		return nil
	})
}

func hidden(base string) bool { return base[0] == '.' || base[0] == '_' }

func skipped(fsys fs.FS, dir string) bool {
	base := path.Base(dir)
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return base == "testdata" || base == "vendor" || hidden(base) || err == nil
}

func (m *tree) add(fsys fs.FS, name string) error {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	f := &file{name: name, test: strings.HasSuffix(name, "_test.go"), fset: token.NewFileSet()}
	f.syntax, err = parser.ParseFile(f.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, spec := range f.syntax.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: %v", name, err)
		}
		f.imports = append(f.imports, imp)
	}
	p := m.pkg(path.Dir(name))
	p.files = append(p.files, f)
	if !f.test {
		p.name = f.syntax.Name.Name
	}
	return nil
}

// pkg returns the package of a directory. Directories come in order, but a directory's
// files may have its subdirectories' between them.
func (m *tree) pkg(dir string) *pkg {
	for _, p := range m.packages {
		if p.dir == dir {
			return p
		}
	}
	p := &pkg{dir: dir}
	m.packages = append(m.packages, p)
	return p
}

// dir returns the directory of a package of this module.
func (m *tree) dir(imp string) (string, bool) {
	if imp == m.module {
		return ".", true
	}
	return strings.CutPrefix(imp, m.module+"/")
}

// short is how an import is named in a message.
func (m *tree) short(imp string) string {
	if dir, ok := m.dir(imp); ok {
		return dir
	}
	return imp
}

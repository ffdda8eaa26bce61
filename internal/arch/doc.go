package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// comment checks that a package has one package comment, which says first what it is
// the comment of: "Package x"; for a program "Command x" or "X".
func (p *pkg) comment() []string {
	if p.name == "" {
		return nil // nothing but tests
	}
	want := []string{"Package " + p.name}
	if p.name == "main" {
		base := path.Base(p.dir)
		want = []string{"Command " + base, strings.ToUpper(base[:1]) + base[1:]}
	}
	var wrong, have []string
	for _, f := range p.files {
		if f.test || f.syntax.Doc == nil {
			continue
		}
		have = append(have, path.Base(f.name))
		if text := f.syntax.Doc.Text(); !startsWith(text, want...) {
			first, _, _ := strings.Cut(text, "\n")
			wrong = append(wrong, fmt.Sprintf("%s: the package comment starts %q; it must start %q", f.name, first, want[0]))
		}
	}
	if len(have) != 1 {
		wrong = append(wrong, fmt.Sprintf("%s: %d package comments%s; it must have one, in the file that one reads first, starting %q",
			p.dir, len(have), in(have), want[0]))
	}
	return wrong
}

func in(files []string) string {
	if len(files) == 0 {
		return ""
	}
	return " in " + strings.Join(files, " and ")
}

// startsWith reports whether text starts with one of want, as words.
func startsWith(text string, want ...string) bool {
	return slices.ContainsFunc(want, func(w string) bool {
		rest, ok := strings.CutPrefix(text, w)
		return ok && (rest == "" || strings.ContainsAny(rest[:1], " \n,.:;"))
	})
}

// exported returns what is public and has no comment.
func (p *pkg) exported() []string {
	var wrong []string
	told := p.toldTypes()
	for _, f := range p.files {
		if f.test {
			continue
		}
		report := func(at token.Pos, what string) {
			pos := f.fset.Position(at)
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s has no doc comment; say what it promises", pos.Filename, pos.Line, what))
		}
		for _, decl := range f.syntax.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if what := public(d); what != "" && !says(d.Doc) {
					report(d.Pos(), what)
				}
			case *ast.GenDecl:
				group(d, told, report)
			}
		}
	}
	return wrong
}

// toldTypes returns the types that have a comment.
func (p *pkg) toldTypes() map[string]bool {
	told := map[string]bool{}
	for _, f := range p.files {
		for _, decl := range f.syntax.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range d.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok {
					told[s.Name.Name] = says(d.Doc) || says(s.Doc) || says(s.Comment)
				}
			}
		}
	}
	return told
}

// standard are methods whose contract is that of an interface that everybody knows.
var standard = []string{
	"As", "Close", "Error", "Flush", "GoString", "Header", "Is", "Len", "Less", "LogValue", "MarshalJSON", "MarshalText",
	"Read", "ReadAt", "ReadFrom", "RoundTrip", "Seek", "ServeHTTP", "String", "Swap", "UnmarshalJSON", "UnmarshalText",
	"Unwrap", "Write", "WriteAt", "WriteHeader", "WriteString", "WriteTo",
}

// public names a function or method that other packages see and whose contract is its
// own; else it returns "".
func public(d *ast.FuncDecl) string {
	name := d.Name.Name
	if !ast.IsExported(name) {
		return ""
	}
	if d.Recv == nil {
		return "func " + name
	}
	recv := receiver(d.Recv.List[0].Type)
	if !ast.IsExported(recv) || slices.Contains(standard, name) {
		return ""
	}
	return "method " + recv + "." + name
}

// receiver returns the type's name in *T, T[K] and so on.
func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.ParenExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	}
	return ""
}

// group checks types, constants and variables. A comment over a group of values is for
// all of them; so is one on a constant, or on its type, for those that repeat it (iota).
func group(d *ast.GenDecl, told map[string]bool, report func(token.Pos, string)) {
	whole := says(d.Doc)
	repeated := false
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			alone := whole && !d.Lparen.IsValid()
			if s.Name.IsExported() && !alone && !says(s.Doc) && !says(s.Comment) {
				report(s.Pos(), "type "+s.Name.Name)
			}
		case *ast.ValueSpec:
			own := says(s.Doc) || says(s.Comment)
			if t, ok := s.Type.(*ast.Ident); ok && d.Tok == token.CONST {
				own = own || told[t.Name]
			}
			repeats := d.Tok == token.CONST && s.Type == nil && s.Values == nil
			repeated = own || repeats && repeated
			for _, name := range s.Names {
				if name.IsExported() && !whole && !repeated {
					report(name.Pos(), d.Tok.String()+" "+name.Name)
				}
			}
		}
	}
}

// says reports whether a comment has words; directives are none.
func says(c *ast.CommentGroup) bool { return c != nil && strings.TrimSpace(c.Text()) != "" }

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/doctor"
	"github.com/modhaven/modhaven/internal/msg"
)

// Everything that the commands say must have a translation, and every translation must
// be of something that is said.
func TestTranslated(t *testing.T) {
	said := make(map[string]bool)
	for _, k := range config.Keys() {
		said[fold(k.Help())] = true
		if k.Empty != "" {
			said[fold(k.Empty)] = true
		}
	}
	for _, dir := range []string{".", "../../internal/config"} {
		for _, file := range parseDir(t, dir) {
			ast.Inspect(file, func(n ast.Node) bool {
				for _, text := range texts(n) {
					said[text] = true
				}
				return true
			})
		}
	}
	for _, text := range doctorTexts(t) {
		said[fold(text)] = true
	}
	catalogue := make(map[string]bool)
	chinese := msg.For("zh_CN.UTF-8")
	files, err := filepath.Glob("../../internal/msg/chinese*.go")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files of translations, %v", len(files), err)
	}
	for _, file := range files {
		for _, text := range literalsIn(t, file) {
			catalogue[fold(text)] = true
		}
	}
	for text := range said {
		if strings.Trim(text, "%sqvd: ") == "" {
			continue // nothing but verbs
		}
		if !catalogue[fold(text)] {
			t.Errorf("internal/msg/chinese.go lacks a translation of\n\t%q", text)
		} else if got := chinese.Text(text); !strings.Contains(text, "%") && got == text {
			t.Errorf("the translation is the English text: %q", text)
		}
		delete(catalogue, fold(text))
	}
	for text := range catalogue {
		t.Errorf("internal/msg/chinese.go translates what nobody says:\n\t%q", text)
	}
}

// doctorTexts returns the templates of the doctor: its catalogue, and in its code every text that has a {name} to be
// filled in or is a line of evidence.
func doctorTexts(t *testing.T) (all []string) {
	t.Helper()
	all = doctor.Words()
	for _, e := range doctor.Catalogue() {
		all = append(all, e.Summary, e.Meaning)
		for _, r := range e.Fixes {
			all = append(all, r.Title)
		}
		for _, o := range e.Or {
			all = append(all, o.Tell)
		}
	}
	name := regexp.MustCompile(`\{[a-z_]+\}`)
	code := regexp.MustCompile(`^MH\d{4}$`)
	for _, file := range parseDir(t, "../../internal/doctor") {
		lists := map[ast.Expr]bool{} // what is in a list of evidence
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return !strings.HasSuffix(n.Name.Name, "Codes") // the catalogue, whose commands are not translated
			case *ast.CompositeLit:
				if _, ok := n.Type.(*ast.ArrayType); ok && len(n.Elts) > 0 {
					first, _ := literal(n.Elts[0])
					for _, e := range n.Elts {
						lists[e] = name.MatchString(first)
					}
				}
			case *ast.BasicLit:
				if text, ok := literal(n); ok && !code.MatchString(text) && (name.MatchString(text) || lists[n]) && strings.ContainsFunc(name.ReplaceAllString(text, ""), unicode.IsLetter) {
					all = append(all, text)
				}
			}
			return true
		})
	}
	return all
}

func fold(s string) string { return strings.Join(strings.Fields(s), " ") }

func parseDir(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(names), err)
	}
	var files []*ast.File
	for _, name := range names { // of every system, whatever this one is
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// texts returns what n itself says, of all nodes of a file: the formats of calls that
// translate, and the texts of a manual.
func texts(n ast.Node) []string {
	switch n := n.(type) {
	case *ast.CallExpr:
		if i, ok := formatArg(n); ok && i < len(n.Args) {
			if text, ok := literal(n.Args[i]); ok {
				return []string{fold(text)}
			}
		}
	case *ast.CompositeLit:
		return manualTexts(n)
	}
	return nil
}

// formatArg returns which argument of a call is an English text to translate.
func formatArg(call *ast.CallExpr) (int, bool) {
	name, receiver := "", ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
		if x, ok := f.X.(*ast.Ident); ok {
			receiver = x.Name
		}
	}
	switch {
	case receiver == "fmt":
		return 0, false
	case name == "Fprintf", name == "problem":
		return 1, true
	case name == "Sprintf", name == "Text", name == "failf", name == "usagef", name == "message", name == "section":
		return 0, true
	}
	return 0, false
}

// manualTexts returns the texts of a literal of type manual, or of a list in one.
func manualTexts(c *ast.CompositeLit) []string {
	var all []string
	add := func(e ast.Expr) {
		if text, ok := literal(e); ok {
			for _, paragraph := range strings.Split(text, "\n\n") {
				all = append(all, fold(paragraph))
			}
		}
	}
	if id, ok := c.Type.(*ast.Ident); ok && id.Name == "manual" {
		for _, e := range c.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				add(kv.Value)
			}
		}
	} else if ok && id.Name == "variable" {
		add(c.Elts[1])
	}
	list, ok := c.Type.(*ast.ArrayType)
	if !ok {
		return all
	}
	of, _ := list.Elt.(*ast.Ident)
	for _, e := range c.Elts {
		elt, ok := e.(*ast.CompositeLit)
		switch {
		case !ok || of == nil:
		case of.Name == "example":
			add(elt.Elts[0])
		case of.Name == "exit", of.Name == "variable":
			add(elt.Elts[1])
		}
	}
	return all
}

// literal returns the value of a string literal or a sum of them.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, e.Kind == token.STRING && err == nil
	case *ast.BinaryExpr:
		x, okX := literal(e.X)
		y, okY := literal(e.Y)
		return x + y, okX && okY
	}
	return "", false
}

// literalsIn returns the first string of each pair in the catalogue.
func literalsIn(t *testing.T, name string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		if c, ok := n.(*ast.CompositeLit); ok && c.Type == nil && len(c.Elts) == 2 {
			if text, ok := literal(c.Elts[0]); ok {
				all = append(all, text)
			}
		}
		return true
	})
	return all
}

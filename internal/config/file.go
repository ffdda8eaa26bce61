package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds what is read: a configuration has a few kilobytes.
const maxFile = 1 << 20

// maxErrors bounds what is said about one file that is no configuration at all.
const maxErrors = 50

func (c *Config) loadFile(name string) []error {
	data, err := readFile(name)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return []error{&Error{"", Origin{Kind: FromFile, Name: name}, message("the configuration cannot be read: %s", err.Error())}}
	}
	return c.loadYAML(name, data)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("it has more than 1 MiB")
	}
	return data, err
}

// loadYAML takes one document that maps keys to single values. Anything else that YAML
// can say (anchors, tags, lists, several documents) has no meaning here and is an error.
func (c *Config) loadYAML(name string, data []byte) []error {
	doc, err := parseYAML(data)
	if err != nil {
		return []error{syntaxError(name, err)}
	}
	if doc == nil { // empty, or comments alone
		return nil
	}
	mapping, ok := doc.(*ast.MappingNode)
	if !ok {
		return []error{&Error{"", fileOrigin(name, doc), message("the file must have lines of the form KEY: VALUE")}}
	}
	var errs []error
	r := fileReader{c, name, make(map[string]Key), make(map[string]int)}
	for _, k := range Keys() {
		r.keys[k.YAML()] = k
	}
	for _, entry := range mapping.Values {
		if err := r.entry(entry); err != nil {
			errs = append(errs, err)
		}
		if len(errs) == maxErrors {
			return append(errs, &Error{"", Origin{Kind: FromFile, Name: name}, message("further mistakes are not listed")})
		}
	}
	return errs
}

// A fileReader takes the entries of one file.
type fileReader struct {
	c     *Config
	name  string
	keys  map[string]Key // by their spelling in files
	lines map[string]int // where a key stood first
}

func (r fileReader) entry(e *ast.MappingValueNode) error {
	at := fileOrigin(r.name, e.Key)
	spelled, ok := e.Key.(*ast.StringNode)
	if !ok {
		return &Error{"", at, message("a key is a plain word")}
	}
	if line := r.lines[spelled.Value]; line > 0 {
		return &Error{"", at, message("%s stands twice; it is in line %s already", spelled.Value, strconv.Itoa(line))}
	}
	r.lines[spelled.Value] = at.Line
	k, ok := r.keys[spelled.Value]
	if !ok {
		return unknownInFile(at, spelled.Value)
	}
	text, ok := scalar(e.Value)
	if !ok {
		return &Error{k.Name, at, message("the value must be a single one, without anchors or tags")}
	}
	return r.c.assign(k, text, at)
}

func unknownInFile(at Origin, name string) error {
	all := spellings(Key.YAML)
	if near := Nearest(name, all); near != "" {
		return &Error{"", at, message("%q is not a key; is %s meant?", name, near)}
	}
	return &Error{"", at, message("%q is not a key; the keys are %s", name, strings.Join(all, ", "))}
}

// scalar returns a node's text as it was written, so that what a value means is decided
// by its key alone and not by what it looks like to YAML.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.NullNode:
		return "", true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func fileOrigin(name string, n ast.Node) Origin {
	o := Origin{Kind: FromFile, Name: name}
	if n != nil {
		if t := n.GetToken(); t != nil && t.Position != nil {
			o.Line = t.Position.Line
		}
	}
	return o
}

// parseYAML returns the one document's body; nil when there is none. The parser takes
// any bytes a person can put into a file, so a panic in it is an error like another.
func parseYAML(data []byte) (body ast.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			body, err = nil, errors.New("the file is not YAML")
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if n := size(tokens); n > maxTokens {
		return nil, fmt.Errorf("it has %d parts, more than any configuration", n)
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, err
	}
	for _, d := range f.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			return nil, errors.New("the file has several documents (---); it must have one")
		}
		body = d.Body
	}
	return body, nil
}

// maxTokens bounds what the parser is given: ten times what all keys take. It needs time
// and memory with the square of that, so that a megabyte of '[' would take all memory.
const maxTokens = 1000

// size counts what is not a comment.
func size(tokens token.Tokens) int {
	n := 0
	for _, t := range tokens {
		if t.Type != token.CommentType {
			n++
		}
	}
	return n
}

// syntaxError keeps the place and the reason, and not the lines around it, which may
// hold a password.
func syntaxError(name string, err error) error {
	at, reason := Origin{Kind: FromFile, Name: name}, err.Error()
	var yamlErr yaml.Error
	if errors.As(err, &yamlErr) {
		reason = yamlErr.GetMessage()
		if t := yamlErr.GetToken(); t != nil && t.Position != nil {
			at.Line = t.Position.Line
		}
	}
	return &Error{"", at, message("the YAML cannot be read: %s", reason)}
}

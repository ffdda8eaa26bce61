package goproxy

import (
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Op is what a request asks for.
type Op uint8

const (
	OpFile  Op = iota // an .info, .mod or .zip that never changes
	OpQuery           // .info of a revision that may change
	OpLatest
	OpList
)

// maxPath bounds what is parsed at all. The longest module path that proxy.golang.org
// serves has a few hundred bytes.
const maxPath = 2048

// A Request is a request of the protocol, checked: nothing of it can be an option, a
// parent directory or another host.
type Request struct {
	Op    Op
	Path  string // module path, unescaped
	File  File   // for OpFile
	Query string // for OpQuery: the revision as asked, unescaped; for OpLatest "latest"
}

// Parse reads the path of a request URL, percent-decoded once, without the leading
// slash: "github.com/!burnt!sushi/toml/@v/v1.4.0.info". Whatever is not a request of the
// protocol is a *NotFound that says what is wrong, since a 400 would stop a client's list of proxies.
func Parse(p string) (Request, error) {
	if len(p) > maxPath {
		return Request{}, Absent("not found: the path has %d bytes, at most %d are possible", len(p), maxPath)
	}
	if esc, ok := strings.CutSuffix(p, "/@latest"); ok {
		path, err := unescapePath(esc)
		return Request{Op: OpLatest, Path: path, Query: "latest"}, err
	}
	i := strings.LastIndex(p, "/@v/")
	if i < 0 {
		return Request{}, Absent("not found: %q is not a request of the module proxy protocol (MODULE/@v/list, MODULE/@v/VERSION.info, .mod, .zip or MODULE/@latest)", p)
	}
	path, err := unescapePath(p[:i])
	if err != nil {
		return Request{}, err
	}
	return parseVersion(path, p[i+len("/@v/"):])
}

func parseVersion(path, last string) (Request, error) {
	if last == "list" {
		return Request{Op: OpList, Path: path}, nil
	}
	dot := strings.LastIndexByte(last, '.')
	if dot <= 0 {
		return Request{}, Absent("not found: %q is neither list nor a version's .info, .mod or .zip", last)
	}
	var kind Kind
	switch last[dot+1:] {
	case "info":
		kind = Info
	case "mod":
		kind = Mod
	case "zip":
		kind = Zip
	default:
		return Request{}, Absent("not found: %q is neither list nor a version's .info, .mod or .zip", last)
	}
	version, err := module.UnescapeVersion(last[:dot])
	if err != nil {
		return Request{}, Absent("not found: %v", err)
	}
	if Fits(path, version) {
		return Request{Op: OpFile, Path: path, File: File{module.Version{Path: path, Version: version}, kind}}, nil
	}
	if kind != Info {
		return Request{}, Absent("not found: %s@%s: a .%s needs a canonical version that fits the path", path, version, kind)
	}
	return Request{Op: OpQuery, Path: path, Query: version}, nil
}

func unescapePath(esc string) (string, error) {
	path, err := module.UnescapePath(esc)
	if err != nil {
		return "", Absent("not found: %v", err)
	}
	return path, nil
}

// Fits reports whether version is canonical and its major version is that of path, so
// that its files can never change.
func Fits(path, version string) bool {
	if semver.Canonical(version) != strings.TrimSuffix(version, "+incompatible") {
		return false
	}
	return module.Check(path, version) == nil
}

package goproxy

import (
	"cmp"
	"path"
	"strings"

	"golang.org/x/mod/module"
)

// Name returns where the file stands below a proxy's address, and in the go command's
// own download cache: "github.com/!burnt!sushi/toml/@v/v1.4.0.zip".
func (f File) Name() string { return f.NameBelow("") }

// NameBelow returns prefix and the file's Name. It is on the way of every request: one allocation.
func (f File) NameBelow(prefix string) string {
	return prefix + escape(f.Path) + "/@v/" + escape(f.Version.Version) + "." + f.Kind.String()
}

// ListName returns the name of a module's list of versions.
func ListName(path string) string { return escape(path) + "/@v/list" }

// QueryName returns the name of the answer to a query: "m/@latest" or "m/@v/master.info".
func QueryName(path, query string) string {
	if query == "latest" {
		return escape(path) + "/@latest"
	}
	return escape(path) + "/@v/" + escape(query) + ".info"
}

// escape is module.EscapePath and module.EscapeVersion for text that has been checked
// already: each upper-case letter becomes '!' and the lower-case one.
func escape(s string) string {
	upper := false
	for i := range len(s) {
		upper = upper || isUpper(s[i])
	}
	if !upper {
		return s
	}
	b := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		if c := s[i]; isUpper(c) {
			b = append(b, '!', c+'a'-'A')
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// MatchesAny reports whether path matches one of the comma-separated patterns, as
// GOPRIVATE does ("go help private"). Case is ignored, since a private name must not leave
// in any spelling.
func MatchesAny(patterns, path string) bool {
	return module.MatchPrefixPatterns(strings.ToLower(patterns), strings.ToLower(path))
}

// BadPattern returns the first of the patterns, with the syntax of GOPRIVATE, that can match nothing; "" where all are well.
func BadPattern(patterns string) string {
	for p := range strings.SplitSeq(patterns, ",") {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return cmp.Or(p, ",")
		}
	}
	return ""
}

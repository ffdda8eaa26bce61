package access

import (
	"path"
	"slices"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Groups that nobody has to be given.
const (
	Everyone  = "everyone"  // all with a credential
	Anonymous = "anonymous" // those without one too
)

// A Rule lets one group read some modules. What rules name may be read by those groups alone; a module that none names may be
// read by everybody who comes in.
type Rule struct {
	Group    string // a group, KIND:NAME of one identity, Everyone or Anonymous
	Patterns string // of module paths, with the syntax of GOPRIVATE
	Hide     bool   // whether a refusal says that there is no such module; a client asks its next proxy then, with the name
}

// grants reports whether the rule is about id.
func (r Rule) grants(id Identity) bool {
	switch r.Group {
	case Anonymous:
		return id.Kind != ""
	case Everyone:
		return slices.Contains(kinds, id.Kind)
	}
	if kind, name, ok := strings.Cut(r.Group, ":"); ok && slices.Contains(kinds, kind) {
		return id.Kind == kind && id.Name == name // never a group of that name, which an issuer may hand out
	}
	return slices.Contains(id.Groups, r.Group)
}

// covers reports whether the rule protects the module at p: its patterns match it or a path above it, in whatever case, or it is
// a path above them and nothing but wildcards stands between: corp.example for corp.example/*, which the go command asks
// for on the way to each module below.
func (r Rule) covers(p string) bool {
	if goproxy.MatchesAny(r.Patterns, p) {
		return true
	}
	for pattern := range strings.SplitSeq(r.Patterns, ",") {
		for {
			above, last := path.Split(strings.TrimSuffix(pattern, "/"))
			if above == "" || strings.Trim(last, "*") != "" {
				break
			}
			pattern = strings.TrimSuffix(above, "/")
			if strings.Trim(pattern, "*/") != "" && goproxy.MatchesAny(pattern, p) && strings.Count(pattern, "/") == strings.Count(p, "/") {
				return true
			}
		}
	}
	return false
}

package goproxy

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// A Route says where the modules that match a pattern come from.
type Route struct {
	Pattern   string // one, with the syntax of GOPRIVATE
	Upstreams []Upstream
	// Public says that the modules are public though no well-known public proxy is asked for them, or though a less
	// specific private pattern matches them.
	Public bool
}

// asksPublic reports whether the names of the route's modules are for everybody's ears.
func (r Route) asksPublic() bool {
	return r.Public || slices.ContainsFunc(r.Upstreams, func(u Upstream) bool { return u.Public })
}

// Rules say which modules are private, and which Route they take. A nil *Rules has no private module and no route.
type Rules struct {
	private []pattern // the most specific first
	routes  []routed  // likewise
	exact   bool
}

type routed struct {
	pattern
	Route
	index int
}

// A Rule is what holds for one module.
type Rule struct {
	Route   int    // the index of its Route among those of NewRules; -1 where none matches
	Pattern string // of that Route; "" where there is none
	Private string // the pattern by which the module is private; "" where it is public
	// Above says that the module matches no private pattern, but is what one begins with: git.corp.example of
	// git.corp.example/team. Clients look for modules there on their way to a private one.
	Above bool
}

// NewRules returns the rules of private patterns, with the syntax of GOPRIVATE, and routes. Of routes that are as specific
// as each other the first counts; see Ambiguous. What is malformed matches nothing, as in GOPRIVATE.
func NewRules(private string, routes []Route) *Rules {
	r := &Rules{}
	for p := range strings.SplitSeq(private, ",") {
		if p, ok := parsePattern(p); ok {
			r.private = append(r.private, p)
		}
	}
	for i, route := range routes {
		if p, ok := parsePattern(route.Pattern); ok {
			r.routes = append(r.routes, routed{p, route, i})
		}
	}
	slices.SortStableFunc(r.private, comparePatterns)
	slices.SortStableFunc(r.routes, func(a, b routed) int { return comparePatterns(a.pattern, b.pattern) })
	return r
}

// Exact returns rules by which no module is private that no pattern matches: none is Above. So the go command reads GONOPROXY.
func (r *Rules) Exact() *Rules {
	return &Rules{r.private, r.routes, true}
}

// Of returns what holds for a module, in whatever case its path is written.
//
// The most specific Route that matches counts. A module is private where its Route asks no public upstream, or where a private
// pattern matches it, unless its Route is Public and more specific than each such pattern. What is above a private
// pattern is private too where no Route matches it.
func (r *Rules) Of(modulePath string) Rule {
	rule := Rule{Route: -1}
	if r == nil {
		return rule
	}
	elems := strings.Split(strings.ToLower(modulePath), "/")
	var by *routed
	for i := range r.routes {
		if r.routes[i].matches(elems) {
			by = &r.routes[i]
			rule.Route, rule.Pattern = by.index, by.text
			break
		}
	}
	for _, p := range r.private {
		if !p.matches(elems) {
			continue
		}
		if by == nil || !by.Public || comparePatterns(p, by.pattern) <= 0 {
			rule.Private = p.text
		}
		break // others are less specific
	}
	switch {
	case rule.Private != "":
	case by == nil && !r.exact:
		rule.Private = r.above(elems)
		rule.Above = rule.Private != ""
	case by != nil && !by.asksPublic():
		rule.Private = by.text
	}
	return rule
}

// Private returns the pattern by which a module is private, "" where it is public.
func (r *Rules) Private(modulePath string) string { return r.Of(modulePath).Private }

// above returns a private pattern that begins with the given elements and has more.
func (r *Rules) above(elems []string) string {
	for _, p := range r.private {
		if p.isBelow(elems) {
			return p.text
		}
	}
	for _, p := range r.routes {
		if !p.asksPublic() && p.isBelow(elems) {
			return p.text
		}
	}
	return ""
}

// Ambiguous returns two patterns of which neither is more specific though both may match one module, and that do not go
// together: two routes, or a public route and a private pattern.
func Ambiguous(private string, routes []Route) (a, b string, found bool) {
	r := NewRules(private, routes)
	for i, x := range r.routes {
		for _, y := range r.routes[i+1:] {
			if comparePatterns(x.pattern, y.pattern) == 0 && x.overlaps(y.pattern) {
				return x.text, y.text, true
			}
		}
		for _, y := range r.private {
			if x.Public && comparePatterns(x.pattern, y) == 0 && x.overlaps(y) {
				return x.text, y.text, true
			}
		}
	}
	return "", "", false
}

// A pattern is one of GOPRIVATE: it matches a path whose first elements its own match.
type pattern struct {
	text  string
	elems []string // in lower case
}

func parsePattern(text string) (pattern, bool) {
	p := pattern{text, strings.Split(strings.ToLower(strings.TrimSuffix(text, "/")), "/")}
	return p, BadPattern(text) == ""
}

// matches reports whether the pattern matches a path, given as its elements in lower case.
func (p pattern) matches(elems []string) bool {
	return len(elems) >= len(p.elems) && p.begins(elems[:len(p.elems)])
}

// isBelow reports whether what the pattern matches may lie below a path. A host of which the pattern says nothing, as in */lib, is not meant.
func (p pattern) isBelow(elems []string) bool {
	return len(elems) < len(p.elems) && strings.Trim(p.elems[0], "*?") != "" && p.begins(elems)
}

// begins compares as many elements as there are.
func (p pattern) begins(elems []string) bool {
	for i, e := range elems {
		if ok, err := path.Match(p.elems[i], e); !ok || err != nil {
			return false
		}
	}
	return true
}

// comparePatterns puts the more specific one first: that with more elements; else with fewer elements that have wildcards; else
// whose first such element comes later; else with more characters that are none.
func comparePatterns(a, b pattern) int {
	return cmp.Or(
		cmp.Compare(len(b.elems), len(a.elems)),
		cmp.Compare(a.wild(), b.wild()),
		cmp.Compare(b.firstWild(), a.firstWild()),
		cmp.Compare(b.literals(), a.literals()),
	)
}

func isWild(elem string) bool { return strings.ContainsAny(elem, `*?[\`) }

func (p pattern) wild() (n int) {
	for _, e := range p.elems {
		if isWild(e) {
			n++
		}
	}
	return n
}

func (p pattern) firstWild() int { return slices.IndexFunc(p.elems, isWild) }

func (p pattern) literals() (n int) {
	for _, e := range p.elems {
		for _, t := range tokens(e) {
			if t.one != 0 {
				n++
			}
		}
	}
	return n
}

// overlaps reports whether two patterns of as many elements may match one path. A class of characters counts as all of them.
func (p pattern) overlaps(q pattern) bool {
	for i := range p.elems {
		if !meet(tokens(p.elems[i]), tokens(q.elems[i])) {
			return false
		}
	}
	return true
}

// A token is a part of a pattern's element: a character, any one (all zero), or any number of them.
type token struct {
	one  rune
	many bool
}

// tokens cuts an element of a well-formed pattern.
func tokens(elem string) (all []token) {
	runes := []rune(elem)
	for i := 0; i < len(runes); i++ {
		switch runes[i] {
		case '*':
			all = append(all, token{many: true})
		case '?':
			all = append(all, token{})
		case '[':
			for i++; i < len(runes) && runes[i] != ']'; i++ {
				if runes[i] == '\\' {
					i++
				}
			}
			all = append(all, token{})
		case '\\':
			i++
			fallthrough
		default:
			if i < len(runes) {
				all = append(all, token{one: runes[i]})
			}
		}
	}
	return all
}

// meet reports whether some text matches both.
func meet(a, b []token) bool {
	rest := make([][]bool, len(a)+1) // rest[i][j]: what follows in both may match the same
	for i := len(a); i >= 0; i-- {
		rest[i] = make([]bool, len(b)+1)
		for j := len(b); j >= 0; j-- {
			inA, inB := i < len(a), j < len(b)
			switch {
			case !inA && !inB:
				rest[i][j] = true
			case inA && a[i].many:
				rest[i][j] = rest[i+1][j] || inB && rest[i][j+1]
			case inB && b[j].many:
				rest[i][j] = rest[i][j+1] || inA && rest[i+1][j]
			case inA && inB && (a[i].one == 0 || b[j].one == 0 || a[i].one == b[j].one):
				rest[i][j] = rest[i+1][j+1]
			}
		}
	}
	return rest[0][0]
}

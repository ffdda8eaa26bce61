package goproxy

import (
	"path"
	"slices"
	"strings"
	"testing"
)

func list(t *testing.T, text string) []Upstream {
	t.Helper()
	ups, err := ParseUpstreams(text)
	if err != nil {
		t.Fatal(err)
	}
	return ups
}

func TestRules(t *testing.T) {
	r := NewRules("corp.example,github.com/our/*,[bad,,*.inner.example/team/x,*/hidden", []Route{
		{Pattern: "git.corp.example/*", Upstreams: list(t, "direct")},
		{Pattern: "*.open.example", Upstreams: list(t, "https://proxy.golang.org,direct")},
		{Pattern: "corp.example/oss", Upstreams: list(t, "default"), Public: true},
		{Pattern: "github.com", Upstreams: list(t, "https://mirror.example"), Public: true},
		{Pattern: "github.com/our/secret/", Upstreams: list(t, "https://a.example")},
		{Pattern: "closed.org", Upstreams: list(t, "off")},
		{Pattern: "deep.org/a/b", Upstreams: list(t, "https://a.example,direct")},
	})
	for _, test := range []struct {
		path  string
		route int
		by    string // the private pattern
		above bool
	}{
		{"golang.org/x/text", -1, "", false},
		{"corp.example", -1, "corp.example", false},
		{"Corp.Example/Lib", -1, "corp.example", false},
		{"corp.example/oss", 2, "", false},
		{"corp.example/OSS/v2", 2, "", false},
		{"corp.example/ossify", -1, "corp.example", false},
		{"x.open.example/y", 1, "", false},
		{"git.corp.example/lib", 0, "git.corp.example/*", false},
		{"GIT.CORP.EXAMPLE/lib/v2", 0, "git.corp.example/*", false},
		{"git.corp.example", -1, "git.corp.example/*", true},
		{"Git.corp.example", -1, "git.corp.example/*", true},
		{"github.com/pkg/errors", 3, "", false},
		{"github.com/our", 3, "", false},                          // a route names it
		{"github.com/our/lib", 3, "github.com/our/*", false},      // more specific than the public route
		{"github.com/our/secret/x", 4, "github.com/our/*", false}, // by both
		{"closed.org/x", 5, "closed.org", false},                  // nobody hears of it
		{"deep.org/a", -1, "deep.org/a/b", true},
		{"deep.org/c", -1, "", false},
		{"a.inner.example", -1, "*.inner.example/team/x", true},
		{"A.Inner.example/Team", -1, "*.inner.example/team/x", true},
		{"a.inner.example/other", -1, "", false},
		{"a.inner.example/team/x/v2", -1, "*.inner.example/team/x", false},
		{"any.example/hidden", -1, "*/hidden", false},
		{"any.example", -1, "", false}, // else every host would be above
	} {
		got := r.Of(test.path)
		if got.Route != test.route || got.Private != test.by || got.Above != test.above {
			t.Errorf("%s: got %+v, want route %d, private by %q, above %t", test.path, got, test.route, test.by, test.above)
		}
		if exact := r.Exact().Of(test.path); test.above && exact.Private != "" || !test.above && exact != got {
			t.Errorf("%s: exactly %+v", test.path, exact)
		}
	}
	if got := (*Rules)(nil).Of("corp.example"); got.Private != "" || got.Route != -1 {
		t.Errorf("no rules: %+v", got)
	}
}

// A private name is so in every spelling that a request can have.
func TestRulesHoldForEveryEscape(t *testing.T) {
	r := NewRules("git.corp.example/team", []Route{{Pattern: "src.corp.example/*", Upstreams: list(t, "direct")}})
	for p, private := range map[string]bool{
		"git.corp.example/team/x": true, "git.corp.example/!team/x": true, "git.corp.example/!t!e!a!m": true, "git.corp.example/team": true, "git.corp.example": true,
		"git.corp.example/team/!x": true, "src.corp.example": true, "src.corp.example/!a/b/c": true, "src.corp.example/a": true,
		"git.corp.example/team.git": false, "git.corp.example/teams": false, "git.corp.example.org/team": false, "corp.example": false,
	} {
		for _, last := range []string{"/@v/list", "/@latest", "/@v/v1.0.0.info", "/@v/v1.0.0.zip", "/@v/main.info"} {
			request, err := Parse(p + last)
			if err != nil || (r.Private(request.Path) != "") != private {
				t.Errorf("%s: private by %q, %v; want %t", p+last, r.Private(request.Path), err, private)
			}
		}
	}
	for _, p := range []string{
		"!git.corp.example/team/x", "!g!i!t.!c!o!r!p.example/!team/x", "!git.corp.example", "git.corp.example./team/x", "git.corp.example:443/team",
		"git.corp.example//team", "./git.corp.example/team", "x/../git.corp.example/team", "GIT.corp.example/team", "git.corp.example/Team", "git.corp.example/team/",
	} {
		if request, err := Parse(p + "/@v/list"); err == nil {
			t.Errorf("%s is taken for %s", p, request.Path)
		}
	}
}

// Each pattern is more specific than the next one, in whatever order they come.
func TestMostSpecific(t *testing.T) {
	order := []string{
		"*/*/*/*", "a.example/b/c", "a.example/b/*", "a.example/*/c", "*.example/b/c", "a.example/*/*", "*/*/c", "a.example/b", "a.example/lib*", "a.example/l*", "a.example/*",
		"*.corp.example/b", "*.example/b", "*/b", "*.example/*", "a.example", "*.corp.example", "*.example", "?[a-z]*.le", "*",
	}
	var sorted []string
	for _, text := range order {
		p, ok := parsePattern(text)
		if !ok {
			t.Fatalf("%q is no pattern", text)
		}
		at, _ := slices.BinarySearchFunc(sorted, p, func(have string, p pattern) int {
			q, _ := parsePattern(have)
			return comparePatterns(q, p)
		})
		sorted = slices.Insert(sorted, at, text)
	}
	if !slices.Equal(sorted, order) {
		t.Errorf("got %q\nwant %q", sorted, order)
	}
}

func TestAmbiguous(t *testing.T) {
	for _, test := range []struct {
		private string
		routes  string // a + makes one public
		want    string
	}{
		{"", "a.example b.example", ""},
		{"", "a.example A.example/", "a.example A.example/"},
		{"", "*.a.example *.b.example", ""},
		{"", "a*.example *b.example", "a*.example *b.example"},
		{"", "a*.example b*.example", ""},
		{"", "a.example/* */b", ""}, // the first has its wildcard later
		{"", "x?.example x[a-c].example", "x?.example x[a-c].example"},
		{"a.example", "a.example", ""},
		{"a.example", "+a.example", "a.example a.example"},
		{"a.example/x", "+a.example", ""},
	} {
		var routes []Route
		for _, p := range strings.Fields(test.routes) {
			public := strings.HasPrefix(p, "+")
			routes = append(routes, Route{Pattern: strings.TrimPrefix(p, "+"), Public: public})
		}
		a, b, found := Ambiguous(test.private, routes)
		if got := strings.TrimSpace(a + " " + b); got != test.want || found != (test.want != "") {
			t.Errorf("%q, %q: got %q, want %q", test.private, test.routes, got, test.want)
		}
	}
}

// What matches both of two patterns shows that they overlap.
func FuzzOverlap(f *testing.F) {
	for _, s := range [][3]string{{"a*", "*b", "ab"}, {"a?c", "a[b]c", "abc"}, {"*a*", "b*", "ba"}, {`a\*`, "a*", "a*"}, {"**", "?", "x"}, {"", "*", ""}, {"[^a]b", "?b", "cb"}} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, a, b, text string) {
		okA, errA := path.Match(a, text)
		okB, errB := path.Match(b, text)
		if errA != nil || errB != nil || strings.Contains(a+b+text, "/") || !okA || !okB {
			return
		}
		if !meet(tokens(a), tokens(b)) || !meet(tokens(b), tokens(a)) {
			t.Errorf("%q and %q both match %q, and are said not to overlap", a, b, text)
		}
	})
}

package goproxy

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/module"
)

func file(path, version string, kind Kind) Request {
	return Request{Op: OpFile, Path: path, File: File{module.Version{Path: path, Version: version}, kind}}
}

func query(path, rev string) Request { return Request{Op: OpQuery, Path: path, Query: rev} }

// TestParse: the requests of https://go.dev/ref/mod#goproxy-protocol, and what real clients ask.
func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		want Request
	}{
		{"example.com/m/@v/list", Request{Op: OpList, Path: "example.com/m"}},
		{"example.com/m/@latest", Request{Op: OpLatest, Path: "example.com/m", Query: "latest"}},
		{"example.com/m/@v/v1.2.3.info", file("example.com/m", "v1.2.3", Info)},
		{"example.com/m/@v/v1.2.3.mod", file("example.com/m", "v1.2.3", Mod)},
		{"example.com/m/@v/v1.2.3.zip", file("example.com/m", "v1.2.3", Zip)},
		// Capitals are escaped, in paths and in versions.
		{"github.com/!burnt!sushi/toml/@v/v1.4.0.zip", file("github.com/BurntSushi/toml", "v1.4.0", Zip)},
		{"rsc.io/!q!u!o!t!e/@v/v1.5.3-!p!r!e.mod", file("rsc.io/QUOTE", "v1.5.3-PRE", Mod)},
		{"github.com/!sirupsen/logrus/@v/list", Request{Op: OpList, Path: "github.com/Sirupsen/logrus"}},
		// Paths of all kinds.
		{"gotest.tools/@v/v2.2.0+incompatible.info", file("gotest.tools", "v2.2.0+incompatible", Info)},
		{"gotest.tools/v3/@v/v3.5.1.mod", file("gotest.tools/v3", "v3.5.1", Mod)},
		{"gonum.org/v1/gonum/@v/v0.15.0.zip", file("gonum.org/v1/gonum", "v0.15.0", Zip)},
		{"git.sr.ht/~sbinet/gg/@v/v0.5.0.zip", file("git.sr.ht/~sbinet/gg", "v0.5.0", Zip)},
		{"gopkg.in/yaml.v3/@v/v3.0.1.mod", file("gopkg.in/yaml.v3", "v3.0.1", Mod)},
		{"gopkg.in/check.v1/@v/v0.0.0-20161208181325-20d25e280405.zip", file("gopkg.in/check.v1", "v0.0.0-20161208181325-20d25e280405", Zip)},
		{"gopkg.in/foo.v2-unstable/@v/v2.0.0.mod", file("gopkg.in/foo.v2-unstable", "v2.0.0", Mod)},
		{"golang.org/toolchain/@v/v0.0.1-go1.21.0.linux-amd64.zip", file("golang.org/toolchain", "v0.0.1-go1.21.0.linux-amd64", Zip)},
		{"golang.org/x/text/@v/v0.0.0-00010101000000-000000000000.info", file("golang.org/x/text", "v0.0.0-00010101000000-000000000000", Info)},
		{"v/@v/list", Request{}},
		// Revisions: whatever is not canonical or does not fit the path.
		{"golang.org/x/text/@v/master.info", query("golang.org/x/text", "master")},
		{"golang.org/x/text/@v/1cbadb444a80.info", query("golang.org/x/text", "1cbadb444a80")},
		{"example.com/m/@v/v1.info", query("example.com/m", "v1")},
		{"example.com/m/@v/v1.2.info", query("example.com/m", "v1.2")},
		{"example.com/m/@v/v1.2.3+meta.info", query("example.com/m", "v1.2.3+meta")},
		{"example.com/m/@v/v2.0.0.info", query("example.com/m", "v2.0.0")},
		{"example.com/m/v2/@v/v1.0.0.info", query("example.com/m/v2", "v1.0.0")},
		{"example.com/m/@v/!main.info", query("example.com/m", "Main")},
		{"example.com/m/@v/latest.info", query("example.com/m", "latest")},
		{"example.com/m/@v/v1.2.3.info.info", query("example.com/m", "v1.2.3.info")},
		{"example.com/m/@v/list.info", query("example.com/m", "list")},
		// Not requests at all.
		{"", Request{}},
		{"@latest", Request{}},
		{"/@latest", Request{}},
		{"/@v/list", Request{}},
		{"example.com/m", Request{}},
		{"example.com/m/", Request{}},
		{"example.com/m/@v", Request{}},
		{"example.com/m/@v/", Request{}},
		{"example.com/m/@v/list/", Request{}},
		{"example.com/m/@v/lists", Request{}},
		{"example.com/m/@v/v1.2.3", Request{}},
		{"example.com/m/@v/.info", Request{}},
		{"example.com/m/@v/v1.2.3.ziphash", Request{}},
		{"example.com/m/@v/v1.2.3.lock", Request{}},
		{"example.com/m/@v/v1.2.3.INFO", Request{}},
		{"example.com/m/@latest/", Request{}},
		{"example.com/m/@v/@latest", Request{}},
		{"example.com/m/@v/x/@v/list", Request{}},
		{"/example.com/m/@v/list", Request{}},
		{"example.com//m/@v/list", Request{}},
		{"example.com/m//@v/list", Request{}},
		// A .mod or .zip needs a version that never changes.
		{"example.com/m/@v/master.mod", Request{}},
		{"example.com/m/@v/master.zip", Request{}},
		{"example.com/m/@v/v2.0.0.zip", Request{}},
		{"example.com/m/@v/v1.2.zip", Request{}},
		{"example.com/m/@v/v1.2.3+meta.mod", Request{}},
		{"example.com/m/@v/v01.2.3.zip", Request{}},
		// Paths that no module can have.
		{"github.com/BurntSushi/toml/@v/list", Request{}},
		{"github.com/!Burnt/toml/@v/list", Request{}},
		{"github.com/burnt!/toml/@v/list", Request{}},
		{"github.com/!!burnt/toml/@v/list", Request{}},
		{"-h/@v/list", Request{}},
		{"--/@v/list", Request{}},
		{"-toolexec=x/@v/list", Request{}},
		{"example.com/-x/../m/@v/list", Request{}},
		{"../../etc/passwd/@v/list", Request{}},
		{"example.com/../m/@v/list", Request{}},
		{"example.com/./m/@v/list", Request{}},
		{"example.com/.m/@v/list", Request{}},
		{"example.com/m./@v/list", Request{}},
		{"example.com/con/@v/list", Request{}},
		{"example.com/aux.x/@v/list", Request{}},
		{"example.com/m~1/@v/list", Request{}},
		{"example.com/m/v1/@v/list", Request{}},
		{"example.com/m/v02/@v/list", Request{}},
		{"example.com/m/v2.0/@v/list", Request{}},
		{"gopkg.in/yaml/@v/list", Request{}},
		{"example.com/m\x00/@v/list", Request{}},
		{"example.com/m\n/@v/list", Request{}},
		{"example.com/m%2e/@v/list", Request{}},
		{"example.com/m%2f..%2f/@v/list", Request{}},
		{`example.com\m/@v/list`, Request{}},
		{"example.com/é/@v/list", Request{}},
		{"example.com/m?x/@v/list", Request{}},
		{"example.com/\xff/@v/list", Request{}},
		{"noDot/m/@v/list", Request{}},
		// Versions that could leave a directory or be an option.
		{"example.com/m/@v/../list.info", Request{}},
		{"example.com/m/@v/..info", Request{}},
		{"example.com/m/@v/a/b.info", Request{}},
		{"example.com/m/@v/v1.0.0/../x.info", Request{}},
		{"example.com/m/@v/a\\b.info", Request{}},
		{"example.com/m/@v/a\x00.info", Request{}},
		{"example.com/m/@v/Master.info", Request{}},
		{"example.com/m/@v/a:b.info", Request{}},
		{"example.com/m/@v/a*.info", Request{}},
		{"example.com/m/@v/" + strings.Repeat("a", maxPath) + ".info", Request{}},
	}
	for _, test := range tests {
		got, err := Parse(test.in)
		if test.want == (Request{}) {
			wantNotFound(t, test.in, err)
			continue
		}
		if err != nil {
			t.Errorf("Parse(%q): %v", test.in, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("Parse(%q): (-want +got)\n%s", test.in, diff)
		}
	}
}

// wantNotFound checks that a path is refused as absence with a reason: a 400 would stop a client's list of proxies.
func wantNotFound(t *testing.T, in string, err error) {
	t.Helper()
	var nf *NotFound
	if !errors.As(err, &nf) || nf.Status != http.StatusNotFound || nf.From != "" {
		t.Errorf("Parse(%.60q) = %v, want a *NotFound with status 404 of our own", in, err)
		return
	}
	if !strings.HasPrefix(nf.Body, "not found: ") || nf.Error() != nf.Body {
		t.Errorf("Parse(%.60q): the reason is %q", in, nf.Body)
	}
}

// request returns the path of a request, by the Name functions.
func request(r Request) string {
	switch r.Op {
	case OpList:
		return ListName(r.Path)
	case OpFile:
		return r.File.Name()
	}
	return QueryName(r.Path, r.Query)
}

// FuzzParse: what is parsed has one name, which is parsed to the same, and whose parts are harmless.
func FuzzParse(f *testing.F) {
	for _, p := range []string{"example.com/m/@v/list", "github.com/!burnt!sushi/toml/@v/v1.4.0.info", "m.test/@latest",
		"example.com/m/@v/master.info", "example.com/m/@v/latest.info", "../x/@v/list", "a.b/@v/-x.info", "gopkg.in/yaml.v3/@v/v3.0.0+incompatible.zip"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		r, err := Parse(p)
		if err != nil {
			wantNotFound(t, p, err)
			return
		}
		if err := module.CheckPath(r.Path); err != nil {
			t.Errorf("Parse(%q): path %q: %v", p, r.Path, err)
		}
		name := request(r)
		if name != p && !(r.Op == OpQuery && r.Query == "latest") { // two ways to ask for the latest
			t.Errorf("Parse(%q) is called %q", p, name)
		}
		for elem := range strings.SplitSeq(name, "/") {
			if elem == "" || elem == "." || elem == ".." || strings.ContainsAny(elem, "\x00\\:") {
				t.Errorf("Parse(%q): the name %q has the element %q", p, name, elem)
			}
		}
		if strings.HasPrefix(name, "-") || strings.ContainsAny(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			t.Errorf("Parse(%q): the name %q could be an option, or two files on a disk without capitals", p, name)
		}
		again, err := Parse(name)
		if r.Query == "latest" {
			r.Op = OpLatest
		}
		if err != nil || again != r {
			t.Errorf("Parse(%q) = %+v, %v; Parse(%q) = %+v", name, again, err, p, r)
		}
	})
}

// FuzzName: a checked path and version come back from the name made of them, which is the one of x/mod/module.
func FuzzName(f *testing.F) {
	f.Add("github.com/BurntSushi/toml", "v1.4.0", byte(2))
	f.Add("gotest.tools", "v2.2.0+incompatible", byte(1))
	f.Add("example.com/m", "Master", byte(0))
	f.Fuzz(func(t *testing.T, path, version string, k byte) {
		kind := Kind(k % 3)
		escapedPath, err := module.EscapePath(path)
		if err != nil {
			return
		}
		if got, err := Parse(ListName(path)); err != nil || got != (Request{Op: OpList, Path: path}) {
			t.Errorf("list of %q: %+v, %v", path, got, err)
		}
		escapedVersion, err := module.EscapeVersion(version)
		if err != nil || len(path)+len(version) > maxPath/2 {
			return
		}
		name := File{module.Version{Path: path, Version: version}, kind}.Name()
		if want := escapedPath + "/@v/" + escapedVersion + "." + kind.String(); name != want {
			t.Errorf("%s@%s is called %q, want %q", path, version, name, want)
		}
		got, err := Parse(name)
		switch {
		case Fits(path, version):
			if err != nil || got != file(path, version, kind) {
				t.Errorf("Parse(%q) = %+v, %v", name, got, err)
			}
		case kind == Info:
			if err != nil || got.Op != OpQuery || got.Query != version || got.Path != path {
				t.Errorf("Parse(%q) = %+v, %v", name, got, err)
			}
		default:
			wantNotFound(t, name, err)
		}
	})
}

func TestFits(t *testing.T) {
	tests := []struct {
		path, version string
		want          bool
	}{
		{"example.com/m", "v0.0.0", true},
		{"example.com/m", "v1.2.3-pre.1", true},
		{"example.com/m", "v2.0.0+incompatible", true},
		{"example.com/m", "v2.0.0", false},
		{"example.com/m/v2", "v2.0.0", true},
		{"example.com/m/v2", "v3.0.0", false},
		{"example.com/m/v2", "v0.0.0-20200101000000-000000000000", false},
		{"example.com/m", "v1.2.3+meta", false},
		{"example.com/m", "v1.2", false},
		{"example.com/m", "1.2.3", false},
		{"example.com/m", "", false},
		{"example.com/m", "+incompatible", false},
		{"example.com/m", "latest", false},
		{"", "v1.0.0", false},
		{"gopkg.in/yaml.v2", "v2.1.0", true},
		{"gopkg.in/yaml.v2", "v3.0.0", false},
		{"gopkg.in/check.v1", "v0.0.0-20161208181325-20d25e280405", true},
	}
	for _, test := range tests {
		if got := Fits(test.path, test.version); got != test.want {
			t.Errorf("Fits(%q, %q) = %v", test.path, test.version, got)
		}
	}
}

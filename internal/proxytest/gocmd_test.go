package proxytest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/module"
)

// modGo is Go in a new empty module, which must succeed.
func modGo(t *testing.T, env []string, args ...string) string {
	t.Helper()
	dir := GoModule(t, "go.mod", "module example.test/main\n\ngo 1.21\n")
	out, stderr, err := Go(t, dir, env, args...)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr)
	}
	return out
}

// TestGoDownloadsEveryFixture has each version's hashes checked against the database,
// so that .info, .mod and .zip are known to be what the go command wants.
func TestGoDownloadsEveryFixture(t *testing.T) {
	for _, via := range []string{"proxy", "direct"} {
		t.Run(via, func(t *testing.T) {
			db := NewSumDB(t, "sum.example.com/db")
			u := New(t, WithSumDB(db))
			spec, asked := db.Key, u.Server
			if via == "direct" {
				spec, asked = db.Spec(), db.Server
			}
			args := []string{"mod", "download", "-json"}
			want := map[string]bool{}
			for _, m := range Fixtures(t) {
				if m.Path == "example.com/future" {
					continue // below
				}
				args = append(args, m.Path+"@"+m.Version)
				want[m.Path+"@"+m.Version] = true
			}
			out := modGo(t, GoEnv(t, u.URL, spec), args...)
			for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
				var got struct{ Path, Version, Sum, GoModSum string }
				if err := dec.Decode(&got); err != nil {
					t.Fatal(err)
				}
				checkSums(t, got.Path, got.Version, got.Sum, got.GoModSum)
				delete(want, got.Path+"@"+got.Version)
			}
			if len(want) > 0 {
				t.Errorf("not downloaded: %v", want)
			}
			if asked.Requests("*lookup/*") == 0 {
				t.Error("the checksum database was not asked")
			}
		})
	}
}

func checkSums(t *testing.T, path, version, sum, modSum string) {
	t.Helper()
	lines, err := Fixture(t, path, version).GoSum()
	if err != nil {
		t.Fatal(err)
	}
	m := module.Version{Path: path, Version: version}
	want := path + " " + version + " " + sum + "\n" + path + " " + version + "/go.mod " + modSum + "\n"
	if diff := cmp.Diff(string(lines), want); diff != "" {
		t.Errorf("%v: GoSum and the go command differ:\n%s", m, diff)
	}
}

func TestGoTellsFutureGo(t *testing.T) {
	u := New(t)
	_, stderr, err := Go(t, GoModule(t), GoEnv(t, u.URL, "off"), "mod", "download", "example.com/future@v1.0.0")
	if err == nil || !strings.Contains(stderr, "requires go >= 1.999") {
		t.Errorf("got %v, %s", err, stderr)
	}
}

func TestGoLists(t *testing.T) {
	u := New(t)
	pseudo := New(t, ListPseudo(), NoLatest(), SpacedInfo(), Gzip(), Chunked(), NoETag(), RedirectZips(), Forbid())
	tests := []struct{ args, want string }{
		{"-versions example.com/plain", "example.com/plain v1.0.0 v1.1.0 v1.2.0 v1.3.0-rc.1\n"},
		{"-versions example.com/Upper", "example.com/Upper v1.0.0\n"},
		{"-versions example.com/incompat", "example.com/incompat v1.0.0 v2.0.0+incompatible\n"},
		{"-versions example.com/untagged", "example.com/untagged\n"},
		{"-versions example.com/retracted", "example.com/retracted v1.0.0\n"},
		{"-versions -retracted example.com/retracted", "example.com/retracted v1.0.0 v1.0.1 v1.0.2\n"},
		{"example.com/plain@latest", "example.com/plain v1.2.0\n"},
		{"example.com/plain@v1.0", "example.com/plain v1.0.0\n"},
		{"example.com/plain@main", "example.com/plain v1.2.1-0.20240301120000-0123456789ab\n"},
		{"example.com/plain@Feature", "example.com/plain v1.2.1-0.20240401120000-abcdefabcdef\n"},
		{"example.com/pre@latest", "example.com/pre v0.1.0-beta.1\n"},
		{"example.com/major/v2@latest", "example.com/major/v2 v2.1.0\n"},
		{"example.com/untagged@latest", "example.com/untagged v0.0.0-20240201000000-000000000002\n"},
		{"example.com/retracted@latest", "example.com/retracted v1.0.0\n"},
		{"example.com/parent/nested@latest", "example.com/parent/nested v0.5.0\n"},
		{"example.com/unlisted@v1.0.0", "example.com/unlisted v1.0.0\n"},
		{"-f {{.Deprecated}} -u example.com/deprecated@v1.0.0", "use example.com/plain.\n"},
		{"-f {{.Origin.URL}} example.com/oddinfo@v1.0.0", "https://example.com/oddinfo\n"},
		{"-f {{.Time}} example.com/oddinfo@v1.0.0", "2023-05-06 07:08:09 +0200 +0200\n"},
		{"-f {{.Version}} toolchain@go1.99.0", "go1.99.0\n"},
	}
	for name, u := range map[string]*Upstream{"tidy": u, "odd": pseudo} {
		env := GoEnv(t, u.URL, "off")
		for _, test := range tests {
			t.Run(name+"/"+test.args, func(t *testing.T) {
				args := append([]string{"list", "-m"}, strings.Fields(test.args)...)
				if got := modGo(t, env, args...); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		}
	}
}

func TestGoGraph(t *testing.T) {
	u := New(t)
	dir := GoModule(t, "go.mod", "module example.test/main\n\ngo 1.21\n\nrequire example.com/graph/a v1.0.0\n")
	out, stderr, err := Go(t, dir, GoEnv(t, u.URL, "off"), "mod", "graph")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	for _, edge := range []string{
		"example.test/main example.com/graph/a@v1.0.0\n",
		"example.com/graph/a@v1.0.0 example.com/graph/c@v1.1.0\n",
		"example.com/graph/b@v1.0.0 example.com/graph/c@v1.0.0\n",
	} {
		if !strings.Contains(out, edge) {
			t.Errorf("the graph lacks %q:\n%s", edge, out)
		}
	}
	if n := u.Requests("*.zip"); n != 0 {
		t.Errorf("%d zips were asked for", n)
	}
}

func TestGoRunsCommand(t *testing.T) {
	db := NewSumDB(t, "sum.example.com")
	u := New(t, WithSumDB(db), RedirectZips())
	_, stderr, err := Go(t, GoModule(t), GoEnv(t, u.URL, db.Key), "run", "example.com/hello@v1.0.0")
	if err != nil || stderr != "hello v1.1.0\n" && !strings.HasSuffix(stderr, "\nhello v1.1.0\n") {
		t.Errorf("got %v, %q", err, stderr)
	}
	if got := u.Storage.Requests("*.zip"); got != 2 {
		t.Errorf("%d zips came from the storage, want 2", got)
	}
}

func TestGoSwitchesToolchain(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the fixture is for linux-amd64")
	}
	db := NewSumDB(t, "sum.example.com")
	u := New(t, WithSumDB(db))
	env := append(GoEnv(t, u.URL, db.Key), "GOTOOLCHAIN=go1.99.0")
	if got, want := modGo(t, env, "version"), "go version go1.99.0 linux/amd64\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGoOverTLS(t *testing.T) {
	for name, opt := range map[string]Option{"HTTP/2.0": TLS(), "HTTP/1.1": TLS1()} {
		t.Run(name, func(t *testing.T) {
			u := New(t, opt)
			env := append(GoEnv(t, u.URL, "off"), "SSL_CERT_FILE="+u.CertFile())
			modGo(t, env, "mod", "download", "example.com/plain@v1.0.0")
			for _, r := range u.Log() {
				if r.Proto != name {
					t.Errorf("%s by %s", r.Name, r.Proto)
				}
			}
			if len(u.Log()) == 0 {
				t.Error("no request came")
			}
		})
	}
}

func TestGoRefusesWrongZip(t *testing.T) {
	db := NewSumDB(t, "sum.example.com")
	other := Module{Path: "example.com/plain", Version: "v1.0.0", Files: map[string]string{
		"go.mod": Fixture(t, "example.com/plain", "v1.0.0").Mod, "plain.go": "package plain // changed\n",
	}}
	u := New(t, Modules(other), WithSumDB(db))
	_, stderr, err := Go(t, GoModule(t), GoEnv(t, u.URL, db.Key), "mod", "download", "example.com/plain@v1.0.0")
	if err == nil || !strings.Contains(stderr, "SECURITY ERROR") {
		t.Errorf("got %v, %s", err, stderr)
	}
}

func TestGoSeesFork(t *testing.T) {
	one := NewSumDB(t, "sum.example.com")
	two := NewSumDB(t, "sum.example.com", Module{Path: "aaa.example.com/first", Version: "v1.0.0"})
	if one.Key != two.Key {
		t.Fatalf("two databases of one name have keys %s and %s", one.Key, two.Key)
	}
	env := GoEnv(t, New(t, WithSumDB(one)).URL, one.Key)
	modGo(t, env, "mod", "download", "example.com/plain@v1.0.0")
	env = append(env, "GOPROXY="+New(t, WithSumDB(two)).URL)
	_, stderr, err := Go(t, GoModule(t), env, "mod", "download", "example.com/plain@v1.1.0")
	if err == nil || !strings.Contains(stderr, "SECURITY ERROR") {
		t.Errorf("got %v, %s", err, stderr)
	}
}

func TestGoEnvKeepsToItself(t *testing.T) {
	u := New(t)
	env := GoEnv(t, u.URL, "off")
	cache := strings.TrimSpace(modGo(t, env, "env", "GOMODCACHE"))
	if _, err := os.Stat(filepath.Join(cache, "cache")); err == nil {
		t.Error("the module cache is not new")
	}
	_, stderr, err := Go(t, GoModule(t), append(env, "GOPROXY=https://proxy.golang.org"), "mod", "download", "example.com/plain@v1.0.0")
	if err == nil || !strings.Contains(stderr, "127.0.0.1:1") {
		t.Errorf("an address that is not on loopback: got %v, %s", err, stderr)
	}
}

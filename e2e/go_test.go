package e2e_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// odd are the oddities that real upstreams were seen to have.
func odd() []proxytest.Option {
	return []proxytest.Option{
		proxytest.ListPseudo(), proxytest.NoLatest(), proxytest.SpacedInfo(), proxytest.Gzip(), proxytest.Chunked(), proxytest.NoETag(),
		proxytest.RedirectZips(), proxytest.Forbid(),
	}
}

// verified starts a server with a checksum database that is asked through the upstream's copy, and returns the
// environment of a go command that reaches that server and nothing else.
func verified(t *testing.T, opts ...proxytest.Option) (*haven, *proxytest.Upstream, *proxytest.SumDB, []string) {
	t.Helper()
	db := proxytest.NewSumDB(t, "sum.example.com/db")
	u := proxytest.New(t, append(opts, proxytest.WithSumDB(db))...)
	hv := serve(t, u.URL, "--sumdb", db.Key)
	return hv, u, db, proxytest.GoEnv(t, hv.URL, db.Key)
}

// downloads are the arguments that download every fixture but the one that needs a newer Go.
func downloads(t *testing.T) []string {
	args := []string{"mod", "download", "-json"}
	for _, m := range proxytest.Fixtures(t) {
		if m.Path != "example.com/future" {
			args = append(args, m.Path+"@"+m.Version)
		}
	}
	return args
}

// checkDownloads compares the hashes that the go command found with those of the fixtures.
func checkDownloads(t *testing.T, out string) {
	t.Helper()
	n := 0
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); n++ {
		var got struct{ Path, Version, Sum, GoModSum, Error string }
		if err := dec.Decode(&got); err != nil {
			t.Fatal(err)
		}
		want, err := proxytest.Fixture(t, got.Path, got.Version).GoSum()
		if err != nil {
			t.Fatal(err)
		}
		have := fmt.Sprintf("%[1]s %[2]s %[3]s\n%[1]s %[2]s/go.mod %[4]s\n", got.Path, got.Version, got.Sum, got.GoModSum)
		if got.Error != "" || have != string(want) {
			t.Errorf("got %s%s, want %s", have, got.Error, want)
		}
	}
	if want := len(downloads(t)) - 3; n != want {
		t.Errorf("%d modules were downloaded, want %d", n, want)
	}
}

// TestDownload has the go command download every fixture through the server and verify it with the checksum database, which
// it reaches through the server alone; then a second time, by a go command that knows nothing, while the upstream is gone.
func TestDownload(t *testing.T) {
	for name, opts := range map[string][]proxytest.Option{"tidy": nil, "odd": odd()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hv, u, db, env := verified(t, opts...)
			checkDownloads(t, goOK(t, env, downloads(t)...))
			if u.Requests("sumdb/*/lookup/*") == 0 || u.Requests("sumdb/*/supported") != 0 {
				t.Errorf("%d lookups and %d questions for support went upstream", u.Requests("sumdb/*/lookup/*"), u.Requests("sumdb/*/supported"))
			}
			for _, r := range u.Log() {
				if strings.HasSuffix(r.Name, ".zip") && u.Requests(r.Name) != 1 {
					t.Errorf("%s was asked for %d times", r.Name, u.Requests(r.Name))
				}
			}
			u.Refuse()
			checkDownloads(t, goOK(t, proxytest.GoEnv(t, hv.URL, db.Key), downloads(t)...))
		})
	}
}

// TestBuild has the go command build and run programs whose requirements come through the server.
func TestBuild(t *testing.T) {
	t.Parallel()
	_, _, _, env := verified(t)
	_, stderr, err := goIn(t, env, "run", "example.com/hello@v1.0.0")
	if err != nil || !strings.HasSuffix("\n"+stderr, "\nhello v1.1.0\n") {
		t.Errorf("go run: got %v, %q", err, stderr)
	}
	dir := proxytest.GoModule(t,
		"go.mod", "module example.test/main\n\ngo 1.21\n",
		"main.go", "package main\n\nimport _ \"example.com/plain\"\n\nfunc main() { println(\"built\") }\n",
	)
	for _, args := range [][]string{{"get", "example.com/plain@latest"}, {"mod", "tidy"}, {"mod", "verify"}, {"build", "./..."}} {
		if out, stderr, err := proxytest.Go(t, dir, env, args...); err != nil {
			t.Fatalf("go %q: %v\n%s%s", args, err, out, stderr)
		}
	}
	if _, stderr, err := proxytest.Go(t, dir, env, "run", "."); err != nil || stderr != "built\n" {
		t.Errorf("go run: got %v, %q", err, stderr)
	}
}

// TestSameAsDirect runs commands straight against the upstream and through the server, cold and warm: what the go command
// prints is the same, as is whether it succeeds.
func TestSameAsDirect(t *testing.T) {
	commands := []string{
		"-versions example.com/plain", "-versions example.com/Upper", "-versions example.com/incompat", "-versions example.com/untagged",
		"-versions example.com/retracted", "-versions -retracted example.com/retracted", "-versions example.com/none", "-versions single.test",
		"example.com/plain@latest", "example.com/plain@v1.0", "example.com/plain@main", "example.com/plain@Feature", "example.com/plain@<v1.2.0",
		"example.com/plain@no-such-branch", "example.com/plain@v1.9.9", "example.com/pre@latest", "example.com/major/v2@latest", "example.com/untagged@latest",
		"example.com/retracted@latest", "-retracted example.com/retracted@v1.0.1", "example.com/parent/nested@latest", "example.com/unlisted@v1.0.0",
		"-f {{.Retracted}} -u example.com/retracted@v1.0.1", "-f {{.Deprecated}} -u example.com/deprecated@v1.0.0",
		"-f {{.Origin.URL}} example.com/oddinfo@v1.0.0", "-f {{.Time}} example.com/oddinfo@v1.0.0", "-f {{.Version}} toolchain@go1.99.0", "example.com/none@latest",
	}
	for name, opts := range map[string][]proxytest.Option{"tidy": nil, "odd": odd()} {
		u := proxytest.New(t, opts...)
		hv := serve(t, u.URL)
		direct, through := proxytest.GoEnv(t, u.URL, "off"), proxytest.GoEnv(t, hv.URL, "off")
		for _, command := range commands {
			t.Run(name+"/"+command, func(t *testing.T) {
				t.Parallel()
				args := append([]string{"list", "-m"}, strings.Fields(command)...)
				want, wantErrs, wantErr := goIn(t, direct, args...)
				got, errs, err := goIn(t, through, args...)
				if got != want || (err == nil) != (wantErr == nil) {
					t.Errorf("got %q, %v, want %q, %v\n%s", got, err, want, wantErr, errs)
				}
				if diff := cmp.Diff(strings.ReplaceAll(wantErrs, u.URL, "URL"), strings.ReplaceAll(errs, hv.URL, "URL")); diff != "" && wantErr != nil {
					t.Errorf("the words differ (-direct +through):\n%s", diff)
				}
			})
		}
	}
}

// TestGraph: reading a module graph fetches no zip, neither here nor upstream.
func TestGraph(t *testing.T) {
	t.Parallel()
	hv, u, _, env := verified(t)
	dir := proxytest.GoModule(t, "go.mod", "module example.test/main\n\ngo 1.21\n\nrequire example.com/graph/a v1.0.0\n")
	out, stderr, err := proxytest.Go(t, dir, env, "mod", "graph")
	if err != nil || !strings.Contains(out, "example.com/graph/b@v1.0.0 example.com/graph/c@v1.0.0\n") {
		t.Fatalf("got %v, %s%s", err, out, stderr)
	}
	if n := u.Requests("*.zip"); n != 0 {
		t.Errorf("%d zips were asked for", n)
	}
	for _, name := range hv.files("modules") {
		if strings.HasSuffix(name, ".zip") {
			t.Errorf("%s is stored", name)
		}
	}
}

// TestPeer18NewerGo: other proxies run their own go command on what they fetch, and cannot serve a module that needs a
// newer one. Here its files are served as they are; the client's Go judges.
func TestPeer18NewerGo(t *testing.T) {
	t.Parallel()
	hv, u, _, env := verified(t)
	_, stderr, err := goIn(t, env, "mod", "download", "example.com/future@v1.0.0")
	if err == nil || !strings.Contains(stderr, "requires go >= 1.999") {
		t.Errorf("got %v, %s", err, stderr)
	}
	m := proxytest.Fixture(t, "example.com/future", "v1.0.0")
	for ext, want := range map[string]string{"info": m.Info, "mod": m.Mod, "zip": string(m.Zip)} {
		if a := hv.get(m.Name(ext)); a.StatusCode != 200 || a.body != want {
			t.Errorf(".%s: got %s, %d bytes", ext, a.Status, len(a.body))
		}
		if n := u.Requests(m.Name(ext)); n != 1 {
			t.Errorf(".%s: %d requests", ext, n)
		}
	}
}

// TestToolchainSwitch has the go command download a toolchain and run it.
func TestToolchainSwitch(t *testing.T) {
	t.Parallel()
	hv, _, _, env := verified(t)
	if a := hv.get("golang.org/toolchain/@v/list"); a.body != "v0.0.1-go1.99.0.linux-amd64\nv0.0.1-go1.99.1.linux-arm64\n" {
		t.Errorf("the list is %q", a.body)
	}
	for _, m := range proxytest.Fixtures(t) {
		if m.Path == "golang.org/toolchain" {
			for ext, want := range map[string]string{"info": m.Info, "mod": m.Mod, "zip": string(m.Zip)} {
				if a := hv.get(m.Name(ext)); a.body != want {
					t.Errorf("%s: got %s, %d bytes", m.Name(ext), a.Status, len(a.body))
				}
			}
		}
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the toolchain among the fixtures runs on linux-amd64")
	}
	if got, want := goOK(t, append(env, "GOTOOLCHAIN=go1.99.0"), "version"), "go version go1.99.0 linux/amd64\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

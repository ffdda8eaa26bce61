package gocmd

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// vault is Credentials in memory, with one host.
type vault struct {
	host string

	mu       sync.Mutex
	password string // "" for trouble
	next     string // what it is once password was refused
}

func (v *vault) Names() []string { return []string{v.host} }

func (v *vault) Get(_ context.Context, host string) (user, password string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case host != v.host:
		return "", "", nil
	case v.password == "":
		return "", "", errors.New(host + ": its credential cannot be had now; the server's log says why")
	}
	return proxytest.GitUser, v.password, nil
}

func (v *vault) Refused(_ context.Context, host, user, password string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if host != v.host || user != proxytest.GitUser || password != v.password || v.next == "" {
		return false
	}
	v.password, v.next = v.next, ""
	return true
}

func (v *vault) set(password, next string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.password, v.next = password, next
}

func helper(t *testing.T) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{exe}
}

// TestCounter has a credential reach the go-import page and git, one that was replaced be asked again, and what is in it stay a secret.
func TestCounter(t *testing.T) {
	g := newForge(t)
	g.SetPassword("pass-word")
	r := g.Repo(privateDir + "/mine")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	v := &vault{host: hostName}
	var log strings.Builder
	f := g.fetcher(Options{Credentials: v, Helper: helper(t), Log: slog.New(slog.NewTextHandler(&log, nil))})
	version := 0
	for _, x := range []struct {
		name, password, next string
		failing
	}{
		{"right", "pass-word", "", failing{want: "ok"}},
		{"wrong", "wrong-pass-word", "", failing{want: "refused", says: []string{"authentication failed for " + hostName + ": the credential for it was refused"}}},
		{"replaced", "old-pass-word", "pass-word", failing{want: "ok"}},
		{"replaced by a wrong one", "old-pass-word", "wrong-pass-word", failing{want: "refused", says: []string{"the credential for it was refused"}}},
		{"trouble", "", "", failing{want: "unavailable", says: []string{hostName + ": its credential cannot be had now; the server's log says why"}}},
		{"two lines", "pass-word\nhost=evil.example.com", "", failing{want: "unavailable", says: []string{"control character"}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			v.set(x.password, x.next)
			version++
			_, err := read(f.List(t.Context(), r.Path))
			x.path = r.Path
			if x.want != "ok" {
				wantError(t, f, "list", err, x.failing)
			} else if err != nil {
				t.Error(err)
			}
			if strings.Contains(log.String(), "pass-word") {
				t.Errorf("the log has the password: %s", log.String())
			}
		})
	}
	v.set("pass-word", "")
	if _, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip)); err != nil {
		t.Error(err)
	}
	open := g.Repo("open")
	open.Commit([]string{"v1.0.0"}, "go.mod", "module "+open.Path+"\n")
	g.Page("open", open.Path+" git https://"+hostName+":8443/"+privateDir+"/mine.git")
	v.set("pass-word", "")
	_, err := fetch(f, file(open.Path, "v1.0.0", goproxy.Zip))
	wantError(t, f, "another port", err, failing{path: open.Path, want: "refused", says: []string{"authentication failed for " + hostName + ":8443: no credential is configured"}})
	wantNoSecret(t, f.dir, "pass-word")
}

// wantNoSecret wants no file below dir to have a secret, be it in base64.
func wantNoSecret(t *testing.T, dir, secret string) {
	t.Helper()
	coded := base64.StdEncoding.EncodeToString([]byte(proxytest.GitUser + ":" + secret))
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		if strings.Contains(string(b), secret) || strings.Contains(string(b), coded) {
			t.Errorf("%s has the secret", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestCounterKey gives nothing to who does not know the key.
func TestCounterKey(t *testing.T) {
	v := &vault{host: hostName, password: "pass-word"}
	f := &Fetcher{o: Options{Credentials: v, Helper: []string{"x"}}}
	c, err := f.newCounter(t.Context(), hostName+"/m")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	client := &http.Transport{DisableKeepAlives: true}
	for _, auth := range []string{"", "Bearer ", "Bearer " + strings.ToLower(c.key), "Bearer " + c.key} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.addr+"/git/get", strings.NewReader("protocol=https\nhost="+hostName+"\n\n"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", auth)
		resp, err := client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if right := auth == "Bearer "+c.key; err != nil || strings.Contains(string(b), "pass-word") != right {
			t.Errorf("%q: %q, %v", auth, b, err)
		}
	}
}

// TestCounterAnswers has only https, and the host itself, get something.
func TestCounterAnswers(t *testing.T) {
	v := &vault{host: hostName, password: "pass-word"}
	c := &counter{f: &Fetcher{o: Options{Credentials: v}}, own: hostName, given: map[string]pair{}, trouble: map[string]error{}}
	for asked, want := range map[string]bool{
		"protocol=https\nhost=" + hostName + "\n":                true,
		"protocol=https\nhost=" + hostName + "\npath=x.git\n":    true,
		"protocol=http\nhost=" + hostName + "\n":                 false,
		"protocol=ssh\nhost=" + hostName + "\n":                  false,
		"protocol=https\nhost=" + hostName + ":8443\n":           false,
		"protocol=https\nhost=evil." + hostName + "\n":           false,
		"protocol=https\nhost=" + hostName + ".evil.example.com": false,
		"host=" + hostName + "\n":                                false,
		"":                                                       false,
	} {
		if got := c.gitGet(t.Context(), asked); strings.Contains(got, "pass-word") != want {
			t.Errorf("%q: %q", asked, got)
		}
	}
	const refused = "HTTP/1.1 401 Unauthorized\n\n"
	for _, x := range []struct {
		url, response string
		want          bool
	}{
		{"https://" + hostName + "/m?go-get=1", refused, true},
		{"https://" + hostName + ":8443/m?go-get=1", refused, false},
		{"http://" + hostName + "/m?go-get=1", refused, false},
		{"https://other.example.com/m?go-get=1", refused, false},
		{"https://" + hostName + "/m?go-get=1", "HTTP/1.1 429 Too Many Requests\n\n", false},
		{"https://" + hostName + "/m?go-get=1", "", false},
		{"", "", true},
	} {
		clear(c.given)
		got := c.goauth(t.Context(), x.url, x.response)
		if strings.HasPrefix(got, "https://"+hostName+"\n\nAuthorization: Basic ") != x.want || !x.want && got != "" {
			t.Errorf("%+v: %q", x, got)
		}
	}
}

// TestAskWords has nothing asked where it is not known what.
func TestAskWords(t *testing.T) {
	for _, args := range [][]string{nil, {"git"}, {"git", "get", "x"}, {"go", "a", "b"}, {"hg"}} {
		if path := askPath(args); path != "" {
			t.Errorf("%q: %q", args, path)
		}
	}
	if got := askPath([]string{"git", "../go"}); got != "/git/..%2Fgo" {
		t.Errorf("got %q", got)
	}
	if err := Ask(t.Context(), []string{"go"}, strings.NewReader(""), io.Discard); err == nil {
		t.Error("outside of a command there is nobody to ask, and no error")
	}
}

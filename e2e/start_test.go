package e2e_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// TestCannotStart: each reason is told in words, on standard error, with the right status, and nothing is left.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	newer, foreign := filepath.Join(dir, "newer"), filepath.Join(dir, "foreign")
	for name, content := range map[string]string{
		file: "x", filepath.Join(newer, "format"): "modhaven state 99\n", filepath.Join(foreign, "important"): "mine",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	free := filepath.Join(dir, "free")
	tests := []struct {
		status int
		words  []string
		args   []string
	}{
		{1, []string{file, "not a directory"}, []string{"--state", filepath.Join(file, "state")}},
		{1, []string{newer, "format is 99", "newer version"}, []string{"--state", newer}},
		{1, []string{foreign, "important", "no state directory"}, []string{"--state", foreign}},
		{1, []string{busy.Addr().String(), "address already in use", "--listen"}, []string{"--state", free, "--listen", busy.Addr().String()}},
		{1, []string{"certificate", "none.pem"}, []string{"--state", free, "--tls-cert", "none.pem", "--tls-key", "none.pem"}},
		{2, []string{"--listen", "auth: none"}, []string{"--state", free, "--listen", "0.0.0.0:0"}},
		{2, []string{"--listen", "auth: none"}, []string{"--state", free, "--listen", ":0"}},
		{2, []string{"--upstreams", "ftp://x.example"}, []string{"--state", free, "--upstreams", "ftp://x.example"}},
		{2, []string{"--sumdb", "verifier key"}, []string{"--state", free, "--sumdb", "sum.example.com"}},
		{2, []string{"--fills", "--idle", "--log-level"}, []string{"--state", free, "--fills", "many", "--idle", "soon", "--log-level", "loud"}},
		{2, []string{"--upstream"}, []string{"--upstream", "https://x.example"}},
		{2, []string{"--direct-netrc", "none.netrc", "no such file"}, []string{"--state", free, "--upstreams", "direct", "--direct-netrc", "none.netrc"}},
		{2, []string{"--auth", "none.htpasswd", "no such file"}, []string{"--state", free, "--auth", "htpasswd none.htpasswd"}},
		{2, []string{"--auth", "no kind of credential"}, []string{"--state", free, "--auth", "tokn"}},
		{2, []string{"tls"}, []string{"--state", free, "--tls-cert", "x.pem"}},
	}
	for _, test := range tests {
		args := append([]string{"serve", "--listen", "127.0.0.1:0", "--upstreams", nobody, "--sumdb", "off"}, test.args...)
		got := fails(t, test.status, environ(t), args...)
		for _, w := range test.words {
			if !strings.Contains(got, w) {
				t.Errorf("%q: got %q, want the words %q", test.args, got, w)
			}
		}
		if strings.Contains(got, "goroutine ") {
			t.Errorf("%q: %s", test.args, got)
		}
	}
	if b, err := os.ReadFile(filepath.Join(foreign, "important")); err != nil || string(b) != "mine" {
		t.Errorf("the foreign directory was changed: %q, %v", b, err)
	}
	if left, err := os.ReadDir(foreign); err != nil || len(left) != 1 {
		t.Errorf("the foreign directory has %v, %v", left, err)
	}
}

// TestPeer17And20Defaults: other proxies start with bogus settings, on all interfaces, and keep what they fetch in memory
// without a bound. Here a server without any setting is on loopback alone, and its state is a directory of this user.
func TestPeer17And20Defaults(t *testing.T) {
	t.Parallel()
	u := proxytest.New(t)
	env := environ(t, "GOPROXY="+u.URL, "GOSUMDB=off")
	printed, err := command(env, "config", "print").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(printed, []byte("127.0.0.1:3000")) {
		t.Errorf("the default address is not loopback:\n%s", printed)
	}
	home := strings.TrimPrefix(env[1], "XDG_CACHE_HOME=")
	hv := start(t, filepath.Join(home, "modhaven"), env, "serve", "--listen", "127.0.0.1:0")
	if a := hv.get("example.com/plain/@v/v1.0.0.zip"); a.StatusCode != 200 {
		t.Errorf("got %s", a.Status)
	}
	hv.stop()
	if got := hv.files("modules"); len(got) == 0 {
		t.Errorf("nothing is stored in %s", hv.state)
	}
	for name, value := range map[string]string{"LISTEN": "nowhere", "FILLS": "-1", "UPSTREAM": "x", "AUTH": "some"} {
		if got := fails(t, 2, append(env, "MODHAVEN_"+name+"="+value), "serve"); !strings.Contains(got, "MODHAVEN_"+name) {
			t.Errorf("MODHAVEN_%s=%s: got %q", name, value, got)
		}
	}
}

func command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = env
	return cmd
}

// TestPeer17OffIsOff: another proxy still fetches when it is told to be offline. Here no request leaves, what is stored
// is served, and the rest is refused in words.
func TestPeer17OffIsOff(t *testing.T) {
	t.Parallel()
	u := proxytest.New(t)
	hv := serve(t, u.URL)
	env := proxytest.GoEnv(t, hv.URL, "off")
	goOK(t, env, "mod", "download", "example.com/plain@v1.0.0")
	hv.stop()
	u.Forget()
	// Whatever it sends, in HTTP or in TLS, goes to the upstream.
	off := start(t, hv.state, environ(t, "HTTP_PROXY="+u.URL, "HTTPS_PROXY="+u.URL), "serve", "--listen", "127.0.0.1:0", "--state", hv.state, "--upstreams", "off", "--sumdb", "sum.golang.org")
	cold := proxytest.GoEnv(t, off.URL, "off")
	goOK(t, cold, "mod", "download", "example.com/plain@v1.0.0")
	if _, stderr, err := goIn(t, cold, "mod", "download", "example.com/plain@v1.1.0"); err == nil || !strings.Contains(stderr, "403 Forbidden") || !strings.Contains(stderr, "off asks nobody") {
		t.Errorf("what is not stored: got %v\n%s", err, stderr)
	}
	for _, path := range []string{"example.com/plain/@latest", "example.com/other/@v/list", "sumdb/sum.golang.org/latest", "sumdb/sum.golang.org/lookup/example.com/plain@v1.0.0"} {
		if a := off.get(path); a.StatusCode != 403 && a.StatusCode != 503 {
			t.Errorf("%s: got %s %q", path, a.Status, a.body)
		}
	}
	for _, r := range u.Log() {
		t.Errorf("%s %s was sent", r.Method, r.Name)
	}
}

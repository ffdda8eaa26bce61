package e2e_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// run1 runs the program, which must succeed, and returns what it printed.
func run1(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = environ(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("modhaven %q: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// TestAccess: over TLS the unmodified go command shows a token from a netrc file, and gets what the token's groups may read; without
// one it gets what nobody protects; and a token that is revoked is none, with the server running.
func TestAccess(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	u := proxytest.New(t)
	state := filepath.Join(t.TempDir(), "state")
	dev := proxytest.Plant(run1(t, "token", "create", "ci", "--groups", "dev", "--state", state))
	other := proxytest.Plant(run1(t, "token", "create", "guest", "--state", state))
	hv := serveOver(t, state, u.URL, "--tls-cert", cert, "--tls-key", key, "--auth", "token; anonymous",
		"--access", "dev example.com/Upper; ops example.com/plain hide")
	download := func(token string, modules ...string) (string, error) {
		t.Helper()
		env := append(proxytest.GoEnv(t, hv.URL, "off"), "SSL_CERT_FILE="+cert)
		if token != "" {
			at, err := url.Parse(hv.URL)
			if err != nil {
				t.Fatal(err)
			}
			netrc := filepath.Join(t.TempDir(), "netrc")
			if err := os.WriteFile(netrc, []byte("machine "+at.Host+" login token password "+token+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			env = append(env, "GOAUTH=netrc", "NETRC="+netrc)
		}
		_, stderr, err := goIn(t, env, append([]string{"mod", "download"}, modules...)...)
		return stderr, err
	}
	const protected, hidden, open = "example.com/Upper@v1.0.0", "example.com/plain@v1.0.0", "example.com/deprecated@v1.0.0"
	for _, test := range []struct{ who, token, module, want string }{ // want is a word of the refusal, "" for none
		{"dev", dev, protected, ""},
		{"dev", dev, open, ""},
		{"dev", dev, hidden, "no such module"},
		{"guest", other, protected, "may not read it"},
		{"guest", other, open, ""},
		{"nobody", "", protected, "needs a credential"},
		{"nobody", "", open, ""},
		{"a guesser", dev[:len(dev)-1] + "x", open, "401"},
	} {
		for _, when := range []string{"cold", "stored"} {
			stderr, err := download(test.token, test.module)
			if (err == nil) != (test.want == "") || !strings.Contains(stderr, test.want) {
				t.Errorf("%s asks for %s, %s: %v\n%s\nwant %q", test.who, test.module, when, err, stderr, test.want)
			}
		}
	}
	run1(t, "token", "revoke", "ci", "--state", state)
	for end := time.Now().Add(30 * time.Second); ; { // the file is looked at each second
		stderr, err := download(dev, protected)
		if err != nil && strings.Contains(stderr, "revoked") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("a revoked token: %v\n%s", err, stderr)
		}
	}
	hv.stop()
	if log := hv.out.String(); strings.Contains(log, dev) || strings.Contains(log, other) {
		t.Error("a token is in the log")
	}
	served := run1(t, "ledger", "show", "example.com/Upper", "--served", "--state", state)
	if !strings.Contains(served, "token:ci") {
		t.Errorf("the history does not name who was served:\n%s", served)
	}
}

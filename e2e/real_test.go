package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// realModules are modules as the world has them, with the hash of each zip as the public checksum database has it:
// upper case, a major version in a gopkg.in path, a deprecated one, one of a single element that is incompatible, a tilde.
var realModules = map[string]string{
	"github.com/BurntSushi/toml@v1.4.0":                    "h1:kuoIxZQy2WRRk1pttg9asf+WVv6tWQuBNVmK8+nqPr0=",
	"gopkg.in/check.v1@v0.0.0-20161208181325-20d25e280405": "h1:yhCVgyC4o1eVCa2tZl7eS0r+SDo693bJlVdllGtEeKM=",
	"github.com/golang/protobuf@v1.5.4":                    "h1:i7eJL8qZTpSEXOPTxNKhASYpMn+8e5Q6AdndVa1dWek=",
	"gotest.tools@v2.2.0+incompatible":                     "h1:VsBPFP1AI068pPrMxtb/S8Zkgf9xEmTLJjfM+P5UIEo=",
	"git.sr.ht/~sbinet/gg@v0.5.0":                          "h1:6V43j30HM623V329xA9Ntq+WJrMjDxRjuAB1LFWF5m8=",
}

// knownFile is one that every upstream has.
const knownFile = "/gotest.tools/@v/v2.2.0+incompatible.mod"

// TestRealUpstream downloads real modules through a server without any setting, which asks the upstream of this machine.
// It skips only where that upstream cannot be reached without Modhaven either.
func TestRealUpstream(t *testing.T) {
	t.Parallel()
	reachable(t, knownFile)
	state := filepath.Join(t.TempDir(), "state")
	hv := start(t, state, append(os.Environ(), brisk), "serve", "--listen", "127.0.0.1:0", "--state", state)
	args := []string{"mod", "download", "-json"}
	for m := range realModules {
		args = append(args, m)
	}
	for _, when := range []string{"cold", "warm"} {
		// The hashes are known: the checksum database, which may be out of reach, is not needed.
		out, stderr, err := goIn(t, proxytest.GoEnv(t, hv.URL, "off"), args...)
		if err != nil {
			t.Fatalf("%s: %v\n%s%s\n%s", when, err, out, stderr, hv.out.String())
		}
		n := 0
		for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); n++ {
			var got struct{ Path, Version, Sum string }
			if err := dec.Decode(&got); err != nil {
				t.Fatal(err)
			}
			if want := realModules[got.Path+"@"+got.Version]; got.Sum != want {
				t.Errorf("%s: %s@%s: got %s, want %s", when, got.Path, got.Version, got.Sum, want)
			}
		}
		if n != len(realModules) {
			t.Errorf("%s: %d modules came, want %d", when, n, len(realModules))
		}
	}
	if a := hv.get("github.com/golang/protobuf/@v/v1.5.4.mod"); !strings.Contains(a.body, "// Deprecated:") {
		t.Errorf("the deprecation is lost: %q", a.body)
	}
	if a := hv.get("github.com/BurntSushi/toml/@v/list"); a.StatusCode != 404 {
		t.Errorf("upper case that is not escaped: got %s", a.Status)
	}
}

// TestRealDatabase downloads real modules with the checksum database of the world on, which is asked through the upstream of this
// machine: by go commands that reach the server alone, with that database and with one of the server's own.
func TestRealDatabase(t *testing.T) {
	t.Parallel()
	reachable(t, knownFile)
	reachable(t, "/sumdb/sum.golang.org/lookup/gotest.tools@v2.2.0+incompatible")
	state := filepath.Join(t.TempDir(), "state")
	keyFile, own := ownKey(t)
	hv := start(t, state, append(os.Environ(), brisk), "serve", "--listen", "127.0.0.1:0", "--state", state, "--sumdb", "sum.golang.org",
		"--checksum-unreachable", "refuse", "--sumdb-own", ownName, "--sumdb-own-key", keyFile)
	args := []string{"get"}
	for m := range realModules {
		args = append(args, m)
	}
	for _, db := range []string{"sum.golang.org", own} {
		dir := proxytest.GoModule(t, "go.mod", "module example.test/main\n\ngo 1.24\n")
		env := proxytest.GoEnv(t, hv.URL, db)
		if out, stderr, err := proxytest.Go(t, dir, env, args...); err != nil {
			t.Fatalf("GOSUMDB=%s: %v\n%s%s\n%s", db, err, out, stderr, hv.out.String())
		}
		sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
		if err != nil {
			t.Fatal(err)
		}
		for m, h1 := range realModules {
			if line := strings.Replace(m, "@", " ", 1) + " " + h1 + "\n"; !strings.Contains(string(sums), line) {
				t.Errorf("GOSUMDB=%s: go.sum lacks %s", db, line)
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), program, "ledger", "show", "--unverified", "--state", state).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || len(out) != 0 {
		t.Errorf("unverified: %v\n%s", err, out)
	}
}

// reachable skips the test where the first upstream of this machine's GOPROXY has no answer to a question whose answer
// is known.
func reachable(t *testing.T, name string) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	first := strings.FieldsFunc(strings.TrimSpace(string(out)), func(r rune) bool { return r == ',' || r == '|' })
	if len(first) == 0 || !strings.Contains(first[0], ":/") {
		t.Skipf("the GOPROXY of this machine, %q, begins with no upstream", out)
	}
	if err := probe(t.Context(), strings.TrimRight(first[0], "/")+name); err != nil {
		t.Skipf("the upstream of this machine cannot be reached: %v", err)
	}
}

// probe asks for a file that must be there, as this machine reaches it.
func probe(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	tr := &http.Transport{Proxy: http.ProxyFromEnvironment}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

package proxytest

import (
	"net/http"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

type runFunc func() int

func (f runFunc) Run() int { return f() }

// guardSees runs test under a Guard of its own and gives the addresses back as they were.
func guardSees(test func()) (code int, stderr string) {
	var b strings.Builder
	code = guarded{runFunc(func() int { test(); return 0 }), &b}.Run()
	addresses.Lock()
	addresses.refused = nil
	addresses.Unlock()
	return code, b.String()
}

func TestGuardFailsOnUnknownAddress(t *testing.T) {
	var err error
	code, stderr := guardSees(func() {
		_, err = http.Get("http://127.0.0.1:9/")
	})
	if err == nil || !strings.Contains(err.Error(), "no test server registered it") {
		t.Errorf("dial to an address nobody registered: got %v", err)
	}
	if code != 1 || !strings.Contains(stderr, "dialled 127.0.0.1:9") {
		t.Errorf("exit code %d and %q, want 1 and the address", code, stderr)
	}
}

func TestGuardFailsOnLeak(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	code, stderr := guardSees(func() { go func() { <-stop }() })
	if code != 1 || !strings.Contains(stderr, "TestGuardFailsOnLeak") {
		t.Errorf("exit code %d and %q with a goroutine left behind, want 1 and its stack", code, stderr)
	}
}

func TestDefaultTransportReachesServers(t *testing.T) {
	u := New(t)
	resp, err := http.Get(strings.Replace(u.URL, "127.0.0.1", "localhost", 1) + "/example.com/plain/@v/list")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("got %s", resp.Status)
	}
}

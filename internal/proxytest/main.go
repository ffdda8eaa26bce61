package proxytest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"go.uber.org/goleak"
)

// The addresses that may be dialled are known to the process, as the default transport
// that Guard changes is: a test cannot hand them to code that dials by itself.
var addresses struct {
	sync.Mutex
	known   map[string]bool
	refused []string
}

// Register allows dials to HOST:PORT for the life of the process. Servers of this
// package are registered already.
func Register(addr string) {
	addresses.Lock()
	defer addresses.Unlock()
	if addresses.known == nil {
		addresses.known = map[string]bool{}
	}
	addresses.known[normal(addr)] = true
}

func normal(addr string) string {
	if port, ok := strings.CutPrefix(addr, "localhost:"); ok {
		return "127.0.0.1:" + port
	}
	return addr
}

// A Dialer dials registered addresses and no others. A refusal is an error to the
// caller and makes [Main] fail.
type Dialer struct{}

// DialContext is for an http.Transport.
func (Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	addr = normal(addr)
	addresses.Lock()
	ok := addresses.known[addr]
	if !ok && !slices.Contains(addresses.refused, addr) {
		addresses.refused = append(addresses.refused, addr)
	}
	addresses.Unlock()
	if !ok {
		return nil, fmt.Errorf("dial %s: refused, since no test server registered it (proxytest.Register)", addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// Tests is a *testing.M, or what stands before one.
type Tests interface{ Run() int }

// Main runs the tests of a package, and exits. It fails where one of them dialled an
// address that no test server registered, through http.DefaultTransport or a Dialer, or
// left a goroutine behind. It is the body of a TestMain; see [Guard] where that is taken.
func Main(m Tests) { os.Exit(Guard(m).Run()) }

// Guard is Main for those that exit by themselves, such as testscript.Main.
func Guard(m Tests) Tests { return guarded{m, os.Stderr} }

type guarded struct {
	tests  Tests
	stderr io.Writer
}

// Run runs the tests and returns the exit code.

func (g guarded) Run() int {
	tr := http.DefaultTransport.(*http.Transport)
	tr.DialContext = Dialer{}.DialContext
	tr.Proxy = nil
	code := g.tests.Run()
	tr.CloseIdleConnections()
	addresses.Lock()
	defer addresses.Unlock()
	for _, addr := range addresses.refused {
		fmt.Fprintf(g.stderr, "proxytest: a test dialled %s, which no test server registered\n", addr)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintf(g.stderr, "proxytest: %v\n", err)
			code = 1
		}
	}
	return code
}

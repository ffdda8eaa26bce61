package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/rogpeppe/go-internal/testscript"
)

// An upstreams holds the servers of one script by name. Scripts may run at once; each has its own.
type upstreams struct {
	proxies map[string]*proxytest.Upstream
	servers map[string]*proxytest.Server
}

type upstreamsKey struct{}

// withUpstreams is the setup of scripts that start upstreams.
func withUpstreams(e *testscript.Env) {
	e.Values[upstreamsKey{}] = &upstreams{map[string]*proxytest.Upstream{}, map[string]*proxytest.Server{}}
}

// upstreamCommands are what scripts do with upstreams:
//
//	upstream NAME [SUMDB]      start one, with a checksum database at $SUMDB_URL and of key $SUMDB_KEY;
//	                           $NAME is its address. The go command is set up to use it, with a cache of its own
//	upstream -copy NAME SUMDB  the same, and the upstream itself has a copy of the database
//	freshcache                 give the go command an empty module cache
//	fail NAME PATTERN STATUS TEXT…  let requests fail from now on
//	refuse NAME                close its port
//	requests NAME PATTERN N    it must have had N requests; with N+ at least as many
func upstreamCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"upstream":   startUpstream,
		"freshcache": func(ts *testscript.TestScript, _ bool, _ []string) { freshCache(ts) },
		"fail": func(ts *testscript.TestScript, _ bool, args []string) {
			code, err := strconv.Atoi(args[2])
			ts.Check(err)
			serverOf(ts, args[0]).Fail(args[1], proxytest.Status(code, strings.Join(args[3:], " ")))
		},
		"refuse":   func(ts *testscript.TestScript, _ bool, args []string) { serverOf(ts, args[0]).Refuse() },
		"requests": countRequests,
	}
}

func startUpstream(ts *testscript.TestScript, _ bool, args []string) {
	var opts []proxytest.Option
	t := &scriptTB{TestScript: ts}
	all := ts.Value(upstreamsKey{}).(*upstreams)
	copied := args[0] == "-copy"
	if copied {
		args = args[1:]
	}
	sumdb := "off"
	if len(args) > 1 {
		name := args[1]
		db := proxytest.NewSumDB(t, "sum.example.com/"+strings.ToLower(name))
		all.servers[name] = db.Server
		ts.Setenv(name+"_URL", db.URL)
		ts.Setenv(name+"_KEY", db.Key)
		sumdb = db.Spec()
		if copied {
			opts = append(opts, proxytest.WithSumDB(db))
		}
	}
	u := proxytest.New(t, opts...)
	all.proxies[args[0]], all.servers[args[0]] = u, u.Server
	for _, kv := range proxytest.GoEnv(t, u.URL, sumdb) {
		name, value, _ := strings.Cut(kv, "=")
		if name != "PATH" {
			ts.Setenv(name, value)
		}
	}
	ts.Setenv("GOROOT", "")
	ts.Setenv("MODHAVEN_PATIENCE", "0s") // a dead upstream stays dead
	ts.Setenv(args[0], u.URL)
}

func freshCache(ts *testscript.TestScript) {
	ts.Setenv("GOMODCACHE", (&scriptTB{TestScript: ts}).TempDir())
}

func serverOf(ts *testscript.TestScript, name string) *proxytest.Server {
	s := ts.Value(upstreamsKey{}).(*upstreams).servers[name]
	if s == nil {
		ts.Fatalf("no upstream %s was started", name)
	}
	return s
}

func countRequests(ts *testscript.TestScript, _ bool, args []string) {
	number, atLeast := strings.CutSuffix(args[2], "+")
	want, err := strconv.Atoi(number)
	ts.Check(err)
	s := serverOf(ts, args[0])
	got := s.Requests(args[1])
	if got == want || atLeast && got > want {
		return
	}
	for _, r := range s.Log() {
		ts.Logf("%s %s", r.Method, r.Name)
	}
	ts.Fatalf("%d requests for %s, want %s", got, args[1], args[2])
}

// A scriptTB lets package proxytest serve a script.
type scriptTB struct{ *testscript.TestScript }

var _ proxytest.TB = (*scriptTB)(nil)

func (t *scriptTB) Helper()          {}
func (t *scriptTB) Cleanup(f func()) { t.Defer(f) }

// Errorf ends the script: it has no way to go on and fail.
func (t *scriptTB) Errorf(format string, args ...any) { t.Fatalf(format, args...) }

func (t *scriptTB) Fatal(args ...any) { t.Fatalf("%s", fmt.Sprint(args...)) }

func (t *scriptTB) Context() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	t.Defer(cancel)
	return ctx
}

func (t *scriptTB) TempDir() string {
	dir, err := os.MkdirTemp(t.MkAbs("."), "tmp-")
	t.Check(err)
	return dir
}

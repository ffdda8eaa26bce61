package main

import (
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"modhaven": main, "hear": hear})
}

var update = flag.Bool("update", false, "write what the commands print into the scripts")

// TestScript runs the commands as a shell does. A script has no settings of the machine:
// the go command's are its defaults, and the language is English.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GOENV", "off")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // with the race detector every command would wait a second before it exits
			e.Setenv("GOROOT", e.WorkDir+"/no-goroot")
			e.Setenv("LANG", "C.UTF-8")
			e.Setenv("XDG_CACHE_HOME", e.WorkDir+"/cache")
			withUpstreams(e)
			captures, err := filepath.Abs("../../internal/doctor/testdata/captures")
			e.Setenv("CAPTURES", captures)
			return err
		},
		Cmds: scriptCommands(),
	})
}

func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	all := upstreamCommands()
	all["status"] = status
	all["answer"] = answer
	all["freeaddr"] = freeAddr
	all["record"] = record
	all["sumlog"] = makeSumlog
	all["flip"] = flip
	all["guarded"] = guarded
	all["actions"] = actions
	all["fill"] = fill
	all["setenv"] = setenv
	all["unzip"] = unzip
	return all
}

// status CODE COMMAND… runs a command that must end with exactly that status.
func status(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// freeaddr NAME sets $NAME to a HOST:PORT that nothing listens on.
func freeAddr(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// answer [-tls] NAME PATH STATUS:BODY… starts a server that gives these answers to
// requests for PATH, one after the other and the last for ever, and to any other path 404.
// $NAME is its HOST:PORT.
func answer(ts *testscript.TestScript, _ bool, args []string) {
	start := httptest.NewServer
	if args[0] == "-tls" {
		start, args = httptest.NewTLSServer, args[1:]
	}
	name, path, answers := args[0], args[1], args[2:]
	var asked atomic.Int64
	srv := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path || r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		n := min(int(asked.Add(1)), len(answers))
		code, body, _ := strings.Cut(answers[n-1], ":")
		number, err := strconv.Atoi(code)
		if err != nil {
			panic(err)
		}
		w.WriteHeader(number)
		w.Write([]byte(body))
	}))
	ts.Defer(srv.Close)
	ts.Setenv(name, srv.Listener.Addr().String())
}

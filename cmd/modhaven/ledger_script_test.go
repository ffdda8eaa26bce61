package main

import (
	"context"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/ledger"
)

// record DIR writes a ledger into DIR, and has it open until the script ends, as a server would.
func record(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	dir := ts.MkAbs(args[0])
	l, err := ledger.Open(ctx, dir)
	ts.Check(err)
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const h1 = "h1:ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="
	file := func(path, version string, kind goproxy.Kind) goproxy.File {
		return goproxy.File{Version: module.Version{Path: path, Version: version}, Kind: kind}
	}
	wrong := file("example.com/b", "v1.0.0", goproxy.Zip)
	for _, e := range []ledger.Entry{
		{File: file("example.com/a", "v1.0.0", goproxy.Mod), By: "sum.example.com", TreeSize: 71909756, Verified: day.Add(time.Hour), From: "https://up.example"},
		{File: file("example.com/a", "v1.0.0", goproxy.Zip), From: "https://up.example"},
		{File: file("example.com/a", "v1.1.0", goproxy.Mod), First: day.Add(-time.Hour)},
		{File: wrong, From: "https://up.example/\x1b[2J"},
	} {
		e.H1 = h1
		if e.First.IsZero() {
			e.First = day
		}
		_, err := l.Add(ctx, e)
		ts.Check(err)
	}
	ts.Check(l.Quarantine(ctx, wrong, "sum.example.com has\nanother hash"))
	l.Serve(ledger.Served{At: day, Client: "192.0.2.7", Path: "example.com/a", What: "list", Status: 200, Bytes: 14, Cache: "stale"})
	l.Serve(ledger.Served{At: day.Add(time.Second), Client: "build@ci", Path: "example.com/a", Version: "v1.0.0", What: "zip", Status: 200, Bytes: 1234567, Cache: "miss"})
	l.Serve(ledger.Served{At: day, Path: "example.com/c", What: "list", Status: 404})
	ts.Check(l.Close())
	l, err = ledger.Open(ctx, dir)
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}

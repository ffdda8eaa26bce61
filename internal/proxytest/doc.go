// Package proxytest is an upstream for tests: a module proxy and a checksum database
// on loopback, made from txtar fixtures, with the oddities and the faults of real ones.
//
// It is not for production, keeps nothing on disk and knows nothing of Modhaven's own
// types, so that a mistake there cannot hide itself here. Only _test files, bench and
// conformance import it.
//
//	func TestMain(m *testing.M) { proxytest.Main(m) }
//
//	db := proxytest.NewSumDB(t, "sum.example.com")
//	up := proxytest.New(t, proxytest.WithSumDB(db), proxytest.NoLatest())
//	up.Fail("*.zip", proxytest.Close(100), 1) // the first request for a zip
//	stdout, stderr, err := proxytest.Go(t, dir, proxytest.GoEnv(t, up.URL, db.Key), "mod", "download")
//	n := up.Requests("example.com/plain/@v/v1.0.0.zip")
//
// No request that comes to a server of this package may have a private name or a planted secret in it: [PrivateDomain], [Plant].
//
// A test that wants to see progress stops an answer with [Server.Pause] and waits for
// [Gate.Reached] or [Server.Await]; nothing here asks a test to sleep.
package proxytest

import "context"

// TB is what is needed of a testing.TB; every testing.TB is one. A benchmark that is a
// program brings its own.
type TB interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	TempDir() string
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

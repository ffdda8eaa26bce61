package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// victimVar makes the test binary a process that adds to the ledger in the directory named in it, until it is killed.
const victimVar = "MODHAVEN_TEST_LEDGER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimVar); dir != "" {
		os.Exit(victim(dir))
	}
	goleak.VerifyTestMain(m)
}

func file(path, version string, kind goproxy.Kind) goproxy.File {
	return goproxy.File{Version: module.Version{Path: path, Version: version}, Kind: kind}
}

func zip(path string) goproxy.File { return file(path, "v1.0.0", goproxy.Zip) }

// hash returns some h1, the same for the same text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "h1:" + base64.StdEncoding.EncodeToString(sum[:])
}

func mustOpen(t testing.TB, dir string) *Ledger {
	t.Helper()
	l, err := Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func mustAdd(t testing.TB, l *Ledger, e Entry) Entry {
	t.Helper()
	got, err := l.Add(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// victim adds files and says of each when it is recorded: those of eight callers at once, so that they share commits.
func victim(dir string) int {
	l, err := Open(context.Background(), dir)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	run := fmt.Sprint(os.Getpid())
	said := make(chan string)
	for caller := range 8 {
		go func() {
			for i := 0; ; i++ {
				path := fmt.Sprintf("example.com/p%s/c%d/n%d", run, caller, i)
				if _, err := l.Add(context.Background(), Entry{File: zip(path), H1: hash(path)}); err != nil {
					said <- "error: " + err.Error()
				}
				said <- path
			}
		}()
	}
	for line := range said {
		fmt.Println(line)
	}
	return 0
}

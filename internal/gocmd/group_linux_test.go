package gocmd

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// wantNoProcess fails where a process still runs whose environment names the Fetcher's directory. One that has been killed may take a moment to end.
func wantNoProcess(t *testing.T, f *Fetcher) {
	t.Helper()
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skipf("no /proc here, which tells what runs: %v", err)
	}
	limit := time.Now().Add(30 * time.Second)
	for left := running(f); left != ""; left = running(f) {
		if time.Now().After(limit) {
			t.Fatalf("still runs: %s", left)
		}
		runtime.Gosched()
	}
}

func running(f *Fetcher) string {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range environs {
		b, err := os.ReadFile(name)
		if err == nil && bytes.Contains(b, []byte("="+f.dir+string(filepath.Separator))) {
			cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
			return name + " " + string(cmdline)
		}
	}
	return ""
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A goRun is one run of the go command with caches of its own.
type goRun struct {
	took time.Duration
	out  []byte
}

// goCommand runs the go command in a copy of the project's main module, with empty caches
// on tmpfs and GOPROXY=proxy. The clock runs only while the command does. The fixture's go.sum has
// every hash, so the go command itself refuses bytes that are wrong.
func (l *lab) goCommand(ctx context.Context, p project, proxy string, args ...string) (goRun, error) {
	dir, err := os.MkdirTemp(l.fast, "client-")
	if err != nil {
		return goRun{}, err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(filepath.Join(dir, "main"), os.DirFS(p.main)); err != nil {
		return goRun{}, err
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(dir, "main")
	cmd.Env = append(os.Environ(),
		"PWD="+cmd.Dir, "HOME="+dir, "GOENV=off", "GOWORK=off", "GOTOOLCHAIN=local", "GOTELEMETRY=off",
		"GOPROXY="+proxy, "GOSUMDB=off", "GOFLAGS=-modcacherw", "GOPRIVATE=", "GONOPROXY=", "GONOSUMDB=",
		"GOPATH="+filepath.Join(dir, "gopath"), "GOMODCACHE="+filepath.Join(dir, "mod"), "GOCACHE="+filepath.Join(dir, "cache"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err = cmd.Run()
	r := goRun{time.Since(begin), stdout.Bytes()}
	if err != nil {
		return r, fmt.Errorf("GOPROXY=%s go %v: %w\n%.2000s", proxy, args, err, stderr.String())
	}
	return r, nil
}

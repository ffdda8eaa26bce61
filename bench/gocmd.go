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

// A goRun is one run of the go command.
type goRun struct {
	took   time.Duration
	out    []byte
	stderr string
}

// goCommand runs the go command once, as a new client.
func (l *lab) goCommand(ctx context.Context, p project, proxy string, args ...string) (goRun, error) {
	c, err := l.newClient(p)
	if err != nil {
		return goRun{}, err
	}
	defer c.remove()
	return c.run(ctx, proxy, nil, args...)
}

// A client is a copy of a project's main module, with caches of its own on tmpfs that are
// empty at first. The fixture's go.sum has every hash, so the go command itself refuses
// bytes that are wrong.
type client struct{ dir string }

func (l *lab) newClient(p project) (client, error) {
	dir, err := os.MkdirTemp(l.fast, "client-")
	if err != nil {
		return client{}, err
	}
	return client{dir}, os.CopyFS(filepath.Join(dir, "main"), os.DirFS(p.main))
}

func (c client) remove() { _ = os.RemoveAll(c.dir) }

// run runs the go command with GOPROXY=proxy and env. The clock runs only while it does.
func (c client) run(ctx context.Context, proxy string, env []string, args ...string) (goRun, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.WaitDelay = time.Second
	cmd.Dir = filepath.Join(c.dir, "main")
	cmd.Env = append(os.Environ(),
		"PWD="+cmd.Dir, "HOME="+c.dir, "GOENV=off", "GOWORK=off", "GOTOOLCHAIN=local", "GOTELEMETRY=off",
		"GOPROXY="+proxy, "GOSUMDB=off", "GOFLAGS=-modcacherw", "GOPRIVATE=", "GONOPROXY=", "GONOSUMDB=",
		"GOPATH="+filepath.Join(c.dir, "gopath"), "GOMODCACHE="+filepath.Join(c.dir, "mod"), "GOCACHE="+filepath.Join(c.dir, "cache"))
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	r := goRun{time.Since(begin), stdout.Bytes(), stderr.String()}
	if err != nil {
		return r, fmt.Errorf("GOPROXY=%s go %v: %w\n%.2000s", proxy, args, err, r.stderr)
	}
	return r, nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// stopGrace is how long a child may take to end after it was asked to.
const stopGrace = 15 * time.Second

// A child is a server that runs beside the tests. It is killed with everything
// it started when its context ends.
type child struct {
	name string
	log  string // its output
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read it after done
}

// startChild starts cmd, made by command with a context, and writes its output to log.
func startChild(name, log string, cmd *exec.Cmd) (*child, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := &child{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// command is an exec.Cmd whose whole process group dies when ctx ends.
func command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = stopGrace
	return cmd
}

// stop asks the child to end, insists after stopGrace, and returns when it has
// ended. It reports a child that did not end well by itself.
func (c *child) stop() error {
	select {
	case <-c.done:
		return fmt.Errorf("%s: ended by itself: %v%s", c.name, c.err, c.tail())
	default:
	}
	if err := terminate(c.cmd.Process); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	select {
	case <-c.done:
	case <-time.After(stopGrace):
		_ = killGroup(c.cmd.Process)
		<-c.done
		return fmt.Errorf("%s: still running %v after it was asked to end; killed%s", c.name, stopGrace, c.tail())
	}
	return nil
}

// alive reports whether the child still runs, and if not, why.
func (c *child) alive() error {
	select {
	case <-c.done:
		return fmt.Errorf("%s: ended early: %v%s", c.name, c.err, c.tail())
	default:
		return nil
	}
}

// tail is the end of the child's output, indented, for an error message.
func (c *child) tail() string {
	data, err := os.ReadFile(c.log)
	if err != nil {
		return ""
	}
	return "\n" + indent(lastLines(string(data), 15))
}

// lastLines returns at most n lines from the end of s.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }

// cleanEnv is this process's environment without the settings that would
// change what a child does, and with set added.
func cleanEnv(set ...string) []string {
	drop := []string{
		"CMDGO_TEST_RUN_MAIN", "GOAUTH", "GOBIN", "GOFLAGS", "GOINSECURE", "GONOPROXY", "GONOSUMDB", "GOPRIVATE",
		"GOPROXY", "GOROOT", "GOSUMDB", "GOTOOLCHAIN", "GOVCS", "GOWORK", "SSL_CERT_DIR", "SSL_CERT_FILE",
	}
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(drop, name) || strings.HasPrefix(name, "MODHAVEN_")
	})
	return append(env, set...)
}

package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"time"
)

// A testProxy is cmd/go's module test proxy, run alone.
type testProxy struct {
	*child
	addr string // host:port; it serves below /mod
}

func (p testProxy) url() string { return "http://" + p.addr + "/mod" }

var testProxyRunning = regexp.MustCompile(`running at GOPROXY=http://([^/\s]+)/mod`)

// startTestProxy runs the test binary as a proxy on a free loopback port.
func startTestProxy(ctx context.Context, g goTree, b testBinary, log string) (testProxy, error) {
	cmd := command(ctx, b.path, "-proxy=127.0.0.1:0")
	cmd.Dir = g.cmdgo
	cmd.Env = cleanEnv("GOTOOLCHAIN=local")
	c, err := startChild("cmd/go's test proxy", log, cmd)
	if err != nil {
		return testProxy{}, err
	}
	p := testProxy{child: c}
	err = c.waitUntil(ctx, 30*time.Second, func() bool {
		out, _ := os.ReadFile(log)
		if m := testProxyRunning.FindSubmatch(out); m != nil {
			p.addr = string(m[1])
		}
		return p.addr != ""
	})
	if err != nil {
		_ = c.stop()
	}
	return p, err
}

// waitUntil asks ready again and again until it says so, the child ends, or
// limit passes.
func (c *child) waitUntil(ctx context.Context, limit time.Duration, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-c.done:
			return c.alive()
		case <-ctx.Done():
			return fmt.Errorf("%s: not ready after %v%s", c.name, limit, c.tail())
		case <-tick.C:
		}
	}
	return nil
}

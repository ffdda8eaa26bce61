package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// A target is what stands between the go command and the test proxy.
type target struct {
	url    *url.URL // scheme and host; modules are served at its root
	client *http.Transport
	alive  func() error // says how it ended if it did
	stop   func() error // ends it; reports a bad end
}

// buildModhaven builds ./cmd/modhaven of the module in the current directory.
func buildModhaven(ctx context.Context, out string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := command(ctx, "go", "build", "-o", out, "github.com/modhaven/modhaven/cmd/modhaven")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/modhaven: %w\n%s", err, indent(lastLines(string(msg), 15)))
	}
	return nil
}

// startModhaven runs the binary on a free loopback port with an empty state
// directory below dir. cert is nil for plain HTTP.
func startModhaven(ctx context.Context, bin, dir string, up testProxy, sumdbKey string, cert *certificate) (target, error) {
	addr, err := freeAddr()
	if err != nil {
		return target{}, err
	}
	home := filepath.Join(dir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return target{}, err
	}
	args := []string{
		"serve", "--listen", addr, "--state", filepath.Join(dir, "state"),
		"--upstreams", up.url(), "--sumdb", sumdbKey + " " + up.url() + "/sumdb-direct",
		"--patience", "0s", "--upstream-options", up.url() + " check=off breaker=off attempts=1", // some scripts mean trouble
	}
	t := target{url: &url.URL{Scheme: "http", Host: addr}, client: transport(cert)}
	if cert != nil {
		t.url.Scheme = "https"
		args = append(args, "--tls-cert", cert.certFile, "--tls-key", cert.keyFile)
	}
	cmd := command(ctx, bin, args...)
	cmd.Dir = home
	cmd.Env = cleanEnv("HOME="+home, "XDG_CACHE_HOME="+home, "XDG_CONFIG_HOME="+home, "GOENV=off", "LANG=C.UTF-8")
	return startServer(ctx, cmd, filepath.Join(dir, "modhaven.log"), t)
}

// startServer runs a Modhaven that is t, and waits until it is ready.
func startServer(ctx context.Context, cmd *exec.Cmd, log string, t target) (target, error) {
	c, err := startChild("modhaven", log, cmd)
	if err != nil {
		return target{}, err
	}
	t.alive = c.alive
	t.stop = func() error { return errors.Join(c.stop(), alarms(c.log)) }
	var last error
	err = c.waitUntil(ctx, 30*time.Second, func() bool {
		var ok bool
		ok, last = t.ready(ctx)
		return ok
	})
	if err != nil {
		_ = c.stop()
		return t, errors.Join(err, last)
	}
	return t, nil
}

// ready asks /readyz. A server without it counts as ready when it answers at
// all; over TLS the answer must come by HTTP/2.
func (t target) ready(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url.JoinPath("readyz").String(), nil)
	if err != nil {
		return false, err
	}
	resp, err := t.client.RoundTrip(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if t.url.Scheme == "https" && resp.ProtoMajor != 2 {
		return false, fmt.Errorf("modhaven: speaks %s over TLS, want HTTP/2", resp.Proto)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		return false, fmt.Errorf("modhaven: /readyz answers %s", resp.Status)
	}
	return true, nil
}

var alarm = regexp.MustCompile(`(?m)^.*(^panic: |^fatal error: |WARNING: DATA RACE|http: panic serving).*$`)

// alarms finds what no server's log may hold, whatever it answered.
func alarms(log string) error {
	data, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	if line := alarm.Find(data); line != nil {
		return fmt.Errorf("modhaven: its log says: %s", line)
	}
	return nil
}

// transport is a client that shows a server as it is: no proxy, no
// compression of its own, HTTP/2 where TLS offers it.
func transport(cert *certificate) *http.Transport {
	t := &http.Transport{
		DisableCompression:    true,
		MaxIdleConnsPerHost:   64,
		ResponseHeaderTimeout: 2 * time.Minute,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}
	if cert != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: cert.pool}
		t.ForceAttemptHTTP2 = true
	}
	return t
}

// freeAddr finds a loopback port that was free a moment ago.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

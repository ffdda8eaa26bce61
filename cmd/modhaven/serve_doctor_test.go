package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/msg"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// At the start of a server the doctor says why an upstream does not answer, and nothing of one that does.
func TestDiagnoseUpstream(t *testing.T) {
	up := proxytest.New(t)
	home := t.TempDir()
	proxytest.NoTelemetry(t, filepath.Join(home, ".config"))
	environ := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "GOENV=off"}
	cfg, err := config.Load(config.Sources{Environ: append(environ, "MODHAVEN_UPSTREAMS="+up.URL)})
	if err != nil {
		t.Fatal(err)
	}
	said := func() string {
		var b bytes.Buffer
		p := &process{err: &b, out: &b, environ: environ, msg: msg.New(nil)}
		p.diagnoseUpstream(t.Context(), cfg, goproxy.Upstream{URL: up.URL})
		return b.String()
	}
	if got := said(); got != "" {
		t.Errorf("of an upstream that works: %q", got)
	}
	up.Refuse()
	got := said()
	if !strings.HasPrefix(got, "origin-down MH1801 (") || !strings.Contains(got, "ss -ltnp") || !strings.Contains(got, "check the port in upstreams\n") || strings.Count(got, "\n") > maxDiagnosis {
		t.Errorf("of one that does not listen: %q", got)
	}
}

// The settings stage warns of what is wrong, by Modhaven's own names, and asks nobody.
func TestWarnOfSettings(t *testing.T) {
	warned := func(environ ...string) string {
		environ = append([]string{"HOME=" + t.TempDir(), "GOENV=off"}, environ...)
		cfg, err := config.Load(config.Sources{Environ: environ})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		p := &process{err: &b, out: &b, environ: environ, msg: msg.New(nil)}
		p.warnOfSettings(t.Context(), cfg, slog.New(slog.NewTextHandler(&b, nil)))
		return b.String()
	}
	if got := warned("MODHAVEN_UPSTREAMS=https://goproxy.test,direct", "MODHAVEN_SUMDB=off"); got != "" {
		t.Errorf("of settings that are well: %s", got)
	}
	if got := warned("MODHAVEN_UPSTREAMS=off"); got != "" {
		t.Errorf("of a server that asks nobody: %s", got)
	}
	got := warned("MODHAVEN_UPSTREAMS=https://gocenter.io,https://goproxy.test", "HTTPS_PROXY=http://:hush@")
	for _, want := range []string{"upstreams names gocenter.io, which no longer is a module proxy", "code=MH1008", `fix="take it out of upstreams"`, "code=MH1009", "HTTPS_PROXY is not an address"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if n := strings.Count(got, "\n"); n != 2 || strings.Contains(got, "hush") {
		t.Errorf("%d lines: %s", n, got)
	}
}

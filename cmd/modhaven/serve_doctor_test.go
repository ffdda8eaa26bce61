package main

import (
	"bytes"
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
	if !strings.HasPrefix(got, "origin-down MH1801 (") || !strings.Contains(got, "ss -ltnp") || strings.Count(got, "\n") > maxDiagnosis {
		t.Errorf("of one that does not listen: %q", got)
	}
}

package main

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/doctor"
)

// TestOffice: a client names a module at most. Who is probed for it is who is configured and may hear of it; the go command's own
// settings in the server's environment do not count.
func TestOffice(t *testing.T) {
	environ := []string{
		"HOME=" + t.TempDir(), "GOENV=off", "GONOPROXY=*", "MODHAVEN_STATE=" + t.TempDir(),
		"MODHAVEN_UPSTREAMS=https://proxy.golang.org,https://inner.corp.test,https://own.corp.test,direct", "MODHAVEN_PRIVATE=corp.test/secret",
		"MODHAVEN_ROUTES=team.test/* https://team.corp.test", "MODHAVEN_UPSTREAM_OPTIONS=https://own.corp.test netrc=off",
		"MODHAVEN_OWN_DOMAINS=corp.example", "MODHAVEN_SUMDB=sum.golang.org",
	}
	cfg, err := config.Load(config.Sources{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	hv, err := newHaven(cfg, log, extras{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hv.close)
	f := &office{&process{environ: environ}, cfg, hv}
	for _, tt := range []struct{ module, lists, sum, left string }{
		{"", "https://proxy.golang.org,https://inner.corp.test; https://team.corp.test", "on off", "https://own.corp.test direct"},
		{"example.com/m", "https://proxy.golang.org,https://inner.corp.test", "on", "https://own.corp.test"},
		{"corp.test/secret/m", "https://inner.corp.test", "off", "https://own.corp.test"},
		{"team.test/m", "https://team.corp.test", "off", ""},
		{"git.corp.example/m", "", "off", "git.corp.example/m"},
		{"10.0.0.1/m", "", "off", "10.0.0.1/m"},
	} {
		var lists, sums, left []string
		for _, o := range f.plans(tt.module, "") {
			lists = append(lists, o.Override["GOPROXY"])
			sums = append(sums, map[bool]string{true: "off", false: "on"}[o.Override["GOSUMDB"] == "off"])
			for _, n := range o.NotRun {
				left = append(left, n.Name)
			}
			if o.Given != doctor.GivenByModhaven || o.Module != tt.module {
				t.Errorf("%s: given by %q, about %q", tt.module, o.Given, o.Module)
			}
		}
		if got := strings.Join(lists, "; "); got != tt.lists {
			t.Errorf("%s: %q is asked, want %q", tt.module, got, tt.lists)
		}
		if got := strings.Join(sums, " "); got != tt.sum {
			t.Errorf("%s: the checksum database is %s, want %s", tt.module, got, tt.sum)
		}
		if got := strings.Join(left, " "); got != tt.left {
			t.Errorf("%s: not probed are %q, want %q", tt.module, got, tt.left)
		}
	}
}

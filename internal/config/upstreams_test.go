package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modhaven/modhaven/internal/goproxy"
)

// goEnvOf makes settings of the go command from layers, the strongest first.
func goEnvOf(goproxies ...string) *GoEnv {
	e := &GoEnv{}
	for i, p := range goproxies {
		e.layers = append(e.layers, goLayer{from: string(rune('A' + i)), vars: map[string]string{"GOPROXY": p}})
	}
	e.layers = append(e.layers, DefaultGoEnv().layers...)
	return e
}

func TestGoProxyLoop(t *testing.T) {
	const self = "http://127.0.0.1:3000"
	left := func(list, from string) []string {
		return []string{self + " in GOPROXY is this very server and is left out; the upstreams are now " + list + " (" + from + ")"}
	}
	for _, tt := range []struct {
		name     string
		listen   string
		env      *GoEnv
		want     string
		warnings []string
	}{
		{"no loop", "127.0.0.1:3000", goEnvOf("http://127.0.0.1:3001,direct"), "http://127.0.0.1:3001,direct", nil},
		{"another host", "127.0.0.1:3000", goEnvOf("http://go.example:3000"), "http://go.example:3000", nil},
		{"another loopback address", "127.0.0.2:3000", goEnvOf(self), self, nil},
		{"a free port", "127.0.0.1:0", goEnvOf(self), self, nil},
		{"alone", "127.0.0.1:3000", goEnvOf(self, "https://b.example"), "https://b.example", left("https://b.example", "GOPROXY of B")},
		{"before direct", "127.0.0.1:3000", goEnvOf(self + ",direct"), goproxy.DefaultUpstreams, left(goproxy.DefaultUpstreams, "GOPROXY of Go's defaults")},
		{"everywhere", "127.0.0.1:3000", goEnvOf(self, self+"|off"), goproxy.DefaultUpstreams,
			left(goproxy.DefaultUpstreams, "GOPROXY of Go's defaults")},
		{"first of several", "127.0.0.1:3000", goEnvOf(self + ",https://a.example|direct"), "https://a.example|direct", left("https://a.example|direct", "GOPROXY of A")},
		{"last of several", "127.0.0.1:3000", goEnvOf("https://a.example|" + self), "https://a.example", left("https://a.example", "GOPROXY of A")},
		{"every address", "0.0.0.0:3000", goEnvOf(self, "https://b.example"), "https://b.example", left("https://b.example", "GOPROXY of B")},
		{"no host", ":3000", goEnvOf(self, "https://b.example"), "https://b.example", left("https://b.example", "GOPROXY of B")},
		{"localhost", "localhost:3000", goEnvOf(self, "https://b.example"), "https://b.example", left("https://b.example", "GOPROXY of B")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(Sources{Flags: map[string]string{"listen": tt.listen, "auth": "none"}, GoEnv: tt.env})
			if err != nil {
				t.Fatal(err)
			}
			ups, err := c.UpstreamList()
			if got := goproxy.FormatUpstreams(ups); err != nil || got != tt.want {
				t.Errorf("upstreams %s, error %v; want %s", got, err, tt.want)
			}
			var got []string
			for _, w := range c.Warnings() {
				got = append(got, w.String())
			}
			if diff := cmp.Diff(tt.warnings, got); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSelfDefaultPort(t *testing.T) {
	c := Default()
	for listen, tests := range map[string]map[string]bool{
		"127.0.0.1:80":  {"http://127.0.0.1": true, "https://127.0.0.1": false, "http://localhost": true, "http://[::1]": false},
		"127.0.0.1:443": {"https://127.0.0.1": true, "127.0.0.1": true, "http://127.0.0.1": false},
		"[::1]:3000":    {"http://[::1]:3000": true, "http://[0:0:0:0:0:0:0:1]:3000/x": true, "http://127.0.0.1:3000": false, "http://localhost:3000": true},
		"nonsense":      {"http://127.0.0.1": false},
	} {
		c.Listen = listen
		for entry, want := range tests {
			if got := c.isSelf(entry); got != want {
				t.Errorf("listening on %s: isSelf(%s) = %v, want %v", listen, entry, got, want)
			}
		}
	}
}

func TestGoProxyErrors(t *testing.T) {
	for list, want := range map[string]string{
		"file:///srv":                   `upstreams: GOPROXY of A cannot be used: "file:///srv": the scheme must be https or http; set upstreams`,
		"https://u:sec%ZZret@a.example": "upstreams: GOPROXY of A cannot be read; in a user or a password everything but letters, digits, - . _ ~ is written as %XX",
		",":                             "upstreams: GOPROXY of A cannot be used: the list is empty; it needs an address, a named list (default, cn), direct or off; set upstreams",
	} {
		c, err := Load(Sources{GoEnv: goEnvOf(list)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Check(); err == nil || err.Error() != want {
			t.Errorf("GOPROXY=%s: error %v, want %s", list, err, want)
		}
	}
}

func TestSumDBMirrors(t *testing.T) {
	mirror := []string{goproxy.CNMirror}
	for _, tt := range []struct {
		upstreams, sumdb string
		want             []string
	}{
		{"", "", nil},
		{"cn", "", mirror},
		{"https://a.example,cn", "sum.golang.org", mirror},
		{"cn", "sum.golang.org https://mirror.example", mirror},
		{"cn", "sum.golang.google.cn", nil},
		{"cn", "off", nil},
		{"direct,cn", "", nil},
		{"https://cn.example", "", nil},
		{"cn", "localhost.localdev/sumdb+00000c67+AcTrnkbUA+TU4heY3hkjiSES/DSQniBqIeQ/YppAUtK6", nil},
	} {
		c, err := Load(Sources{Flags: map[string]string{"upstreams": tt.upstreams, "sumdb": tt.sumdb}, GoEnv: DefaultGoEnv()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, c.SumDBMirrors()); diff != "" {
			t.Errorf("upstreams %q, sumdb %q (-want +got):\n%s", tt.upstreams, tt.sumdb, diff)
		}
	}
}

func TestSumDatabase(t *testing.T) {
	e := DefaultGoEnv()
	e.layers = append([]goLayer{{"A", map[string]string{"GOSUMDB": "nonsense"}}}, e.layers...)
	c, err := Load(Sources{GoEnv: e})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SumDatabase(); err == nil || problems(err)[0][:len("sumdb: GOSUMDB of A cannot be used: ")] != "sumdb: GOSUMDB of A cannot be used: " {
		t.Errorf("error %v, want one that names GOSUMDB of A", err)
	}
	c.SumDB = "sum.golang.google.cn"
	if db, err := c.SumDatabase(); err != nil || db.Name != "sum.golang.org" || db.URL != goproxy.CNMirror {
		t.Errorf("SumDatabase() = %+v, %v; want sum.golang.org at %s", db, err, goproxy.CNMirror)
	}
}

package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modhaven/modhaven/internal/goproxy"
)

func TestResolvers(t *testing.T) {
	bad := func(entries ...string) []string {
		for i, e := range entries {
			entries[i] = "dns: " + e + " is not HOST or HOST:PORT, such as 192.0.2.53 or [2001:db8::53]:53"
		}
		return entries
	}
	for list, tt := range map[string]struct{ want, problems []string }{
		"":                                    {},
		"192.0.2.1":                           {want: []string{"192.0.2.1:53"}},
		"192.0.2.1:5353, dns.corp.example":    {want: []string{"192.0.2.1:5353", "dns.corp.example:53"}},
		"dns:1,2001:db8::1,[2001:db8::2]":     {want: []string{"dns:1", "[2001:db8::1]:53", "[2001:db8::2]:53"}},
		"[2001:db8::1]:5353":                  {want: []string{"[2001:db8::1]:5353"}},
		"https://dns.example,192.0.2.1,a b":   {problems: bad(`"https://dns.example"`, `"a b"`)},
		"192.0.2.1:0,192.0.2.1:65536,x:dns,:": {problems: bad(`"192.0.2.1:0"`, `"192.0.2.1:65536"`, `"x:dns"`, `":"`)},
		"192.0.2.1,":                          {problems: bad(`""`)},
		"u:p@host":                            {problems: bad(`"u:p@host"`)},
		":53":                                 {problems: bad(`":53"`)},
	} {
		c := Default()
		c.DNS = list
		got, err := c.Resolvers()
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", list, diff)
		}
		if diff := cmp.Diff(tt.problems, problems(err)); diff != "" {
			t.Errorf("%q: errors (-want +got):\n%s", list, diff)
		}
		if diff := cmp.Diff(tt.problems, problems(c.Check())); diff != "" {
			t.Errorf("%q: Check (-want +got):\n%s", list, diff)
		}
	}
}

func TestOTLP(t *testing.T) {
	const address = " is not an address that begins with http:// or https://, such as http://127.0.0.1:4318"
	const user = " has a user or a password; credentials are headers and go into the variable OTEL_EXPORTER_OTLP_HEADERS"
	for addr, want := range map[string]string{
		"": "", "http://127.0.0.1:4318": "", "https://otel.example/v1/": "", "https://[::1]:4318/a@b": "",
		"127.0.0.1:4318":              `"127.0.0.1:4318"` + address,
		"grpc://otel.example:4317":    `"grpc://otel.example:4317"` + address,
		"http://":                     `"http://"` + address,
		"https://me:secret@otel/x":    `"https://…@otel/x"` + user,
		"https://secret@otel":         `"https://…@otel"` + user,
		"https://me:sec%ZZret@otel":   `"…@otel"` + address,
		"me:secret@otel.example":      `"…@otel.example"` + address,
		"https://otel.example/?x=y":   `"https://otel.example/?x=y": an address has no query and no fragment`,
		"https://otel.example/#x":     `"https://otel.example/#x": an address has no query and no fragment`,
		"https://u:secret@otel/?x#y@": `"https://…@otel/?x#y@"` + user,
	} {
		c := Default()
		c.OTLP = addr
		var all []string
		if want != "" {
			all = []string{"otlp: " + want}
		}
		if diff := cmp.Diff(all, problems(c.Check())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", addr, diff)
		}
	}
}

// Offline nobody is asked, and nothing of the list that is in place stops the start but
// what is wrong with it in any case.
func TestOffline(t *testing.T) {
	for _, tt := range []struct {
		upstreams, options, goproxy string
		text                        string
		problems                    []string
	}{
		{"", "", "https://p.example", "https://p.example", nil},
		{"", "", "direct", "direct", nil},
		{"", "", "file:///srv", "file:///srv", nil},
		{"direct", "", "", "direct", nil},
		{"https://a.example,cn", "goproxy.cn weight=1", "", "https://a.example,cn", nil},
		{"ftp://a.example", "", "", "ftp://a.example", []string{`--upstreams: "ftp://a.example": the scheme must be https or http`}},
		{"https://a.example", "b.example attempts=2", "", "https://a.example", []string{
			"--upstream-options: b.example is none of the upstreams; write https://a.example, or * for all"}},
	} {
		c, err := Load(Sources{Flags: map[string]string{"offline": "on", "upstreams": tt.upstreams, "upstream-options": tt.options}, GoEnv: goEnvOf(tt.goproxy)})
		if err != nil {
			t.Fatal(err)
		}
		ups, err := c.UpstreamList()
		if diff := cmp.Diff([]goproxy.Upstream{{URL: goproxy.Off}}, ups); diff != "" || err != nil {
			t.Errorf("%+v: error %v (-want +got):\n%s", tt, err, diff)
		}
		if text, _ := c.UpstreamText(); text != tt.text {
			t.Errorf("%+v: the list in place is %q", tt, text)
		}
		if diff := cmp.Diff(tt.problems, problems(c.Check())); diff != "" {
			t.Errorf("%+v: Check (-want +got):\n%s", tt, diff)
		}
		if w, m := c.Warnings(), c.SumDBMirrors(); len(w)+len(m) > 0 {
			t.Errorf("%+v: warnings %v, mirrors %v; want none", tt, w, m)
		}
	}
}

func TestIsSet(t *testing.T) {
	c, err := Load(Sources{File: write(t, "patience: 45s\n"), GoEnv: DefaultGoEnv()})
	if err != nil || !c.IsSet("patience") || c.IsSet("drain") {
		t.Errorf("error %v, patience is set: %v, drain is set: %v; want true and false", err, c.IsSet("patience"), c.IsSet("drain"))
	}
}

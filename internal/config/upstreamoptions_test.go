package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modhaven/modhaven/internal/goproxy"
)

func TestUpstreamOptions(t *testing.T) {
	type opts = goproxy.UpstreamOptions
	const golang = "https://proxy.golang.org"
	for _, tt := range []struct {
		name, upstreams, options string
		want                     map[string]opts
	}{
		{"nothing", "default", "", map[string]opts{}},
		{"every option", "https://a.example", "https://a.example ca=/ca.pem cert=c.pem key=\"my key\" proxy=http://u:p@proxy.example:3128 bearer-file=b headers-file=h netrc=off" +
			" weight=30 dial=1s tls=2s first=3s zip=4s idle=5s min-speed=16KiB attempts=7 retries=10 hedge=on hedge-after=250ms ahead=off concurrency=16 segments=3 check=30s", map[string]opts{
			"https://a.example": {CA: "/ca.pem", Cert: "c.pem", Key: "my key", Proxy: "http://u:p@proxy.example:3128", BearerFile: "b", Headers: "h", Netrc: goproxy.NotOn,
				Weight: 30, Dial: time.Second, TLS: 2 * time.Second, First: 3 * time.Second, Zip: 4 * time.Second, Idle: 5 * time.Second, MinSpeed: 16 << 10,
				Attempts: 7, Retries: 10, Hedge: goproxy.On, HedgeAfter: 250 * time.Millisecond, Ahead: goproxy.NotOn, Concurrency: 16, Segments: 3, Check: 30 * time.Second}}},
		{"none of it", "https://a.example", "a.example proxy=direct min-speed=off retries=0 check=off hedge=off weight=0", map[string]opts{
			"https://a.example": {Proxy: "direct", MinSpeed: -1, Retries: -1, Check: -1, Hedge: goproxy.NotOn}}},
		{"all and one", "https://a.example|https://b.example,direct", "https://b.example attempts=2 retries=0; * attempts=5 retries=20 first=9s", map[string]opts{
			"https://a.example": {Attempts: 5, Retries: 20, First: 9 * time.Second},
			"https://b.example": {Attempts: 2, Retries: -1, First: 9 * time.Second}}},
		{"a weight of none", "https://a.example|https://b.example", "* weight=50; https://b.example weight=0", map[string]opts{
			"https://a.example": {Weight: 50}, "https://b.example": {}}},
		{"a named list", "https://a.example,default", "proxy.golang.org attempts=2", map[string]opts{golang: {Attempts: 2}}},
		{"the machine's list", "", golang + "/ attempts=2", map[string]opts{golang: {Attempts: 2}}},
		{"without scheme in the list", "a.example/go", "https://a.example/go/ attempts=2", map[string]opts{"https://a.example/go": {Attempts: 2}}},
		{"with a password", "https://u:p@a.example/x", "https://u:p@a.example/x attempts=2", map[string]opts{"https://u:p@a.example/x": {Attempts: 2}}},
		{"without the password", "https://u:p@a.example/x|https://a.example", "a.example/x attempts=2; a.example attempts=3", map[string]opts{
			"https://u:p@a.example/x": {Attempts: 2}, "https://a.example": {Attempts: 3}}},
		{"with two passwords", "https://u:p@a.example|https://v:q@a.example", "a.example attempts=2", map[string]opts{
			"https://u:p@a.example": {Attempts: 2}, "https://v:q@a.example": {Attempts: 2}}},
		{"twice in the list", "https://a.example|https://a.example", "a.example attempts=2", map[string]opts{"https://a.example": {Attempts: 2}}},
		{"off", "off", "* attempts=2", map[string]opts{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(Sources{Flags: map[string]string{"upstreams": tt.upstreams, "upstream-options": tt.options}, GoEnv: DefaultGoEnv()})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.UpstreamOptions()
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
			if err := c.Check(); err != nil {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

func TestUpstreamOptionsInFile(t *testing.T) {
	c, err := Load(Sources{File: write(t, `
upstreams: https://a.example|https://b.example
upstream_options: |
  # The office.
  https://a.example ca="/my files/ca.pem" weight=1

  https://b.example	weight=3	attempts=2
  # * attempts=9
drain: 1s
`), GoEnv: DefaultGoEnv()})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.UpstreamOptions()
	want := map[string]goproxy.UpstreamOptions{
		"https://a.example": {CA: "/my files/ca.pem", Weight: 1},
		"https://b.example": {Weight: 3, Attempts: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if c.Drain != time.Second {
		t.Errorf("the key after the block is %v, want 1s", c.Drain)
	}
	again, err := Load(Sources{File: write(t, printed(t, c)), GoEnv: DefaultGoEnv()})
	if err != nil || again.Options != c.Options {
		t.Errorf("printed and read again %q, error %v; want %q", again.Options, err, c.Options)
	}
}

func TestUpstreamOptionErrors(t *testing.T) {
	const durations = " is not a duration above 0s; write a number and a unit (ms, s, m, h), such as 90s or 1m30s"
	for _, tt := range []struct {
		options string
		want    []string
	}{
		{"https://a.example", []string{"https://a.example has no options; write them after it, such as attempts=3"}},
		{"* attempts", []string{`*: "attempts" is not NAME=VALUE, such as attempts=3`}},
		{"* =3", []string{`*: "=3" is not NAME=VALUE, such as attempts=3`}},
		{"* attempt=3", []string{`*: "attempt" is not an option; is attempts meant?`}},
		{"* bearer_file=x", []string{`*: "bearer_file" is not an option; is bearer-file meant?`}},
		{"* timeout=3s", []string{`*: "timeout" is not an option; the options are ca, cert, key, proxy, bearer-file, headers-file, netrc, weight, dial, tls, first, zip, idle, min-speed, attempts, retries, hedge, hedge-after, ahead, concurrency, segments, check, breaker`}},
		{"* attempts=0 attempts=1; * hedge=on", []string{
			`*: "attempts=0" is not a whole number from 1 to 100`,
			`*: the option "attempts" stands twice`,
			"* stands twice; write all of its options in one line"}},
		{"a.example weight=1;https://a.example weight=2", []string{"https://a.example stands twice; write all of its options in one line"}},
		{"* netrc=yes hedge=1", []string{`*: "netrc=yes" is not allowed; it is one of: on, off`, `*: "hedge=1" is not allowed; it is one of: on, off`}},
		{"* weight=101 attempts=101 retries=1001 concurrency=3", []string{
			`*: "weight=101" is not a whole number from 0 to 100`,
			`*: "attempts=101" is not a whole number from 1 to 100`,
			`*: "retries=1001" is not a whole number from 0 to 1000`,
			`*: "concurrency=3" is not a whole number from 4 to 1024`}},
		{"* retries=-1 weight=5% attempts=", []string{
			`*: "retries=-1" is not a whole number from 0 to 1000`,
			`*: "weight=5%" is not a whole number from 0 to 100`,
			`*: "attempts=" is not a whole number from 1 to 100`}},
		{"* dial=0s tls=5 first=-1s hedge-after=off", []string{
			`*: "dial=0s"` + durations, `*: "tls=5"` + durations, `*: "first=-1s"` + durations, `*: "hedge-after=off"` + durations}},
		{"* min-speed=0 check=never", []string{
			`*: "min-speed=0" is neither a size from 1B to 1GiB, such as 16KiB, nor off`,
			`*: "check=never" is neither a duration above 0s, such as 30s, nor off`}},
		{"* min-speed=2GiB check=0s", []string{
			`*: "min-speed=2GiB" is neither a size from 1B to 1GiB, such as 16KiB, nor off`,
			`*: "check=0s" is neither a duration above 0s, such as 30s, nor off`}},
		{`* ca= headers-file=~/h bearer-file=""`, []string{
			`*: "ca=" names no file`,
			`*: "headers-file=~/h" begins with ~, which only a shell replaces; write the whole path`,
			`*: "bearer-file=" names no file`}},
		{"* proxy=me:secret@h:1", []string{`*: "proxy=…@h:1" is neither the address of a proxy, such as http://proxy.example:3128, nor direct`}},
		{"* proxy=ftp://me:secret@h", []string{`*: "proxy=ftp://…@h" is neither the address of a proxy, such as http://proxy.example:3128, nor direct`}},
		{"* proxy=http://h/x?y", []string{`*: "proxy=http://h/x?y" is neither the address of a proxy, such as http://proxy.example:3128, nor direct`}},
		{"* cert=c", []string{"*: a certificate needs its private key; set key too"}},
		{"* key=k; a.example cert=c", []string{"*: a private key needs its certificate; set cert too", "a.example: a certificate needs its private key; set key too"}},
		{`* ca="/my files`, []string{`*: a double quote stands only around a whole value, as in ca="/my files/ca.pem"`}},
		{`c.example attempt=3 ca="/my files`, []string{
			`c.example: "attempt" is not an option; is attempts meant?`,
			`c.example: a double quote stands only around a whole value, as in ca="/my files/ca.pem"`,
			"c.example is none of the upstreams; write https://a.example or https://…@b.example, or * for all"}},
		{`"a.example attempts=3`, []string{`"a.example attempts=3: a double quote stands only around a whole value, as in ca="/my files/ca.pem"`}},
		{"https://c.example attempts=2; direct attempts=2; cn attempts=0", []string{
			`cn: "attempts=0" is not a whole number from 1 to 100`,
			"https://c.example is none of the upstreams; write https://a.example or https://…@b.example, or * for all",
			"direct is none of the upstreams; write https://a.example or https://…@b.example, or * for all",
			"cn is none of the upstreams; write https://a.example or https://…@b.example, or * for all"}},
		{"https://u:other@b.example attempts=2", []string{
			"https://…@b.example is none of the upstreams; write https://a.example or https://…@b.example, or * for all"}},
		{`"" attempts=2`, []string{`"" is none of the upstreams; write https://a.example or https://…@b.example, or * for all`}},
		{"https://…@b.example attempts=2", []string{"the user and the password are masked, as config print shows them; write the real ones"}},
		{"* proxy=http://me:sec ret@h", []string{`"…@h" cannot be read; in a user or a password everything but letters, digits, - . _ ~ is written as %XX`}},
		{"* prxy=http://me:sec%ZZret@h", []string{`"…@h" cannot be read; in a user or a password everything but letters, digits, - . _ ~ is written as %XX`}},
	} {
		c, err := Load(Sources{
			Flags: map[string]string{"upstreams": "https://a.example|https://me:secret@b.example,direct", "upstream-options": tt.options},
			GoEnv: DefaultGoEnv(),
		})
		if err != nil {
			t.Errorf("%s: %v", tt.options, err)
			continue
		}
		for i := range tt.want {
			tt.want[i] = "--upstream-options: " + tt.want[i]
		}
		if diff := cmp.Diff(tt.want, problems(c.Check())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.options, diff)
		}
		if all, err := c.UpstreamOptions(); all != nil || err == nil {
			t.Errorf("%s: options %v, error %v; want an error alone", tt.options, all, err)
		}
	}
}

// Beside a list that is bad the options are checked all the same; and without upstreams
// there is none to name.
func TestUpstreamOptionsWithoutList(t *testing.T) {
	for upstreams, want := range map[string][]string{
		"ftp://x": {
			`--upstreams: "ftp://x": the scheme must be https or http`,
			`--upstream-options: https://x: "attempts=0" is not a whole number from 1 to 100`},
		"off": {
			`--upstream-options: https://x: "attempts=0" is not a whole number from 1 to 100`,
			"--upstream-options: https://x is none of the upstreams, and there are none"},
	} {
		c, err := Load(Sources{Flags: map[string]string{"upstreams": upstreams, "upstream-options": "https://x attempts=0"}, GoEnv: DefaultGoEnv()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, problems(c.Check())); diff != "" {
			t.Errorf("upstreams %s (-want +got):\n%s", upstreams, diff)
		}
	}
}

func TestManyOptionMistakes(t *testing.T) {
	var b strings.Builder
	for i := range 2 * maxErrors {
		fmt.Fprintf(&b, "https://proxy.golang.org zzz%d=1;", i)
	}
	c := Default()
	c.Options = b.String()
	got := problems(c.Check())
	if len(got) != maxErrors+1 || got[maxErrors] != "upstream_options: further mistakes are not listed" {
		t.Errorf("%d errors, the last %q; want %d and a note", len(got), got[len(got)-1], maxErrors)
	}
}

// A newline is allowed where lines have a meaning, and other control characters nowhere.
func TestOptionControl(t *testing.T) {
	for text, want := range map[string]string{
		"* attempts=2\r\n\t* hedge=on ": "* attempts=2\n* hedge=on",
		"* attempts=2\x00":              "",
		"* attempts=2\x1b[0m":           "",
		"* attempts=2\xff":              "",
		"* a\rb":                        "",
	} {
		c, err := Load(Sources{Flags: map[string]string{"upstream-options": text}, GoEnv: DefaultGoEnv()})
		if c.Options != want || (err == nil) != (want != "") {
			t.Errorf("%q is set as %q, error %v; want %q", text, c.Options, err, want)
		}
	}
}

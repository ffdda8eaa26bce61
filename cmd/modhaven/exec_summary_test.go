package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/msg"
)

func TestSummary(t *testing.T) {
	p := &process{msg: msg.For("C")}
	for _, test := range []struct {
		sum  sum
		want string
	}{
		{sum{}, "nothing was asked of the proxy"},
		{sum{requests: 3, bytes: 999}, "no modules, 999 B"},
		{sum{requests: 3, modules: 1, stored: 1, bytes: 1000}, "1 module (1 from the store), 1.0 kB"},
		{sum{requests: 300, modules: 95, stored: 90, bytes: 12_400_000, stale: 2}, "95 modules (90 from the store), 12.4 MB; 2 stale lists"},
		{sum{requests: 9, modules: 2, stale: 1, retried: 1, failed: 1, unstored: 1, storeErr: errors.New("disk full")},
			"2 modules (0 from the store), 0 B; 1 stale list; 1 download had to be tried again; 1 download failed; the store failed for 1 file: disk full"},
		{sum{requests: 9, modules: 1234, retried: 2, failed: 2, unstored: 2, storeErr: errors.New("disk full")},
			"1,234 modules (0 from the store), 0 B; 2 downloads had to be tried again; 2 downloads failed; the store failed for 2 files: disk full"},
	} {
		if got := p.summary(test.sum); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1049: "1.0 kB", 1050: "1.1 kB", 999_949: "999.9 kB",
		999_950: "1.0 MB", 12_400_000: "12.4 MB", 1e9: "1.0 GB", 999_950_000_000: "1.0 TB", 5e15: "5000.0 TB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestExplainFailures(t *testing.T) {
	file := func(n int) string { return fmt.Sprintf("example.com/m@v1.0.%d.zip", n) }
	busy := &goproxy.Unavailable{From: "https://a", Reason: "503 Service Unavailable:\n  busy"}
	lost := func(what string, tried ...attempt) failure { return failure{what, tried, busy} }
	timeout := attempt{goproxy.DefaultUpstreams[:len("https://proxy.golang.org")], &goproxy.Unavailable{From: "https://proxy.golang.org", Reason: "no answer within 10s", Err: errors.New("timeout")}}
	var many []failure
	for n := range 20 {
		many = append(many, lost(file(n), attempt{"https://a", &goproxy.Wrong{From: "https://a", Reason: fmt.Sprintf("broke off after %d bytes", n)}}))
	}
	for name, test := range map[string]struct {
		all  []failure
		want []string
	}{
		"none": {nil, nil},
		"one": {[]failure{lost(file(1), attempt{"https://a", busy})}, []string{
			"modhaven: 1 download failed:",
			"    https://a: 503 Service Unavailable: busy (example.com/m@v1.0.1.zip)",
		}},
		"nobody was asked": {[]failure{lost(file(1))}, []string{
			"modhaven: 1 download failed:",
			"    https://a: 503 Service Unavailable: busy (example.com/m@v1.0.1.zip)",
		}},
		"by upstream": {[]failure{
			lost(file(1), attempt{"https://b", errors.New("x")}, timeout),
			lost(file(2), timeout),
		}, []string{
			"modhaven: 2 downloads failed:",
			"    https://proxy.golang.org: no answer within 10s (2, such as example.com/m@v1.0.1.zip)",
			"    https://b: x (example.com/m@v1.0.1.zip)",
			"    in mainland China use: modhaven exec --upstreams cn -- CMD",
		}},
		"many reasons": {many, []string{
			"modhaven: 20 downloads failed:",
			"    https://a: broke off after 0 bytes (example.com/m@v1.0.0.zip)",
			"    https://a: broke off after 1 bytes (example.com/m@v1.0.1.zip)",
			"    https://a: broke off after 2 bytes (example.com/m@v1.0.2.zip)",
			"    https://a: broke off after 3 bytes (example.com/m@v1.0.3.zip)",
			"    https://a: broke off after 4 bytes (example.com/m@v1.0.4.zip)",
			"    https://a: broke off after 5 bytes (example.com/m@v1.0.5.zip)",
			"    https://a: broke off after 6 bytes (example.com/m@v1.0.6.zip)",
			"    https://a: broke off after 7 bytes (example.com/m@v1.0.7.zip)",
			"    and 12 other reasons",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			p := &process{msg: msg.For("C"), err: &out}
			p.explainFailures(test.all)
			var got []string
			if out.Len() > 0 {
				got = strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExplainUnderWay(t *testing.T) {
	now := time.Now()
	q := func(upstream, what string, age time.Duration) question {
		return question{what, upstream, what, now.Add(-age)}
	}
	for name, test := range map[string]struct {
		all  []question
		want string
	}{
		"none": {nil, ""},
		"one": {[]question{q("https://a", "example.com/m@latest", 15*time.Second)},
			"modhaven: 1 download was under way when the command ended:\n" +
				"    https://a: no whole answer for 15s (example.com/m@latest)\n"},
		"several": {[]question{q("https://b", "m1", 90*time.Second), q("https://a", "m2", 3*time.Second), q("https://b", "m3", 2*time.Second)},
			"modhaven: 3 downloads were under way when the command ended:\n" +
				"    https://b: no whole answer for 1m30s (2, such as m1)\n" +
				"    https://a: no whole answer for 3s (m2)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			p := &process{msg: msg.For("C"), err: &out}
			p.explainUnderWay(test.all, now)
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		"no address here: a:b@c":                           "no address here: a:b@c",
		"see https://example.com/a.":                       "see https://example.com/a.",
		`Get "https://me:pw@example.com/a?x=1": timeout`:   `Get "https://…@example.com/a?…": timeout`,
		"(http://me@example.com),":                         "(http://…@example.com),",
		"<a href=https://x.example/s?sig=abc>here</a>":     "<a href=https://x.example/s?…>",
		"proxyconnect tcp: dial http://u:p@10.0.0.1:3128:": "proxyconnect tcp: dial http://…@10.0.0.1:3128:",
		"https://me:p%@x.example":                          "…@x.example",
	} {
		if got := scrub(text); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	long := cause("https://a", errors.New("https://a: "+strings.Repeat("é", 300)))
	if len(long) > 310 || !strings.HasSuffix(long, "é…") || strings.HasPrefix(long, "https") {
		t.Errorf("got %d bytes: %s", len(long), long)
	}
}

package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestSelected(t *testing.T) {
	all := []bench{{name: "a"}, {name: "b"}, {name: "c"}, {name: "d:e"}, {name: "d:f"}}
	tests := []struct {
		names, want, err string
	}{
		{"", "abc", ""},
		{"c,a", "ac", ""},
		{"b", "b", ""},
		{"d", "d:ed:f", ""},
		{"b,d:f", "bd:f", ""},
		{"b,x", "", "x: no such benchmark; see -list"},
	}
	for _, tt := range tests {
		got, err := selected(all, tt.names)
		var names, text string
		for _, b := range got {
			names += b.name
		}
		if err != nil {
			text = err.Error()
		}
		if names != tt.want || text != tt.err {
			t.Errorf("selected(%q) = %q, %q; want %q, %q", tt.names, names, text, tt.want, tt.err)
		}
	}
}

func TestFlags(t *testing.T) {
	if _, err := parseFlags([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v, want flag.ErrHelp", err)
	}
	var stderr strings.Builder
	if _, err := parseFlags([]string{"hot"}, &stderr); err == nil || !strings.Contains(stderr.String(), "-run NAME") {
		t.Errorf("an argument: error %v and %q; want an error that names -run", err, stderr.String())
	}
}

func TestSample(t *testing.T) {
	s := sample{4, 1, 3, 2, 5}
	if got := s.median(); got != 3 {
		t.Errorf("median = %v, want 3", got)
	}
	if got := s.quantile(0.99); got != 5 {
		t.Errorf("quantile(0.99) = %v, want 5", got)
	}
	if got, want := s.over(sample{2, 1, 6}), (sample{2, 1, 0.5}); !slices.Equal(got, want) {
		t.Errorf("over = %v, want %v", got, want)
	}
	if got, want := s.spread("%.0f"), "1–5 (5)"; got != want {
		t.Errorf("spread = %q, want %q", got, want)
	}
	if got := (sample{}).median(); got != 0 {
		t.Errorf("median of nothing = %v, want 0", got)
	}
}

func TestTurns(t *testing.T) {
	var got strings.Builder
	say := func(s string) func(int) error {
		return func(int) error { got.WriteString(s); return nil }
	}
	l := new(lab)
	if err := l.turns(t.Context(), 3, nil, say("a"), say("b"), say("c")); err != nil || got.String() != "abccbaabc" {
		t.Errorf("order %q, error %v; want abccbaabc", got.String(), err)
	}
	bad := errors.New("bad")
	if err := l.turns(t.Context(), 1, nil, func(int) error { return bad }); !errors.Is(err, bad) {
		t.Errorf("error %v, want %v", err, bad)
	}
}

func TestTruncate(t *testing.T) {
	a, b := sample{1, 2, 3}, sample{4}
	before := lengths([]*sample{&a, &b})
	a, b = append(a, 5), append(b, 6, 7)
	truncate([]*sample{&a, &b}, before)
	if !slices.Equal(a, sample{1, 2, 3}) || !slices.Equal(b, sample{4}) {
		t.Errorf("%v and %v left, want what was there before", a, b)
	}
}

func TestParseWrk(t *testing.T) {
	const good = "Running 1s test @ http://x/\n  1 threads and 64 connections\nRequests/sec:  29174.16\nTransfer/sec:      5.84MB\n"
	tests := []struct {
		name, out string
		want      wrkResult
		ok        bool
	}{
		{"good", good, wrkResult{29174.16, 5.84 * (1 << 20)}, true},
		{"large", "Requests/sec: 50.5\nTransfer/sec: 1.97GB\n", wrkResult{50.5, 1.97 * (1 << 30)}, true},
		{"statuses", "  Non-2xx or 3xx responses: 17\n" + good, wrkResult{}, false},
		{"none completed", "Requests/sec: 0.00\nTransfer/sec: 774.86MB\n", wrkResult{0, 774.86 * (1 << 20)}, true},
		{"sockets", "  Socket errors: connect 0, read 1, write 0, timeout 0\n" + good, wrkResult{}, false},
		{"nothing", "unable to connect\n", wrkResult{}, false},
		{"no unit", "Requests/sec: 1\nTransfer/sec: 3X\n", wrkResult{}, false},
	}
	for _, tt := range tests {
		got, err := parseWrk([]byte(tt.out))
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%s: %v, %v; want %v, ok %v", tt.name, got, err, tt.want, tt.ok)
		}
	}
}

func FuzzParseWrk(f *testing.F) {
	f.Add([]byte("Requests/sec: 1\nTransfer/sec: 3.5KB\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		if r, err := parseWrk(out); err == nil && !(r.Bytes > 0) {
			t.Errorf("parseWrk(%q) = %v without an error", out, r)
		}
	})
}

func TestReport(t *testing.T) {
	var r report
	r.add("hot", []row{{figure: "× é", value: "1.0", met: yes}, {figure: "x", met: no}})
	var b bytes.Buffer
	r.write(&b)
	want := "| hot       | × é    | 1.0      |                 |        | yes     |\n"
	if !strings.Contains(b.String(), want) {
		t.Errorf("table:\n%s\nwant a line %s", b.String(), want)
	}
	if !r.missed() {
		t.Error("a row that was not reached did not count as missed")
	}
}

func TestRatioRow(t *testing.T) {
	tests := []struct {
		ratios sample
		target float64
		least  bool
		want   verdict
	}{
		{sample{0.96}, 0.95, true, yes},
		{sample{0.94}, 0.95, true, no},
		{sample{1.04}, 1.05, false, yes},
		{sample{1.06}, 1.05, false, no},
		{sample{1}, 0, true, unjudged},
	}
	for _, tt := range tests {
		if got := ratioRow("", tt.ratios, tt.target, tt.least).met; got != tt.want {
			t.Errorf("ratioRow(%v, %v, %v) = %q, want %q", tt.ratios, tt.target, tt.least, got, tt.want)
		}
	}
}

func TestTailLimit(t *testing.T) {
	quiet := &tail{p99: sample{0.2}}
	for p99, want := range map[float64]verdict{1.1: yes, 1.3: no} {
		if got := (&tail{p99: sample{p99}}).row("", quiet).met; got != want {
			t.Errorf("p99 %v after 0.2: %q, want %q", p99, got, want)
		}
	}
}

func TestKibField(t *testing.T) {
	status := []byte("Name:\tx\nVmHWM:\t   20480 kB\nVmRSS:\t    1024 kB\n")
	if got := kibField(status, "VmHWM:"); got != 20<<20 {
		t.Errorf("VmHWM = %d, want %d", got, 20<<20)
	}
	if got := kibField(status, "VmSwap:"); got != 0 {
		t.Errorf("a missing field = %d, want 0", got)
	}
}

func TestCPUClock(t *testing.T) {
	busy, total := machineTicks("cpu  100 1 20 1000 50 2 3 4 9 9")
	if busy != 125 || total != 1180 {
		t.Errorf("machineTicks = %d, %d; want 125, 1180", busy, total)
	}
	got := parseProcStat("7 (a b) c) S 3 2 3 4 5 6 7 8 9 10 11 20 30 40 0")
	if want := (procStat{parent: 3, own: 31, children: 70}); got != want {
		t.Errorf("parseProcStat = %v, want %v", got, want)
	}
	then, now := cpuClock{busy: 10, total: 100, own: 5}, cpuClock{busy: 60, total: 200, own: 35}
	if got := now.others(then); got != 0.2 {
		t.Errorf("others = %v, want 0.2", got)
	}
}

func TestTreeTicks(t *testing.T) {
	all := map[int]procStat{
		1: {parent: 0, own: 100}, 5: {parent: 1, own: 1, children: 2}, 6: {parent: 5, own: 3}, 7: {parent: 6, own: 4}, 8: {parent: 1, own: 50},
		9: {parent: 10}, 10: {parent: 9}, // torn: read while ids were used again
	}
	if got := treeTicks(all, 5); got != 10 {
		t.Errorf("treeTicks = %d, want 10", got)
	}
}

package main

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestDrawRepeats(t *testing.T) {
	m := mix{Rate: 0.5, Kinds: mixed()}
	for nth := range 50 {
		k := key{1, 2, "/example.com/m/@v/v1.0.0.zip", nth}
		if a, b := m.draw(k.rng(), "/p.zip", 1000), m.draw(k.rng(), "/p.zip", 1000); a != b {
			t.Fatalf("request %d: %v, then %v", nth, a, b)
		}
	}
	one := key{1, 2, "x", 1}
	for _, other := range []key{{2, 2, "x", 1}, {1, 3, "x", 1}, {1, 2, "y", 1}, {1, 2, "x", 2}} {
		if one.rng().Uint64() == other.rng().Uint64() {
			t.Errorf("%v and %v draw the same", one, other)
		}
	}
}

func TestDrawShares(t *testing.T) {
	const n = 20000
	m := mix{Rate: 0.1, Kinds: mixed()}
	for name, flips := range map[string]bool{"/p.zip": true, "/p.mod": false, "/p.info": false} {
		kinds := len(mixed())
		if !flips {
			kinds--
		}
		count := map[string]int{}
		for i := range n {
			d := m.draw(key{7, i, "/p", 1}.rng(), name, 500)
			count[d.kind]++
			if d.kind != "" && (d.at < 0 || d.at >= 500 || d.span < 300*time.Millisecond || d.span >= 1500*time.Millisecond) {
				t.Fatalf("%+v", d)
			}
		}
		if len(count) != kinds+1 || (count[faultFlip] > 0) != flips {
			t.Errorf("%s: %v", name, count)
		}
		want := n * m.Rate / float64(kinds)
		for kind, got := range count {
			if kind != "" && math.Abs(float64(got)-want) > 5*math.Sqrt(want) {
				t.Errorf("%s: %d × %s, want about %.0f", name, got, kind, want)
			}
		}
	}
}

func TestDrawOnlyZips(t *testing.T) {
	m := mix{Rate: 1, Kinds: []string{faultFlip}, OnlyZips: true}
	r := key{Name: "x"}.rng()
	if d := m.draw(r, "/p.mod", 10); d != (drawn{}) {
		t.Errorf("a text got %+v", d)
	}
	if d := m.draw(r, "/p.zip", 10); d.kind != faultFlip {
		t.Errorf("a zip got %+v", d)
	}
	if d := (mix{Rate: 1, Kinds: mixed()}).draw(r, "/p.zip", 0); d.at != 0 {
		t.Errorf("an empty body is cut at %d", d.at)
	}
	proven := mix{Rate: 1, Kinds: []string{faultFlip}, Proven: true}
	for name, want := range map[string]string{"/p.zip": faultFlip, "/p.mod": faultFlip, "/sumdb/db/tile/8/0/000": faultFlip, "/p.info": "", "/p/@v/list": ""} {
		if d := proven.draw(r, name, 10); d.kind != want {
			t.Errorf("with a checksum database %s got %q, want %q", name, d.kind, want)
		}
	}
}

func TestCurve(t *testing.T) {
	c := curve{{0, 10}, {0.5, 40}, {1, 80}}
	for q, want := range map[float64]int64{0: 10, 0.25: 20, 0.5: 40, 1: 80} {
		if got := c.at(q).Round(time.Millisecond).Milliseconds(); got != want {
			t.Errorf("at(%v) = %d ms, want %d", q, got, want)
		}
	}
}

func TestCutAfter(t *testing.T) {
	var sum float64
	for i := range 5000 {
		sum += float64(cutAfter(key{Run: i}.rng(), 4e6))
	}
	if mean := sum / 5000; math.Abs(mean-4e6) > 0.3e6 {
		t.Errorf("the mean is %.0f, want about 4,000,000", mean)
	}
}

func TestRangeSize(t *testing.T) {
	for header, want := range map[string]int64{
		"": 100, "bytes=0-": 100, "bytes=40-": 60, "bytes=100-": 0, "bytes=10-19": 10, "bytes=90-500": 10,
		"bytes=-5": 100, "bytes=x-": 100, "bytes=101-": 100,
	} {
		if got := rangeSize(header, 100); got != want {
			t.Errorf("rangeSize(%q) = %d, want %d", header, got, want)
		}
	}
}

func FuzzRangeSize(f *testing.F) {
	f.Add("bytes=3-7", int64(10))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if got := rangeSize(header, max(0, size)); got < 0 || got > max(0, size) {
			t.Errorf("rangeSize(%q, %d) = %d", header, size, got)
		}
	})
}

func TestSmallFiles(t *testing.T) {
	seen := map[string]bool{}
	for i := range 10 {
		p := tailPath(i)
		if _, ok := smallFile(p); !ok || seen[p] {
			t.Errorf("%s: there %v, seen before %v", p, ok, seen[p])
		}
		seen[p] = true
	}
	mod, _ := smallFile(tailPath(7))
	if want := "module example.com/tail/m3\n\ngo 1.24\n"; string(mod) != want {
		t.Errorf("%q, want %q", mod, want)
	}
	for _, p := range []string{"/", "/example.com/tail/mx/@v/v1.0.0.mod", "/example.com/tail/m1/@v/v1.0.0.zip", "/x" + tailPath(0)} {
		if _, ok := smallFile(p); ok {
			t.Errorf("%s is there", p)
		}
	}
}

func TestSpread(t *testing.T) {
	low, mean, high := sample{1, 1, 1, 1}.interval()
	if low != 1 || mean != 1 || high != 1 {
		t.Errorf("%v %v %v, want 1", low, mean, high)
	}
	low, mean, high = sample{0.5, 2}.interval()
	if got, want := fmt.Sprintf("%.4f %.4f %.4f", low, mean, high), fmt.Sprintf("%.4f %.4f %.4f", math.Exp(-12.706*math.Ln2), 1.0, math.Exp(12.706*math.Ln2)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, _, high := (sample{1}).interval(); !math.IsInf(high, 1) {
		t.Errorf("one ratio bounds the truth by %v", high)
	}
	for freedom, want := range map[int]float64{1: 12.706, 19: 2.093, 30: 2.042, 60: 2.000, 1e6: 1.960} {
		if got := student(freedom); math.Abs(got-want) > 0.003 {
			t.Errorf("student(%d) = %v, want %v", freedom, got, want)
		}
	}
}

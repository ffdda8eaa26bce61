package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/modhaven/modhaven/internal/goproxy"
)

func TestBypasses(t *testing.T) {
	day := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	tests := []struct {
		text string
		want []goproxy.Bypass
		err  string // part of it
	}{
		{"", nil, ""},
		{"# nothing\n\n", nil, ""},
		{"example.com/a,example.com/b/* 2026-12-31 the tag was moved, ticket 4711", []goproxy.Bypass{
			{Pattern: "example.com/a,example.com/b/*", Until: day("2027-01-01"), Reason: "the tag was moved, ticket 4711"}}, ""},
		{"a.example/m  2026-01-01  x; b.example/m 2026-01-02 y", []goproxy.Bypass{
			{Pattern: "a.example/m", Until: day("2026-01-02"), Reason: "x"}, {Pattern: "b.example/m", Until: day("2026-01-03"), Reason: "y"}}, ""},
		{"example.com/a", nil, "PATTERNS DAY REASON"},
		{"example.com/a 2026-12-31", nil, "PATTERNS DAY REASON"},
		{"example.com/a 31.12.2026 x", nil, "PATTERNS DAY REASON"},
		{"example.com/[ 2026-12-31 x", nil, "no pattern"},
		{"a, 2026-12-31 x", nil, "no pattern"},
	}
	for _, test := range tests {
		got, err := (&Config{Bypass: test.text}).Bypasses()
		switch {
		case (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err):
			t.Errorf("%q: error %v, want one with %q", test.text, err, test.err)
		case err == nil && cmp.Diff(test.want, got) != "":
			t.Errorf("%q: %s", test.text, cmp.Diff(test.want, got))
		}
	}
}

package main

import (
	"io"
	"regexp"
	"strings"
	"testing"
)

var regexpAll = regexp.MustCompile("")

func TestFlags(t *testing.T) {
	o, err := parseFlags([]string{"-mode", "long", "-times", "2", "-p", "3", "-run", "^mod_get"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if want := (options{mode: "long", times: 2, parallel: 3, pattern: "^mod_get"}); o != want {
		t.Errorf("got %+v, want %+v", o, want)
	}
	_, err = parseFlags([]string{"-mode", "medium", "-times", "0", "-run", "(", "-quick", "-standin", "-modhaven", "x", "y"}, io.Discard)
	if err == nil {
		t.Fatal("bad flags: no error")
	}
	for _, want := range []string{"-mode", "-times", "-run", "-quick", "-standin", `"y"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("bad flags: error lacks %s:\n%v", want, err)
		}
	}
}

// A run in which next to nothing reached Modhaven must not succeed.
func TestTooFewReached(t *testing.T) {
	base := baseline{Outcome: map[string]outcome{"mod_a": passed}}
	for _, tt := range []struct {
		pattern string
		reached int
		good    bool
	}{
		{defaultPattern, enough, true},
		{defaultPattern, enough - 1, false},
		{"^mod_get", 1, true},
		{"^mod_get", 0, false},
	} {
		p := pass{name: "cold", piped: map[string]int{}}
		for i := range tt.reached {
			p.piped[string(rune('a'+i))] = 1
		}
		var out strings.Builder
		r := &runner{options: options{pattern: tt.pattern}, say: sayTo(&out)}
		if err := r.summarise(base, []pass{p}); (err == nil) != tt.good {
			t.Errorf("%s, %d reached: error %v", tt.pattern, tt.reached, err)
		}
		if !strings.HasSuffix(out.String(), "\n1 passed, 0 failed, 0 skipped\n") && out.String() != "1 passed, 0 failed, 0 skipped\n" {
			t.Errorf("last line: %q", out.String())
		}
	}
}

// A regression in any pass makes the run fail.
func TestRegressionFailsTheRun(t *testing.T) {
	base := baseline{Outcome: map[string]outcome{"mod_a": passed, "mod_b": passed}}
	var out strings.Builder
	r := &runner{options: options{pattern: "^mod_[ab]"}, say: sayTo(&out)}
	good := pass{name: "cold", piped: map[string]int{"mod_a": 1}}
	bad := good
	bad.regressed = []string{"mod_b"}
	if err := r.summarise(base, []pass{good, bad}); err != errFailed {
		t.Errorf("error %v, want %v", err, errFailed)
	}
	if want := "1 passed, 1 failed, 0 skipped\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

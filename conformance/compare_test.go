package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompare(t *testing.T) {
	base := map[string]outcome{
		"pass": passed, "fails": failed, "gone": passed, "skips": passed, "skipped": skipped, "badskip": skipped,
		"may": passed, "needless": passed, "broken": failed, "healed": failed,
	}
	got := map[string]outcome{
		"pass": passed, "fails": passed, "skips": skipped, "skipped": skipped, "badskip": failed,
		"may": failed, "needless": passed, "broken": failed, "healed": passed,
	}
	scripts := []string{"pass", "gone", "skips", "skipped", "badskip", "may", "needless", "broken", "healed"}
	allowed := map[string]string{"may": "so", "needless": "so", "unrun": "so"}

	diffed := compare(base, got, scripts, allowed)
	want := comparison{
		regressed: []string{"badskip", "gone", "skips"}, excused: []string{"may"},
		unneeded: []string{"needless"}, broken: []string{"broken"},
	}
	if diff := cmp.Diff(want, diffed, cmp.AllowUnexported(comparison{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTotals(t *testing.T) {
	base := map[string]outcome{"a": passed, "b": passed, "c": passed, "d": skipped, "e": failed, "f": passed}
	passes := []comparison{
		{regressed: []string{"b"}},
		{regressed: []string{"c"}, excused: []string{"f"}},
	}
	pass, fail, skip := totals(base, passes)
	if pass != 1 || fail != 2 || skip != 3 {
		t.Errorf("got %d, %d, %d; want 1 passed, 2 failed, 3 skipped", pass, fail, skip)
	}
	if base["b"] != passed {
		t.Error("totals changed the baseline")
	}
}

func TestParseAllowed(t *testing.T) {
	got, err := parseAllowed("# why\n\nmod_a: because: so\n  mod_b:  and so  \n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"mod_a": "because: so", "mod_b": "and so"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"mod_a", "mod_a:", "mod_a: x\nmod_a: y", "mod a: x", "mod_a/tls: x"} {
		if _, err := parseAllowed(bad); err == nil || !strings.HasPrefix(err.Error(), "allowed.txt:") {
			t.Errorf("%q: error %v, want one that names the line", bad, err)
		}
	}
}

// The lists in force must parse, name scripts that exist, and stay short.
func TestAllowedFile(t *testing.T) {
	changed, err := parseChanged(changedText)
	if err != nil {
		t.Fatal(err)
	}
	g, goErr := findGo(t.Context())
	for _, list := range []struct {
		name, text string
		most       int
	}{{"allowed.txt", allowedText, 8}, {"allowedvcs.txt", allowedVCSText, 2}} {
		allowed, err := parseAllowed(list.text)
		if err != nil {
			t.Fatal(err)
		}
		if len(allowed) > list.most {
			t.Errorf("%s has %d scripts: a list this long hides regressions", list.name, len(allowed))
		}
		if goErr != nil {
			continue
		}
		texts, err := g.scripts(regexpAll)
		if err != nil {
			t.Fatal(err)
		}
		for script := range allowed {
			if _, ok := texts[script]; !ok {
				t.Errorf("%s: %s: %s has no such script", list.name, script, g.version)
			}
		}
		for script, lines := range changed {
			for _, c := range lines {
				if !strings.Contains(texts[script], "\n"+c.Old+"\n") {
					t.Errorf("changedvcs.txt: %s of %s has no line %q", script, g.version, c.Old)
				}
			}
		}
	}
}

func TestParseChanged(t *testing.T) {
	got, err := parseChanged("# why\n\nmod_a: because: so\n- go  x\n+ go y\n- z\n\nmod_b: so\n- stdout '- a'\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]change{"mod_a": {{"go  x", "go y"}, {"z", ""}}, "mod_b": {{"stdout '- a'", ""}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"- x", "mod_a: so\n+ y", "mod_a: so\n- x\n+ y\n+ z", "mod_a: so\nmod_a: so", "mod_a: so\n-x", "mod_a: so\n-", "mod_a: so\n- x\n\n+ y"} {
		if got, err := parseChanged(bad); err == nil || !strings.HasPrefix(err.Error(), "changedvcs.txt:") {
			t.Errorf("%q: %v, %v, want an error that names the line", bad, got, err)
		}
	}
}

func FuzzParseAllowed(f *testing.F) {
	f.Add(allowedText)
	f.Add("a: b\nc: d")
	f.Fuzz(func(t *testing.T, text string) {
		allowed, err := parseAllowed(text)
		if err != nil {
			return
		}
		var lines []string
		for script, reason := range allowed {
			lines = append(lines, script+": "+reason)
		}
		again, err := parseAllowed(strings.Join(lines, "\n"))
		if diff := cmp.Diff(allowed, again); err != nil || diff != "" {
			t.Errorf("printed and parsed again: %v\n%s", err, diff)
		}
	})
}

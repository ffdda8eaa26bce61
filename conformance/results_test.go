package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const output = `go test proxy running at GOPROXY=http://127.0.0.1:1/mod
=== RUN   TestScript
=== RUN   TestScript/mod_a
=== PAUSE TestScript/mod_a
=== RUN   TestScript/mod_b
=== PAUSE TestScript/mod_b
=== CONT  TestScript/mod_a
=== CONT  TestScript/mod_b
=== NAME  TestScript/mod_a
    script_test.go:139: 2026-01-01T00:00:00Z
        > go build
        --- FAIL: TestInner (0.00s)
=== NAME  TestScript/mod_b
        > go list
        FAIL: testdata/script/mod_b.txt:7: go list: exit status 1
--- FAIL: TestScript (3.20s)
    --- PASS: TestScript/mod_a (0.50s)
    --- FAIL: TestScript/mod_b (1.00s)
    --- SKIP: TestScript/mod_c (0.00s)
FAIL
`

func TestParseResults(t *testing.T) {
	got, err := parseResults(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]outcome{"mod_a": passed, "mod_b": failed, "mod_c": skipped}
	if diff := cmp.Diff(want, got.outcome); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	wantLog := []string{"        > go list", "        FAIL: testdata/script/mod_b.txt:7: go list: exit status 1", "--- FAIL: TestScript (3.20s)"}
	if diff := cmp.Diff(wantLog, got.log["mod_b"]); diff != "" {
		t.Errorf("log of mod_b (-want +got):\n%s", diff)
	}
	if n := got.count(passed); n != 1 {
		t.Errorf("passed: %d, want 1", n)
	}
}

func TestExcerpt(t *testing.T) {
	long := strings.Split(strings.Repeat("before\n", 100)+"FAIL: x.txt:3: go: no\nafter\n"+strings.Repeat("later\n", 50), "\n")
	got := strings.Split(excerpt(long), "\n")
	if len(got) != 17 || got[0] != "before" || got[14] != "FAIL: x.txt:3: go: no" || got[15] != "after" {
		t.Errorf("excerpt of a failure: %q", got)
	}
	if got := excerpt([]string{"a", "b"}); got != "a\nb" {
		t.Errorf("excerpt without a failed line: %q", got)
	}
	if got := excerpt(nil); got != "" {
		t.Errorf("excerpt of nothing: %q", got)
	}
}

// However torn the output, no script gets a result that no line gives it.
func FuzzParseResults(f *testing.F) {
	f.Add(output)
	f.Add("=== NAME\n    --- PASS: TestScript/ (")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseResults(strings.NewReader(s))
		if err != nil {
			t.Skip(err)
		}
		for script, o := range got.outcome {
			if !strings.Contains(s, "--- "+string(o)+": TestScript/"+script+" (") {
				t.Errorf("%s: %s out of nowhere", script, o)
			}
		}
		for script, log := range got.log {
			if len(log) > 2*logLines {
				t.Errorf("%s: %d lines of log kept", script, len(log))
			}
		}
	})
}

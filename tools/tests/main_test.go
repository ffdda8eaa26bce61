package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module writes the files of a module, given by name, and returns its directory.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module m.test\n\ngo 1.26\n"
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRun(t *testing.T) {
	const good = "package a\n\nimport \"testing\"\n\nfunc TestGood(t *testing.T) { t.Log(\"noise\") }\n"
	var killed strings.Builder
	if got := run([]string{"-C", module(t, map[string]string{"a/a_test.go": good}), "-nosuchflag", "./..."}, &killed, &killed); got == 0 || !strings.HasSuffix(killed.String(), "0 passed, 1 failed, 0 skipped\n") {
		t.Errorf("a run that cannot begin: status %d, %s", got, killed.String())
	}
	tests := []struct {
		name      string
		files     map[string]string
		status    int
		want, not []string
	}{
		{"good", map[string]string{"a/a_test.go": good}, 0,
			[]string{"ok  \tm.test/a\t", "\n1 passed, 0 failed, 0 skipped\n"}, []string{"noise", "PASS"}},
		{"bad", map[string]string{
			"a/a_test.go": good,
			"b/b_test.go": "package b\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) {\n\tt.Run(\"sub\", func(t *testing.T) { t.Error(\"why\") })\n}\n\nfunc TestNot(t *testing.T) { t.Skip(\"not here\") }\n",
		}, 1, []string{"why", "ok  \tm.test/a\t", "FAIL\tm.test/b\t", "skipped: m.test/b TestNot: b_test.go:9: not here\n", "1 passed, 2 failed, 1 skipped\n"}, []string{"noise"}},
		{"does not build", map[string]string{"a/a_test.go": good, "b/b_test.go": "package b\n\nvar x int = \"\"\n"}, 1,
			[]string{"b_test.go:3:13", "FAIL\tm.test/b [build failed]", "1 passed, 1 failed, 0 skipped\n"}, nil},
		{"ends outside of a test", map[string]string{"a/a_test.go": "package a\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestMain(m *testing.M) { m.Run(); os.Exit(3) }\n"}, 1,
			[]string{"FAIL\tm.test/a\t", "0 passed, 1 failed, 0 skipped\n"}, nil},
		{"panic", map[string]string{"a/a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestPanic(*testing.T) { panic(\"oh\") }\n"}, 1,
			[]string{"panic: oh", "0 passed, 1 failed, 0 skipped\n"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			if got := run([]string{"-C", module(t, test.files), "./..."}, &out, &out); got != test.status {
				t.Errorf("status %d, want %d", got, test.status)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q", want)
				}
			}
			for _, not := range test.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("%q is there", not)
				}
			}
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}

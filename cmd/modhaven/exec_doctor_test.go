package main

import "testing"

func TestModuleIn(t *testing.T) {
	for what, want := range map[string][2]string{
		"example.com/hello@v1.0.0.zip":       {"example.com/hello", "v1.0.0"},
		"example.com/hello@v1.0.0.info":      {"example.com/hello", "v1.0.0"},
		"example.com/hello/@v/list":          {"example.com/hello", ""},
		"example.com/hello@latest":           {"example.com/hello", ""},
		"example.com/hello@main":             {"example.com/hello", ""},
		"lookup/example.com/hello":           {"", ""},
		"example.com/m/v2@v2.0.0-rc.1.mod":   {"example.com/m/v2", "v2.0.0-rc.1"},
		"example.com/m@v0.0.0-20240101.info": {"example.com/m", "v0.0.0-20240101"},
	} {
		if path, version := moduleIn(what); path != want[0] || version != want[1] {
			t.Errorf("moduleIn(%q) = %q, %q, want %q", what, path, version, want)
		}
	}
}

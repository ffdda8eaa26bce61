package proxytest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestParseModule(t *testing.T) {
	m, err := ParseModule([]byte("# words\nmodule: example.com/m@v1.0.0\nref: a b\ntrim: .mod\nunlisted: true\n" +
		"-- .mod --\nmodule m\n-- .info --\n{}\n-- a/b.go --\npackage b\n"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Path != "example.com/m" || m.Version != "v1.0.0" || len(m.Refs) != 2 || !m.Unlisted || m.Mod != "module m" ||
		m.Info != "{}\n" || len(m.Files) != 1 || m.Files["a/b.go"] != "package b\n" {
		t.Errorf("got %+v", m)
	}
	for _, bad := range []string{"", "-- go.mod --\n", "modul: x@v1.0.0\n", "module: example.com/m@v1\n", "module: ../x@v1.0.0\n", "module: example.com/m@v2.0.0\n"} {
		if m, err := ParseModule([]byte(bad)); err == nil {
			t.Errorf("%q: no error, %+v", bad, m)
		}
	}
}

// FuzzParseModule: what is read can be served, or the reason is told.
func FuzzParseModule(f *testing.F) {
	f.Add([]byte("module: example.com/m@v1.0.0\n-- go.mod --\nmodule m\n"))
	f.Add([]byte("module: example.com/M/v2@v2.0.0\nref: x\n-- a --\n-- a/b --\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseModule(data)
		if err != nil {
			return
		}
		if m, err = m.complete(); err == nil && (m.Mod == "" || m.Info == "" || len(m.Zip) == 0 || m.Name("zip") == "") {
			t.Errorf("incomplete: %+v", m)
		}
	})
}

func TestLatest(t *testing.T) {
	const older, newer = "v0.0.0-20240101000000-000000000001", "v0.0.0-20240201000000-000000000002"
	tests := []struct {
		versions []string // in order
		want     string
	}{
		{nil, ""},
		{[]string{older, newer}, newer},
		{[]string{"v1.0.1-0.20230101000000-000000000003", "v2.0.0-20220101000000-000000000004"}, "v1.0.1-0.20230101000000-000000000003"},
		{[]string{newer, "v0.1.0-alpha"}, "v0.1.0-alpha"},
		{[]string{"v0.1.0", "v0.2.0", "v0.3.0-rc.1"}, "v0.2.0"},
	}
	for _, test := range tests {
		var mods []Module
		for _, v := range test.versions {
			mods = append(mods, Module{Path: "example.com/m", Version: v})
		}
		if got, _ := latest(mods); got.Version != test.want {
			t.Errorf("%v: got %q, want %q", test.versions, got.Version, test.want)
		}
	}
}

// TestFixturesAreOdd pins the bytes that the names of the fixtures promise.
func TestFixturesAreOdd(t *testing.T) {
	if m := Fixture(t, "example.com/nonewline", "v1.0.0"); strings.HasSuffix(m.Mod, "\n") {
		t.Errorf("nonewline: .mod %q", m.Mod)
	}
	if m := Fixture(t, "example.com/nomod", "v0.8.0"); m.Mod != "module example.com/nomod\n" || m.Files["go.mod"] != "" {
		t.Errorf("nomod: .mod %q", m.Mod)
	}
	if m := Fixture(t, "example.com/empty", "v1.0.0"); len(m.Zip) != 22 {
		t.Errorf("empty: a zip of %d bytes, want the 22 of an empty directory", len(m.Zip))
	}
	if m := Fixture(t, "example.com/oddinfo", "v1.0.0"); !strings.Contains(m.Info, `"Version" :"v1.0.0"`) || !strings.HasSuffix(m.Info, "\n\n") {
		t.Errorf("oddinfo: .info %q", m.Info)
	}
	if got := Fixture(t, "example.com/Upper/Sub-Module", "v1.0.0-RC.1").Name("zip"); got != "example.com/!upper/!sub-!module/@v/v1.0.0-!r!c.1.zip" {
		t.Errorf("Upper: name %s", got)
	}
}

func TestBigModule(t *testing.T) {
	const size = 4 << 20
	one, err := BigModule("example.com/big", "v1.0.0", size, 1).complete()
	if err != nil {
		t.Fatal(err)
	}
	same, err := BigModule("example.com/big", "v1.0.0", size, 1).complete()
	if err != nil {
		t.Fatal(err)
	}
	other, err := BigModule("example.com/big", "v1.0.0", size, 2).complete()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Zip, same.Zip) || bytes.Equal(one.Zip, other.Zip) {
		t.Error("the zip must follow from the seed")
	}
	if n := len(one.Zip); n < size || n > size*11/10 {
		t.Errorf("zip of %d bytes, want about %d", n, size)
	}
	if n := len(one.Files); n < 50 {
		t.Errorf("%d files, want many", n)
	}
	name := filepath.Join(t.TempDir(), "big.zip")
	if err := os.WriteFile(name, one.Zip, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := zip.CheckZip(module.Version{Path: one.Path, Version: one.Version}, name); err != nil {
		t.Error(err)
	}
}

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)

func members() []member {
	return []member{{"d/modhaven", 0o755, []byte("program")}, {"d/LICENSE", 0o644, bytes.Repeat([]byte("text\n"), 1000)}}
}

func TestTar(t *testing.T) {
	var a, b bytes.Buffer
	if err := writeTar(&a, members(), at); err != nil {
		t.Fatal(err)
	}
	if err := writeTar(&b, members(), at); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two archives of the same members differ")
	}
	z, err := gzip.NewReader(&a)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	for _, want := range members() {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil || h.Name != want.name || h.Mode != int64(want.mode) || !bytes.Equal(data, want.data) || !h.ModTime.Equal(at) || h.Uid != 0 || h.Uname != "" {
			t.Errorf("got %+v, %d bytes, %v; want %s", h, len(data), err, want.name)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: got %v", err)
	}
}

func TestZip(t *testing.T) {
	var a, b bytes.Buffer
	if err := writeZip(&a, members(), at); err != nil {
		t.Fatal(err)
	}
	if err := writeZip(&b, members(), at); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two archives of the same members differ")
	}
	r, err := zip.NewReader(bytes.NewReader(a.Bytes()), int64(a.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range members() {
		f := r.File[i]
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		if err != nil || f.Name != want.name || f.Mode() != want.mode || !bytes.Equal(data, want.data) || !f.Modified.Equal(at) {
			t.Errorf("got %s, mode %v, %d bytes, %v; want %s", f.Name, f.Mode(), len(data), err, want.name)
		}
	}
}

func TestSums(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"b": "", "a": "abc"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := writeSums(dir)
	if err != nil {
		t.Fatal(err)
	}
	// The hashes of "abc" and of nothing, from FIPS 180-2 and common knowledge.
	want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n" +
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSBOM(t *testing.T) {
	r := release{version: "v1.2.3", time: at}
	mods := []debug.Module{{Path: "std", Version: "1.26.8"}, {Path: "example.com/m", Version: "v2.0.0+incompatible", Sum: "h1:x"}}
	dir := t.TempDir()
	if err := r.writeSBOM(dir, mods); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "modhaven_1.2.3.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		BomFormat, SpecVersion, SerialNumber string
		Metadata                             struct{ Timestamp string }
		Components                           []struct{ Name, Purl string }
		Dependencies                         []struct{ DependsOn []string }
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.BomFormat != "CycloneDX" || got.SpecVersion != "1.6" || got.Metadata.Timestamp != "2026-01-02T03:04:06Z" || len(got.SerialNumber) != len("urn:uuid:")+36 {
		t.Errorf("got %+v", got)
	}
	want := []string{"pkg:golang/std@1.26.8", "pkg:golang/example.com/m@v2.0.0%2Bincompatible"}
	if len(got.Dependencies) != 1 || !slices.Equal(got.Dependencies[0].DependsOn, want) {
		t.Errorf("dependencies: got %+v, want %q", got.Dependencies, want)
	}
	for i, c := range got.Components {
		if c.Purl != want[i] {
			t.Errorf("component %d: got %q, want %q", i, c.Purl, want[i])
		}
	}
	again := t.TempDir()
	if err := r.writeSBOM(again, mods); err != nil {
		t.Fatal(err)
	}
	if b2, _ := os.ReadFile(filepath.Join(again, "modhaven_1.2.3.cdx.json")); !bytes.Equal(b, b2) {
		t.Error("two SBOMs of the same modules differ")
	}
}

func TestLicenceName(t *testing.T) {
	for name, want := range map[string]bool{
		"LICENSE": true, "LICENSE.txt": true, "LICENSE-MIT": true, "License.md": true, "COPYING": true, "NOTICE": true, "PATENTS": true, "LICENCE": true,
		"license_test.go": false, "license.go": false, "README.md": false, "noticeboard": false,
	} {
		if got := isLicence(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestParseFlags(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-version", "v1/2"}, {"-version", "v1", "more"}, {"-version", "v1", "-targets", "linux"}, {"-version", "v1", "-targets", "linux/amd64/v1"}, {"-version", "v1", "-targets", ""},
	} {
		if r, err := parseFlags(args, io.Discard); err == nil {
			t.Errorf("%q: got %+v, want an error", args, r)
		}
	}
	r, err := parseFlags([]string{"-version", "v1.0.0", "-time", "1"}, io.Discard)
	if err != nil || len(r.targets) != 6 || !r.time.Equal(time.Unix(1, 0)) {
		t.Errorf("got %+v, %v", r, err)
	}
}

// TestReplaceable: what was no release is not removed, however -out is mistyped.
func TestReplaceable(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if !replaceable(filepath.Join(dir, "new")) || !replaceable(dir) {
		t.Error("an absent or an empty directory is refused")
	}
	if err := os.WriteFile(precious, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if got := run([]string{"-version", "v1", "-out", dir}, &out, &out); got != 1 || !strings.Contains(out.String(), "no earlier release") {
		t.Errorf("got %d, %s", got, out.String())
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, sumsFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if !replaceable(dir) {
		t.Error("an earlier release is refused")
	}
}

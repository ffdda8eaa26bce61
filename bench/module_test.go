package main

import (
	"bytes"
	"compress/flate"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

func TestTextCompressesLikeSource(t *testing.T) {
	text := newAuthor(7).source(1 << 20)
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(text)
	w.Close()
	if ratio := float64(len(text)) / float64(b.Len()); ratio < 3 || ratio > 5 {
		t.Errorf("the text shrinks %.2f times; Go source does 3 to 5", ratio)
	}
	if !bytes.Equal(text, newAuthor(7).source(1<<20)) {
		t.Error("the same seed gave other text")
	}
}

func TestRecipe(t *testing.T) {
	r := recipe{Version: module.Version{Path: "example.com/m", Version: "v1.2.0"}, Go: "1.24", Size: 300 << 10, Seed: 4,
		Requires: []module.Version{{Path: "example.com/d", Version: "v1.0.0"}}}
	one, two := t.TempDir(), t.TempDir()
	sums, err := r.write(one)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.write(two); err != nil || again != sums {
		t.Errorf("the second time: %v, go.sum lines %q; want the same as %q", err, again, sums)
	}
	zip := filepath.Join(one, "example.com", "m", "@v", "v1.2.0.zip")
	checked, err := modzip.CheckZip(r.Version, zip)
	if err == nil {
		err = checked.Err()
	}
	if err != nil {
		t.Error(err)
	}
	st, err := os.Stat(zip)
	if err != nil {
		t.Fatal(err)
	}
	if off := float64(st.Size())/float64(r.Size) - 1; off < -0.3 || off > 0.3 {
		t.Errorf("the zip has %d bytes, want about %d", st.Size(), r.Size)
	}
}

func TestColdRecipes(t *testing.T) {
	deps, main := coldRecipes()
	total, small := 0, 0
	for _, d := range deps {
		total += d.Size
		if d.Size > 0 && d.Size < 100e3 {
			small++
		}
	}
	if len(main.Requires) != coldModules || small != coldModules/2 {
		t.Errorf("%d modules, %d below 100 KB; want %d and half of them", len(main.Requires), small, coldModules)
	}
	if total < 60e6 || total > 130e6 {
		t.Errorf("the project's zips have %d bytes, want 60 to 130 MB", total)
	}
}

// Every node of the graph must be named once and be reached from the main module.
func TestGraphRecipes(t *testing.T) {
	deps, main := graphRecipes()
	byVersion := make(map[module.Version]recipe)
	for _, d := range deps {
		byVersion[d.Version] = d
	}
	reached := make(map[module.Version]bool)
	for next := main.Requires; len(next) > 0; {
		v := next[0]
		next = next[1:]
		if !reached[v] {
			reached[v] = true
			next = append(next, byVersion[v].Requires...)
		}
	}
	if len(byVersion) != graphMods || len(reached) != graphMods {
		t.Errorf("%d different versions, %d of them reached; want %d", len(byVersion), len(reached), graphMods)
	}
}

package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEditApply(t *testing.T) {
	e := edit{"x_test.go", "if a {", "if b || a {"}
	for _, tt := range []struct{ name, src, want string }{
		{"once", "func f() {\n\tif a {\n\t}\n}\n", "func f() {\n\tif b || a {\n\t}\n}\n"},
		{"never", "func f() {}\n", ""},
		{"twice", "if a {}; if a {}\n", ""},
	} {
		got, err := e.apply(tt.src)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: got %q, error %v; want %q", tt.name, got, err, tt.want)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "x_test.go: ") {
			t.Errorf("%s: error %q does not name the file", tt.name, err)
		}
	}
}

// The edits must fit the Go that is installed, and leave valid Go behind.
func TestEditsFitInstalledGo(t *testing.T) {
	g, err := findGo(t.Context())
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if _, err := writeOverlay(g, dir); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"script_test.go", "scriptconds_test.go", "repo.go", hooksFile} {
		if _, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, file), nil, 0); err != nil {
			t.Error(err)
		}
	}
	for _, e := range edits() {
		data, err := os.ReadFile(filepath.Join(dir, filepath.Base(e.file)))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), e.new) {
			t.Errorf("%s: lacks %q", e.file, e.new)
		}
	}
	if _, err := g.sumdbKey(); err != nil {
		t.Error(err)
	}
}

func TestNeedsFront(t *testing.T) {
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"env GOPROXY=$GOPROXY/invalid\n", true},
		{"env GOPROXY=$proxy/404,$proxy/410,$proxy\n", true},
		{"env GOPROXY=${proxy}/404\n", true},
		{"env GOPROXY=$GOPROXYBASE/redirect/11\n", true},
		{"env GOSUMDB=$sumdb' '$proxy/sumdb-wrong\n", true},
		{"stderr 'reading http.*/mod/example.com/cmd/@v/v1.info: 404'\n", true},
		{"env proxy=$GOPROXY\nenv GOPROXY=off\nenv GOPROXY=$proxy\n", false},
		{"stderr 'get '$GOPROXY\n", false},
		{"exists $GOPATH/pkg/mod/cache/download\nenv GOPROXY=file:///$WORK/mod/x\n", false},
	} {
		if got := needsFront(tt.text); got != tt.want {
			t.Errorf("needsFront(%q) = %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestNeedsPlain(t *testing.T) {
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"go list\nstderr '^go: reading http://.*: 404 Not Found$'\n", true},
		{"! stdout 'http://'\n", true},
		{"# see http://example.com\nstderr 'reading http.*/@v/list'\n", false},
	} {
		if got := needsPlain(tt.text); got != tt.want {
			t.Errorf("needsPlain(%q) = %v, want %v", tt.text, got, tt.want)
		}
	}
}

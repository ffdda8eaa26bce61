package sumdb_test

import (
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/sumdb"
)

func TestSupported(t *testing.T) {
	r := always("", down)
	p, _ := proxy(t, r)
	if b := mustGet(t, p, "supported"); b != "" {
		t.Errorf("supported: got %q", b)
	}
	for _, path := range []string{
		"", name, name + "/", "sum.golang.org/supported", "sum.example.com/supported", name + "x/supported", name + "/x/supported",
		name + "/supported/", name + "//supported", "Sum.example.com/db/supported", name + "/Supported", "/" + name + "/supported",
		name + "/../db/supported", "supported", name + "/lookups", name + "/key",
	} {
		if _, err := p.Answer(t.Context(), path); status(err) != 404 {
			t.Errorf("%q: got %v, want 404", path, err)
		}
	}
	if got := r.asked(); len(got) != 0 {
		t.Errorf("the remote was asked %q", got)
	}
}

// TestNoDatabase: with the database off there is no name that is served, not even the empty one.
func TestNoDatabase(t *testing.T) {
	p := sumdb.New(sumdb.Options{})
	for _, path := range []string{"", "/supported", "supported", "sum.golang.org/supported", "/lookup/example.com/m@v1.0.0"} {
		if _, err := p.Answer(t.Context(), path); status(err) != 404 {
			t.Errorf("%q: got %v, want 404", path, err)
		}
	}
}

// TestMalformed: what no client can mean is 400, as with the reference server, and is asked of nobody.
func TestMalformed(t *testing.T) {
	r := always("", down)
	p, s := proxy(t, r)
	for _, what := range []string{
		"lookup", "lookup/", "lookup/example.com/m", "lookup/@v1.0.0", "lookup/example.com/m@", "lookup/example.com/m@v1", "lookup/example.com/m@main",
		"lookup/example.com/m@v1.0.0/go.mod", "lookup/example.com/m@v1.0.0+meta", "lookup/example.com/m@v2.0.0", "lookup/example.com/m/v2@v1.0.0",
		"lookup/example.com/M@v1.0.0", "lookup/example.com/!M@v1.0.0", "lookup/example.com/!@v1.0.0", "lookup/example.com/m@v1.0.0-RC",
		"lookup/../etc/passwd@v1.0.0", "lookup/example.com/../m@v1.0.0", "lookup//example.com/m@v1.0.0", "lookup/example.com/m/@v1.0.0",
		"lookup/-x/m@v1.0.0", "lookup/example.com/m@v1.0.0?x=y", "lookup/example.com/m@v1.0.0\x00", "lookup/example.com/m@v1.0.0@v1.0.0",
		"lookup/m@v1.0.0", "lookup/example.com/m\n@v1.0.0", "lookup/example.com/m%40v1.0.0",
		"tile", "tile/", "tile/8", "tile/8/0", "tile/8/0/", "tile/8/0/0", "tile/8/0/000/", "tile/8/0/1000", "tile/8/0/x000", "tile/8/0/x000/001x",
		"tile/0/0/000", "tile/31/0/000", "tile/8/-1/000", "tile/8/0/000.p/0", "tile/8/0/000.p/256", "tile/8/0/000.p/", "tile/8/0/../000",
		"tile/8/x/000", "tile/08/0/000", "tile/8/0/000.p/01", "tile/8/0/-01", "tile/8/data/../000", "tile/8/0/000?x",
	} {
		if _, err := get(t, p, what); status(err) != 400 {
			t.Errorf("%q: got %v, want 400", what, err)
		}
	}
	if got := r.asked(); len(got) != 0 {
		t.Errorf("the remote was asked %q", got)
	}
	if got := s.names(); len(got) != 0 {
		t.Errorf("kept: %q", got)
	}
}

// TestPeer12PrivateLookupsStay: with another proxy a private name reaches the checksum database when it is written with
// capitals. Here it is sent nowhere in any spelling, and the answer says what to set.
func TestPeer12PrivateLookupsStay(t *testing.T) {
	r := always("", down)
	p, s := proxy(t, r)
	for _, module := range []string{
		"corp.example/m@v1.0.0", "corp.example/!secret@v1.0.0", "corp.example/!s!e!c!r!e!t/v2@v2.0.0", "corp.example/a/b/c@v0.0.0-20240101000000-000000000001",
		"corp.example@v1.0.0", "a.intern.example/x@v1.0.0", "a.intern.example/!x/y@v1.0.0", "corp.example/m@v1.0.0-!r!c",
	} {
		_, err := get(t, p, "lookup/"+module)
		if status(err) != 404 || !strings.Contains(err.Error(), "GONOSUMDB") {
			t.Errorf("%s: got %v, want a 404 that says what to set", module, err)
		}
	}
	if got := r.asked(); len(got) != 0 {
		t.Errorf("the remote was asked %q", got)
	}
	for _, module := range []string{"corp.example.com/m@v1.0.0", "acorp.example/m@v1.0.0", "intern.example/x@v1.0.0", "a.intern.example/xx@v1.0.0"} {
		if _, err := get(t, p, "lookup/"+module); status(err) != 503 {
			t.Errorf("%s: got %v, want that it is asked for", module, err)
		}
	}
	if got := r.asked(); len(got) != 4 {
		t.Errorf("the remote was asked %q", got)
	}
	if got := s.names(); len(got) != 0 {
		t.Errorf("kept: %q", got)
	}
}

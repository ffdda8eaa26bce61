package sumdb_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// TestWrongTiles: a tile of a wrong length and a page are neither answered nor kept.
func TestWrongTiles(t *testing.T) {
	const record = "example.com/m v1.0.0 h1:abc=\n"
	tests := []struct {
		what, body string
		ok         bool
	}{
		{"tile/8/0/000", tile(256), true},
		{"tile/8/0/000", tile(255), false},
		{"tile/8/0/000", tile(257), false},
		{"tile/8/0/000", tile(256) + "x", false},
		{"tile/8/0/000", "", false},
		{"tile/8/0/000", "<html>" + tile(256)[6:], true}, // hashes may begin so; clients check them
		{"tile/8/0/000", "<html>Please log in.</html>", false},
		{"tile/8/1/000.p/7", tile(7), true},
		{"tile/8/1/000.p/7", tile(8), false},
		{"tile/8/1/000.p/7", tile(256), false},
		{"tile/2/0/000", tile(4), true},
		{"tile/8/data/000", record, true},
		{"tile/8/data/000", strings.Repeat(record, 8000), true},
		{"tile/8/data/000", "", false},
		{"tile/8/data/000", "<html>Please log in.</html>", false},
		{"tile/30/0/000", tile(4), false},
	}
	for _, test := range tests {
		r := always(test.body, nil)
		p, s := proxy(r)
		got, err := get(t, p, test.what)
		if (err == nil) != test.ok || test.ok && got != test.body {
			t.Errorf("%s of %d bytes: got %d bytes, %v; want an answer: %t", test.what, len(test.body), len(got), err, test.ok)
		}
		if !test.ok && status(err) != 503 {
			t.Errorf("%s of %d bytes: got %v, want 503", test.what, len(test.body), err)
		}
		if kept := s.names(); (len(kept) > 0) != test.ok {
			t.Errorf("%s of %d bytes: kept %q", test.what, len(test.body), kept)
		}
	}
}

// TestKeptWrongTile: what lies on the disk is judged too.
func TestKeptWrongTile(t *testing.T) {
	s := &shelf{}
	s.Save(t.Context(), "tile/8/0/000", []byte(tile(200)))
	p := again(s, always(tile(256), nil))
	if got := mustGet(t, p, "tile/8/0/000"); got != tile(256) {
		t.Errorf("got %d bytes", len(got))
	}
	if b, _ := s.Load(t.Context(), "tile/8/0/000"); string(b) != tile(256) {
		t.Errorf("%d bytes are kept", len(b))
	}
}

// TestPartialTileFromFull: a database may drop a partial tile once the full one exists; its hashes are the first ones
// of that. Where the full one is known nobody is asked.
func TestPartialTileFromFull(t *testing.T) {
	full := strings.Repeat("a", 32) + tile(255)
	r := &remote{answer: func(_ context.Context, name string) ([]byte, error) {
		if name == "tile/8/0/x001/234" {
			return []byte(full), nil
		}
		return nil, absent
	}}
	p, s := proxy(r)
	for i, w := range []int{1, 100, 255} {
		if got := mustGet(t, p, fmt.Sprintf("tile/8/0/x001/234.p/%d", w)); got != full[:w*tlog.HashSize] {
			t.Errorf("width %d: got %d bytes", w, len(got))
		}
		if n := len(r.asked()); n != 2 {
			t.Errorf("after %d: %d questions, want 2", i, n)
		}
	}
	if got := s.names(); !slices.Equal(got, []string{"tile/8/0/x001/234"}) {
		t.Errorf("kept: %q", got)
	}
	restarted := again(s, always("", down))
	if got := mustGet(t, restarted, "tile/8/0/x001/234.p/77"); got != full[:77*tlog.HashSize] {
		t.Errorf("after a restart: got %d bytes", len(got))
	}
	// Records have no fixed length: a partial tile of them cannot be cut from the full one.
	if _, err := get(t, p, "tile/8/data/x001/234.p/3"); err != absent {
		t.Errorf("a partial tile of records: got %v, want the 404", err)
	}
	// Absent where the full one is absent, too, with the words for what was asked.
	if _, err := get(t, p, "tile/8/0/x009/999.p/3"); err != absent {
		t.Errorf("neither exists: got %v, want the 404", err)
	}
}

// TestPartialTileInTrouble: only absence leads to the full tile; trouble is trouble.
func TestPartialTileInTrouble(t *testing.T) {
	r := always("", down)
	p, _ := proxy(r)
	if _, err := get(t, p, "tile/8/0/000.p/3"); status(err) != 503 || len(r.asked()) != 1 {
		t.Errorf("got %v after %q", err, r.asked())
	}
}

// TestPeer11TilesAreAskedOnce: another proxy fetches each tile anew for each client. Here a tile is asked for once, in
// one process and across restarts, and all of them serve while the database is out of reach.
func TestPeer11TilesAreAskedOnce(t *testing.T) {
	r := &remote{answer: func(_ context.Context, name string) ([]byte, error) {
		if strings.Contains(name, ".p/5") {
			return []byte(tile(5)), nil
		}
		return []byte(tile(256)), nil
	}}
	p, s := proxy(r)
	names := []string{"tile/8/0/000", "tile/8/0/x001/002", "tile/8/2/000.p/5"}
	for range 3 {
		for _, what := range names {
			mustGet(t, p, what)
		}
	}
	if got := r.asked(); len(got) != len(names) {
		t.Errorf("asked %q", got)
	}
	gone := always("", down)
	restarted := again(s, gone)
	for _, what := range names {
		want := tile(256)
		if strings.Contains(what, ".p/") {
			want = tile(5)
		}
		if got := mustGet(t, restarted, what); got != want {
			t.Errorf("%s after a restart: got %d bytes", what, len(got))
		}
	}
	if got := gone.asked(); len(got) != 0 {
		t.Errorf("after a restart: asked %q", got)
	}
}

package sumdb_test

import (
	"context"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// FuzzAnswer: no path makes it fail in another way than the vocabulary has, nothing that is private or no name of the
// protocol is asked of anybody, and what is asked is below the database's prefix.
func FuzzAnswer(f *testing.F) {
	for _, what := range []string{
		"supported", "latest", "lookup/example.com/m@v1.0.0", "lookup/corp.example/!m@v1.0.0", "tile/8/0/000", "tile/8/0/x001/234.p/5", "tile/8/data/000", "lookup/x/../y@v1.0.0",
	} {
		f.Add(name + "/" + what)
	}
	f.Add("sum.golang.org/supported")
	db := proxytest.NewSumDB(f, name)
	f.Fuzz(func(t *testing.T, path string) {
		r := always("", absent)
		p := over(t, db, &shelf{}, r)
		_, err := p.Answer(context.Background(), path)
		if s := status(err); s == -1 || s >= 500 {
			t.Errorf("%q: got %v", path, err)
		}
		for _, asked := range r.asked() {
			if strings.Contains(asked, "..") || strings.ContainsAny(asked, "?#\\%\x00") || strings.Contains(asked, "//") {
				t.Errorf("%q: asked for %q", path, asked)
			}
			if escaped, ok := strings.CutPrefix(asked, "lookup/"); ok {
				escaped, _, _ = strings.Cut(escaped, "@")
				m, err := module.UnescapePath(escaped)
				if err != nil || goproxy.MatchesAny("corp.example,*.intern.example/x", m) {
					t.Errorf("%q: asked for %q", path, asked)
				}
			}
		}
	})
}

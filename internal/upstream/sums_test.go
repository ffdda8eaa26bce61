package upstream_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// TestSums: each place is asked after any failure of the one before, absence too, since a proxy without a copy says
// 404; that counts only where all say so. A proxy has its copy below a prefix, the database has it at its own top.
func TestSums(t *testing.T) {
	good := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "good ", r.URL.Path) }
	bad := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "bad") }
	for name, test := range map[string]struct {
		a, b http.HandlerFunc
		kind string
		body string
	}{
		"first":              {good, good, "ok", "good /sumdb/x/latest"},
		"after absence":      {status(404), good, "ok", "good /latest"},
		"after trouble":      {status(503), good, "ok", "good /latest"},
		"after a refusal":    {status(403), good, "ok", "good /latest"},
		"after a page":       {page, good, "ok", "good /latest"},
		"after wrong bytes":  {bad, good, "ok", "good /latest"},
		"absent everywhere":  {status(404), status(410), "absent 404", ""},
		"trouble and absent": {status(503), status(404), "unavailable", ""},
		"absent and trouble": {status(404), status(503), "unavailable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork(t)
				net.serve("a.test", test.a)
				net.serve("b.test", test.b)
				p := newPool(t, upstream.PoolOptions{})
				s := p.Sums([]upstream.SumPlace{
					{Upstream: add(t, p, "http://a.test", net.tr, unchecked), Prefix: "sumdb/x/"},
					{Upstream: add(t, p, "http://b.test", net.tr, unchecked)},
				})
				for range 7 { // also when the one in trouble is known to be away
					b, err := s.Get(goproxy.WithStale(t.Context()), "latest", 100, func(b []byte) error {
						if !strings.HasPrefix(string(b), "good") {
							return errors.New("bad")
						}
						return nil
					})
					if kind(err) != test.kind || string(b) != test.body {
						t.Errorf("got %q, %v; want %q, %s", b, err, test.body, test.kind)
					}
				}
			})
		})
	}
}

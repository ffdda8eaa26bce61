package upstream_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// TestLatestFromList has upstreams without @latest, as real ones are: the list tells, by the rules of the go command.
func TestLatestFromList(t *testing.T) {
	const p1, p2 = "v0.0.0-20240101000000-000000000001", "v0.0.0-20240201000000-000000000002"
	tests := []struct{ name, list, want string }{
		{"highest release", "v1.9.0\nv1.10.0\nv1.2.0\n", "v1.10.0"},
		{"a release before a pre-release", "v1.0.0\nv1.1.0-rc.1\n", "v1.0.0"},
		{"a release before a pseudo-version", p2 + "\nv0.0.1\n", "v0.0.1"},
		{"highest pre-release", "v0.1.0-alpha.2\nv0.1.0-beta.1\nv0.1.0-alpha.11\n", "v0.1.0-beta.1"},
		{"a pre-release before a pseudo-version", p2 + "\nv0.1.0-alpha\n", "v0.1.0-alpha"},
		{"youngest pseudo-version", p2 + "\n" + p1 + "\n", p2},
		{"youngest, not highest", "v1.0.1-0.20230101000000-000000000003\n" + p1 + "\n", p1},
		{"youngest by the times beside", p2 + " 2024-02-01T00:00:00Z\n" + p1 + " 2024-03-01T00:00:00Z\n", p1},
		{"one has a time beside, the other in itself", p2 + "\n" + p1 + " 2024-03-01T00:00:00Z\n", p1},
		{"highest release, whatever the times beside", "v1.0.0 2024-05-01T00:00:00Z\nv1.1.0 2020-01-01T00:00:00Z\n", "v1.1.0"},
		{"incompatible", "v1.0.0\nv2.0.0+incompatible\n", "v2.0.0+incompatible"},
		{"what does not fit is not meant", "v1.0.0\nv2.0.0\n", "v1.0.0"},
		{"carriage returns", "v1.0.0\r\nv1.1.0\r\n", "v1.1.0"},
		{"nothing", "", ""},
		{"nothing that fits", "v2.0.0\nlatest\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u := proxytest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				v, isInfo := strings.CutSuffix(r.URL.Path, ".info")
				switch {
				case isInfo:
					w.Write([]byte(`{"Version":"` + v[strings.LastIndex(v, "/")+1:] + `","Extra":1}`))
				case strings.HasSuffix(r.URL.Path, "/list"):
					w.Write([]byte(test.list))
				default:
					http.Error(w, "no latest here", http.StatusNotFound)
				}
			}))
			c, err := newSource(t, u.URL).Query(t.Context(), "example.com/m", "latest")
			if test.want == "" {
				if kind(err) != "absent 404" || err.Error() != "no latest here\n" {
					t.Errorf("got %v, want the words of the 404", err)
				}
				return
			}
			want := `{"Version":"` + test.want + `","Extra":1}`
			if got := body(t, c, err); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestLatestIsAskedFirst: an upstream that has @latest is not asked for more, and other trouble than absence is trouble.
func TestLatestIsAskedFirst(t *testing.T) {
	u := proxytest.New(t)
	h := newSource(t, u.URL)
	if _, err := h.Query(t.Context(), "example.com/plain", "latest"); err != nil {
		t.Fatal(err)
	}
	u.Fail("*/@latest", proxytest.Status(403, "no\n"), 1)
	u.Fail("*/@latest", proxytest.Status(500, "no\n"), 2)
	for _, want := range []string{"refused 403", "unavailable"} {
		if _, err := h.Query(t.Context(), "example.com/plain", "latest"); kind(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if n := u.Requests("*/@v/*"); n != 0 {
		t.Errorf("%d requests beside @latest", n)
	}
}

// TestLatestFallbackFails: what goes wrong on the way of the fallback is what went wrong. A page in place of the list
// is not absence: a client would go on to its next proxy.
func TestLatestFallbackFails(t *testing.T) {
	tests := []struct {
		name, pattern string
		fault         proxytest.Fault
		want          string
	}{
		{"no list", "*/list", proxytest.Status(404, "none"), "absent 404"},
		{"list in trouble", "*/list", proxytest.Status(502, "bad"), "unavailable"},
		{"list refused", "*/list", proxytest.Status(403, "no"), "refused 403"},
		{"list is a page", "*/list", proxytest.HTML(), "wrong"},
		{"list is a page in disguise", "*/list", proxytest.Status(200, "<html>"), "wrong"},
		{"no info", "*.info", proxytest.Status(410, "gone"), "absent 410"},
		{"info in trouble", "*.info", proxytest.Status(503, "bad"), "unavailable"},
		{"info is none", "*.info", proxytest.Status(200, "v1.2.0"), "wrong"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u := proxytest.New(t, proxytest.NoLatest())
			u.Fail(test.pattern, test.fault)
			_, err := newSource(t, u.URL).Query(t.Context(), "example.com/plain", "latest")
			if got := kind(err); got != test.want {
				t.Errorf("got %s (%v), want %s", got, err, test.want)
			}
		})
	}
}

// TestOnlyLatestFallsBack: a branch that is not there is not there.
func TestOnlyLatestFallsBack(t *testing.T) {
	u := proxytest.New(t)
	_, err := newSource(t, u.URL).Query(t.Context(), "example.com/plain", "no-such-branch")
	if kind(err) != "absent 404" || u.Requests("*") != 1 {
		t.Errorf("got %v after %d requests", err, u.Requests("*"))
	}
}

// TestOddities asks upstreams with all oddities that real ones were seen to have.
func TestOddities(t *testing.T) {
	u := proxytest.New(t, proxytest.ListPseudo(), proxytest.NoLatest(), proxytest.SpacedInfo(), proxytest.Gzip(),
		proxytest.Chunked(), proxytest.NoETag(), proxytest.RedirectZips(), proxytest.Forbid())
	h := newSource(t, u.URL)
	for _, op := range operations() {
		if err := op.do(t.Context(), h); err != nil {
			t.Errorf("%s: %v", op.name, err)
		}
	}
	c, err := h.Query(t.Context(), "example.com/untagged", "latest")
	if got := body(t, c, err); !strings.Contains(got, "v0.0.0-20240201000000-000000000002") {
		t.Errorf("the latest of untagged is %s", got)
	}
	c, err = h.List(t.Context(), "example.com/untagged")
	if got := body(t, c, err); strings.Count(got, "\n") != 2 {
		t.Errorf("the list of untagged is %q", got)
	}
	if _, err := h.List(t.Context(), "example.com/none"); kind(err) != "refused 403" {
		t.Errorf("an unknown module where that is 403: got %v", err)
	}
}

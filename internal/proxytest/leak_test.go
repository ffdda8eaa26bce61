package proxytest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// A recorder keeps what a server says against its test, and when it ends.
type recorder struct {
	*testing.T
	said []string
	ends []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Cleanup(f func()) { r.ends = append(r.ends, f) }

func (r *recorder) end() {
	for i := len(r.ends) - 1; i >= 0; i-- {
		r.ends[i]()
	}
}

// TestLeaks has a request with a private name or a secret fail the test of the server that it comes to, however it is written.
func TestLeaks(t *testing.T) {
	secret := proxytest.Plant("s3cret/of+TestLeaks")
	for _, x := range []struct {
		path, header, body string
		inside             bool
		want               string // what is found
	}{
		{path: "example.com/plain/@v/list"},
		{path: "corp.example/lib/@v/list", want: "corp.example"},
		{path: "example.com/plain/@v/list?from=git.CORP.example", want: "corp.example"},
		{path: "git.corp.example/!team/m/@latest", want: "corp.example"},
		{path: "git.!c!o!r!p.example/m/@latest", want: "corp.example"},
		{path: "git%252Ecorp%252eexample/m/@latest", want: "corp.example"},
		{path: "example.com/plain/@v/list", header: "https://corp.example/x", want: "corp.example"},
		{path: "example.com/plain/@v/list", body: "about corp.example", want: "corp.example"},
		{path: "corp.example/lib/@v/list", inside: true},
		{path: "sumdb/sum.example.com/lookup/corp.example/lib@v1.0.0", inside: true, want: "corp.example"},
		{path: "x", inside: true, header: "Bearer " + secret, want: secret},
		{path: "x", inside: true, header: "Basic cm9ib3Q6czNjcmV0L29mK1Rlc3RMZWFrcw==", want: secret}, // robot:secret
		{path: "x?token=s3cret%2Fof%2BTestLeaks", inside: true, want: secret},
		{path: "x", header: "Basic " + "cm9ib3Q6cGFzcy13b3JkLW9mLXJvYm90", want: proxytest.GitPassword},
		{path: "example.com/!hidden/@v/list", want: "example.com/Hidden"},
	} {
		rec := &recorder{T: t}
		s := proxytest.NewServer(rec, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if b, err := io.ReadAll(r.Body); err != nil || string(b) != x.body {
				t.Errorf("the handler reads %q, %v", b, err)
			}
		}))
		if x.inside {
			s.Inside()
		}
		s.Never("example.com/Hidden")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/"+x.path, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", x.header)
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		rec.end()
		if x.want == "" && len(rec.said) > 0 || x.want != "" && (len(rec.said) != 1 || !strings.Contains(rec.said[0], fmt.Sprintf("has %q in it", x.want))) {
			t.Errorf("%s %q %q: got %q, want %q", x.path, x.header, x.body, rec.said, x.want)
		}
	}
}

package sumdb_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/sumdb"
)

// TestPolicy: what is wanted of a file, whether the database answers, knows nothing, is away or has forked.
func TestPolicy(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	honest := overHTTP(t, place{db.URL, ""})
	away := always("", down)
	m := module.Version{Path: plain.Path, Version: plain.Version}
	corp := module.Version{Path: "Corp.example/m", Version: "v1.0.0"}
	unknown := module.Version{Path: "example.com/unknown", Version: "v1.0.0"}
	tomorrow, yesterday := time.Now().AddDate(0, 0, 1), time.Now().AddDate(0, 0, -1)
	excepted := func(until time.Time) []goproxy.Bypass {
		return []goproxy.Bypass{{Pattern: "example.com/other", Until: tomorrow, Reason: "x"}, {Pattern: "example.com/unknown", Until: until, Reason: "moved"}}
	}
	forked := &shelf{m: map[string][]byte{"fork": []byte("two trees")}}
	tests := []struct {
		what   string
		remote sumdb.Remote
		keep   *shelf
		m      module.Version
		refuse bool
		bypass []goproxy.Bypass
		want   string // verified, unverified, unknown (nothing to be known), or the kind of the error
		says   string
	}{
		{"known", honest, nil, m, false, nil, "verified", ""},
		{"known, strictly", honest, nil, m, true, nil, "verified", ""},
		{"private", away, nil, corp, true, nil, "unknown", ""},
		{"not known", honest, nil, unknown, false, nil, "403", "GOPRIVATE"},
		{"not known, strictly", honest, nil, unknown, true, nil, "403", "GOPRIVATE"},
		{"away", away, nil, m, false, nil, "unverified", "503 Service Unavailable"},
		{"away, strictly", away, nil, m, true, nil, "503", "checksum-unreachable is refuse"},
		{"excepted", honest, nil, unknown, true, excepted(tomorrow), "unverified", "moved"},
		{"excepted until yesterday", honest, nil, unknown, true, excepted(yesterday), "403", "GOPRIVATE"},
		{"forked", honest, forked, m, false, nil, "502", "two histories"},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			keep := test.keep
			if keep == nil {
				keep = &shelf{}
			}
			v := sumdb.NewVerifier(lookups(t, db, keep, test.remote), sumdb.VerifierOptions{
				Private: goproxy.NewRules("corp.example", nil), Refuse: test.refuse, Bypass: test.bypass})
			w, err := v.Want(t.Context(), test.m)
			if got := outcome(w, err); got != test.want {
				t.Errorf("got %s (%+v, %v), want %s", got, w, err, test.want)
			}
			text := w.Unverified
			if err != nil {
				text = err.Error()
			}
			if !strings.Contains(text, test.says) {
				t.Errorf("it says %q, want something with %q", text, test.says)
			}
		})
	}
	if asked := away.asked(); len(asked) == 0 {
		t.Error("nobody was asked")
	} else {
		for _, name := range asked {
			if strings.Contains(strings.ToLower(name), "corp") {
				t.Errorf("the name of a private module was sent: %s", name)
			}
		}
	}
}

func outcome(w sumdb.Want, err error) string {
	var wrong *goproxy.Wrong
	var refused *goproxy.Refused
	var unavailable *goproxy.Unavailable
	switch {
	case errors.As(err, &wrong):
		return "502"
	case errors.As(err, &refused):
		return "403"
	case errors.As(err, &unavailable):
		return "503"
	case err != nil:
		return err.Error()
	case w.Unverified != "":
		return "unverified"
	case w.Zip != "" && w.Mod != "" && w.By == "sum.example.com" && w.TreeSize > 0:
		return "verified"
	case w == sumdb.Want{}:
		return "unknown"
	}
	return "half known"
}

// TestWantEndsWithItsContext: a database that says nothing holds nobody for longer than he wants.
func TestWantEndsWithItsContext(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	asked, over := make(chan struct{}), make(chan struct{})
	defer close(over)
	silent := &remote{answer: func(context.Context, string) ([]byte, error) {
		close(asked)
		<-over
		return nil, down
	}}
	v := sumdb.NewVerifier(lookups(t, db, &shelf{}, silent), sumdb.VerifierOptions{Refuse: true})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := v.Want(ctx, module.Version{Path: plain.Path, Version: plain.Version}); err == nil {
		t.Error("it was answered")
	}
}

// TestExpect: what is expected is asked for ahead, once, and not at all where it is private or excepted.
func TestExpect(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	synctest.Test(t, func(t *testing.T) {
		asks := always("", down)
		v := sumdb.NewVerifier(lookups(t, db, &shelf{}, asks), sumdb.VerifierOptions{
			Private: goproxy.NewRules("corp.example", nil),
			Bypass:  []goproxy.Bypass{{Pattern: "example.com/excepted", Until: time.Now().AddDate(0, 0, 1), Reason: "moved"}},
		})
		for _, path := range []string{"corp.example/m", "example.com/excepted", "example.com/m"} {
			v.Expect(t.Context(), module.Version{Path: path, Version: "v1.0.0"})
		}
		synctest.Wait()
		if got, want := asks.asked(), []string{"lookup/example.com/m@v1.0.0"}; !slices.Equal(got, want) {
			t.Errorf("asked for %q, want %q", got, want)
		}
	})
}

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

func TestCutFiles(t *testing.T) {
	for _, test := range []struct {
		list, before, rest string
		left               bool // there are more in rest
	}{
		{"", "", "", false},
		{"https://a,direct", "", "https://a,direct", false},
		{"file:///a", "file:///a", "", false},
		{"file:///a,", "file:///a,", "", false},
		{"file:///a,https://b|direct", "file:///a,", "https://b|direct", false},
		{"file:///a|file:///b,https://c", "file:///a|file:///b,", "https://c", false},
		{" FILE:///a , off", " FILE:///a ,", " off", false},
		{"https://a,file:///b", "", "https://a,file:///b", true},
		{"file:///a,https://b| file:///c", "file:///a,", "https://b| file:///c", true},
	} {
		before, rest := cutFiles(test.list)
		if before != test.before || rest != test.rest || hasFile(rest) != test.left {
			t.Errorf("%q: got %q, %q, %t; want %q, %q, %t", test.list, before, rest, hasFile(rest), test.before, test.rest, test.left)
		}
	}
}

func TestCommandsList(t *testing.T) {
	for list, want := range map[string]string{
		"https://a":                    "",
		"https://a,off":                "",
		"off":                          "",
		"direct":                       ",direct",
		"https://a,direct":             ",direct",
		"https://a|direct":             "|direct",
		"https://a|https://b|direct":   "|direct",
		"https://a|https://b,direct":   ",direct",
		"https://a,https://b|direct":   ",direct",
		"https://a,direct,https://b":   ",direct",
		"default":                      "|direct",
		"https://corp.example,default": ",direct",
	} {
		ups, err := goproxy.ParseUpstreams(list)
		if err != nil {
			t.Fatal(err)
		}
		s := &execSettings{ups: ups}
		if got := s.after(); got != want {
			t.Errorf("%s: got %q, want %q", list, got, want)
		}
	}
}

func TestCommandsEnvironment(t *testing.T) {
	db, err := goproxy.ParseSumDB("sum.golang.org https://mirror.example")
	if err != nil {
		t.Fatal(err)
	}
	s := &execSettings{before: "file:///a,", ups: []goproxy.Upstream{{URL: "https://b"}, {URL: goproxy.Direct}}, db: db}
	caller := append(make([]string, 0, 8), "A=b", "GOPROXY=x")
	got := s.environ(caller, "127.0.0.1:7", false)
	want := []string{"A=b", "GOPROXY=x", "GOPROXY=file:///a,http://127.0.0.1:7,direct", "GOSUMDB=sum.golang.org"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := s.environ(caller, "127.0.0.1:7", true); got[len(got)-1] != "GONOPROXY=none" {
		t.Errorf("where the proxy fetches private modules: %q", got)
	}
	if more := caller[:3]; more[2] != "" {
		t.Errorf("the caller's slice was written to: %q", more)
	}
}

func TestPrivateModulesOfExec(t *testing.T) {
	for _, test := range []struct{ patterns, end, want string }{
		{"git.corp.example,*.inner.example/x", goproxy.Direct, "git.corp.example *.inner.example/x"},
		{"none", goproxy.Direct, ""},
		{"", goproxy.Direct, ""},
		{"*,[bad,,x", goproxy.Direct, "*"},
		{"git.corp.example", "https://b", ""},
		{"git.corp.example", goproxy.Off, ""},
	} {
		s := &execSettings{ups: []goproxy.Upstream{{URL: "https://a"}, {URL: test.end}}, direct: directRoutes(test.patterns)}
		var got []string
		if s.takesOver() {
			for _, r := range s.direct {
				got = append(got, r.Pattern)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("GONOPROXY=%s before %s: the proxy fetches %q, want %q", test.patterns, test.end, got, test.want)
		}
	}
}

// With GOPROXY=direct the go command asks the database itself; with off it could too, but
// then nobody is asked for anything.
func TestWhoIsAskedForChecksums(t *testing.T) {
	cfg := config.Default()
	db, err := goproxy.ParseSumDB("sum.golang.org")
	if err != nil {
		t.Fatal(err)
	}
	for end, want := range map[string]int{goproxy.Direct: 1, goproxy.Off: 0, "": 0} {
		pool := upstream.NewPool(upstream.PoolOptions{})
		defer pool.Close()
		hv := &haven{pool: pool, chain: pool.Chain(nil, upstream.ChainOptions{End: end})}
		places, err := hv.sumPlaces(cfg, db)
		if err != nil || len(places) != want {
			t.Errorf("%q: %d places, %v; want %d", end, len(places), err, want)
		}
	}
}

package config

import (
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
)

func TestRoutes(t *testing.T) {
	c, err := Load(Sources{GoEnv: DefaultGoEnv(), File: write(t, `
routes: |
  # our own
  git.corp.example/*,src.corp.example  direct
  corp.example	https://user:secret@goproxy.corp.example,direct

  github.com/our/open  default   public
  *  cn
private: github.com/our
upstream_options: |
  https://goproxy.corp.example attempts=3
`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	routes, err := c.Routes()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range routes {
		line := r.Pattern + " " + goproxy.FormatUpstreams(r.Upstreams)
		if r.Public {
			line += " public"
		}
		got = append(got, line)
	}
	want := "git.corp.example/* direct\nsrc.corp.example direct\ncorp.example https://user:secret@goproxy.corp.example,direct\ngithub.com/our/open https://proxy.golang.org|direct public"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	ups, err := c.UpstreamList()
	if err != nil || ups[0].URL != "https://goproxy.cn" || !c.NamesUpstreams() {
		t.Errorf("the other modules: %v, %v", ups, err)
	}
	if len(c.SumDBMirrors()) == 0 {
		t.Error("the list cn in a route has no mirror of the checksum database")
	}
	options, err := c.UpstreamOptions()
	if err != nil || options["https://user:secret@goproxy.corp.example"].Attempts != 3 {
		t.Errorf("options of an upstream of a route: %v, %v", options, err)
	}
	var b strings.Builder
	if err := c.Print(&b); err != nil || strings.Contains(b.String(), "secret") || !strings.Contains(b.String(), "https://…@goproxy.corp.example") {
		t.Errorf("printed:\n%s", b.String())
	}
	again, err := Load(Sources{GoEnv: DefaultGoEnv(), File: write(t, b.String())})
	if err != nil || again.RouteLines != maskRoutes(c.RouteLines) {
		t.Errorf("loaded again: %q, %v", again.RouteLines, err)
	}
	c.Offline = "on"
	if routes, err := c.Routes(); len(routes) > 0 || err != nil {
		t.Errorf("offline: %v, %v", routes, err)
	}
}

func TestRouteMistakes(t *testing.T) {
	for _, test := range []struct{ routes, more, want string }{
		{"corp.example", "", `routes: "corp.example" is not PATTERNS LIST or PATTERNS LIST public, such as`},
		{"corp.example direct private", "", `routes: "corp.example direct private" is not`},
		{"corp.example ftp://x", "", `routes: corp.example: "ftp://x": the scheme must be https or http`},
		{"corp.example,[x direct", "", `routes: "[x" is no pattern of module paths`},
		{"corp.example,* direct", "", "routes: the line of *, for all other modules, has that pattern and a list alone"},
		{"* default public", "", "routes: the line of *"},
		{"* default;* cn", "", "routes: the list for all other modules stands twice"},
		{"* default", "upstreams: cn", "routes: the list for all other modules stands twice"},
		{"a.example direct;A.example off", "", "routes: a.example and A.example may match the same module"},
		{"corp.example default public", "private: corp.example", "routes: corp.example and corp.example may match"},
		{"corp.example http://127.0.0.1:3000", "", "routes: http://127.0.0.1:3000 is this very server"},
		{"* http://127.0.0.1:3000", "", "routes: http://127.0.0.1:3000 is this very server"},
		{"corp.example https://u:pa/ss@host", "", "routes: "},
		{"u:pass@x direct", "", `routes: "…@x direct" cannot be read`},
		{"corp.example direct u:pass@x", "", `routes: "…@x" cannot be read`},
		{"corp.example https://…@host", "", "routes: the user and the password are masked"},
		{"", "private: 'corp.example,[x'", `private: "[x" is no pattern`},
		{"", "own_domains: corp.example,.x", `own_domains: ".x" is no domain`},
	} {
		c, err := Load(Sources{GoEnv: DefaultGoEnv(), File: write(t, "routes: '"+test.routes+"'\n"+test.more+"\n")})
		if err == nil {
			err = c.Check()
		}
		got := problems(err)
		if len(got) != 1 || !strings.Contains(got[0], test.want) || strings.Contains(got[0], "u:pa") {
			t.Errorf("%q, %q: got %q, want %q", test.routes, test.more, got, test.want)
		}
	}
}

// What the text of the key is printed as can be read again, and shows no password.
func FuzzRoutes(f *testing.F) {
	f.Add("corp.example direct;* default")
	f.Add("a,b https://u:p@h,direct public\n# x\n* off")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Load(Sources{GoEnv: DefaultGoEnv(), Flags: map[string]string{"routes": text}})
		if err != nil || c.checkRoutes() != nil {
			return
		}
		masked := maskRoutes(c.RouteLines)
		if again := maskRoutes(masked); again != masked {
			t.Errorf("%q is masked as %q, and that as %q", text, masked, again)
		}
		if len(readRoutes(masked)) != len(readRoutes(c.RouteLines)) {
			t.Errorf("%q is masked as %q", text, masked)
		}
	})
}

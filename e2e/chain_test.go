package e2e_test

import (
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// troubles are what the first upstream of a list may have. What hangs is not among them: the go command alone waits
// for it without an end; internal/upstream has it.
var troubles = map[string]proxytest.Fault{
	"404":     proxytest.Status(404, "not found: nothing here\n"),
	"410":     proxytest.Status(410, "gone\n"),
	"403":     proxytest.Status(403, "forbidden\n"),
	"429":     proxytest.Status(429, "slow down\n"),
	"500":     proxytest.Status(500, "oops\n"),
	"refused": {}, // nobody listens
	"cut":     proxytest.Close(3),
	"junk":    proxytest.Status(200, "this is no answer to anything"),
	"page":    proxytest.HTML(),
	"none":    proxytest.Header("X-Test", "none"),
}

// differs says where Modhaven knows better than the go command, which reads a page in place of a list as no versions at
// all, and finds out too late that a zip is none to ask the next proxy: what comes then, after ',' and after '|'.
func differs(trouble string, args []string) (comma, pipe string, ok bool) {
	switch {
	case trouble == "page" && args[2] == "-versions":
		return "an error", "the next one", true
	case (trouble == "page" || trouble == "junk") && args[1] == "download":
		return "an error", "the next one", true
	}
	return "", "", false
}

// TestListsMeanWhatTheyMeanToGo runs the real go command with GOPROXY=a,b and GOPROXY=a|b, and through Modhaven with
// --upstreams a,b and a|b, while a is in each kind of trouble: it succeeds in the same cases, with the same result, and b
// is asked in the same cases.
func TestListsMeanWhatTheyMeanToGo(t *testing.T) {
	for name, trouble := range troubles {
		for _, sep := range []string{",", "|"} {
			t.Run(name+sep, func(t *testing.T) {
				t.Parallel()
				a, b := proxytest.New(t), proxytest.New(t)
				if name == "refused" {
					a.Refuse()
				}
				a.Fail("*", trouble)
				list := a.URL + sep + b.URL
				hv := serve(t, list)
				direct, through := proxytest.GoEnv(t, list, "off"), proxytest.GoEnv(t, hv.URL, "off")
				for _, args := range [][]string{
					{"list", "-m", "-versions", "example.com/plain"},
					{"list", "-m", "example.com/plain@v1.0.0"},
					{"mod", "download", "example.com/incompat@v1.0.0"},
				} {
					b.Forget()
					want, _, wantErr := goIn(t, direct, args...)
					wantB := b.Requests("*") > 0
					b.Forget()
					got, errs, err := goIn(t, through, args...)
					gotB := b.Requests("*") > 0
					if comma, pipe, ok := differs(name, args); ok {
						want := map[string]string{",": comma, "|": pipe}[sep] == "the next one"
						if (err == nil) != want || gotB != want {
							t.Errorf("go %q: got %q, %v, the second one was asked: %t; want that: %t", args, got, err, gotB, want)
						}
						continue
					}
					if (err == nil) != (wantErr == nil) || got != want || gotB != wantB {
						t.Errorf("go %q: got %q, %v, the second one was asked: %t; want %q, %v, %t\n%s", args, got, err, gotB, want, wantErr, wantB, errs)
					}
				}
			})
		}
	}
}

// TestEndsOfLists has what stands last. A client whose own list goes on after Modhaven goes on after an absence that
// direct repeats; after off, and after trouble, nothing.
func TestEndsOfLists(t *testing.T) {
	tests := []struct {
		upstreams string // A is an upstream that has nothing, B one in trouble
		client    string // what stands after Modhaven in the client's list
		ok        bool
	}{
		{"A", ",", true},
		{"A,direct", ",", true},
		{"A|direct", ",", true},
		{"A,off", ",", false},
		{"A|off", ",", false},
		{"off", ",", false},
		{"off", "|", true},
		{"B,direct", ",", false},
		{"B|direct", ",", false},
		{"B|direct", "|", true},
		{"A,B,direct", ",", false},
		{"A,off,direct", ",", false},
	}
	for _, test := range tests {
		t.Run(test.upstreams+" then "+test.client, func(t *testing.T) {
			t.Parallel()
			a, b, next := proxytest.New(t, proxytest.NoFixtures()), proxytest.New(t), proxytest.New(t)
			b.Fail("*", proxytest.Status(500, "oops\n"))
			hv := serve(t, strings.NewReplacer("A", a.URL, "B", b.URL).Replace(test.upstreams))
			env := proxytest.GoEnv(t, hv.URL+test.client+next.URL, "off")
			out, stderr, err := goIn(t, env, "list", "-m", "example.com/plain@latest")
			if (err == nil) != test.ok || (next.Requests("*") > 0) != test.ok {
				t.Errorf("got %q, %v after %d requests to the next proxy; want success: %t\n%s", out, err, next.Requests("*"), test.ok, stderr)
			}
		})
	}
}

// TestPeer2NoWayAround: with other proxies an outage or a refusal is 404, so that the go command goes on to the next
// entry, around the proxy and its rules. Here it stops, and prints why.
func TestPeer2NoWayAround(t *testing.T) {
	for name, words := range map[string]string{
		"403": "forbidden", "429": "429 Too Many Requests: slow down", "500": "500 Internal Server Error: oops",
		"refused": "connection refused", "cut": "broke off", "page": "an HTML page came",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, next := proxytest.New(t), proxytest.New(t)
			if name == "refused" {
				u.Refuse()
			}
			u.Fail("*", troubles[name])
			hv := serve(t, u.URL)
			env := proxytest.GoEnv(t, hv.URL+","+next.URL, "off")
			for _, args := range [][]string{{"list", "-m", "-versions", "example.com/plain"}, {"mod", "download", "example.com/plain@v1.0.0"}} {
				_, stderr, err := goIn(t, env, args...)
				if err == nil || !strings.Contains(stderr, words) {
					t.Errorf("go %q: got %v, want the words %q\n%s", args, err, words, stderr)
				}
			}
			if n := next.Requests("*"); n != 0 {
				t.Errorf("the next proxy was asked %d times", n)
			}
		})
	}
}

// TestFailoverAny: one dead entry before a comma stops public modules, unless failover says otherwise; it never opens
// the way for private ones.
func TestFailoverAny(t *testing.T) {
	t.Parallel()
	dead, good := proxytest.New(t), proxytest.New(t)
	dead.Refuse()
	for failover, ok := range map[string]bool{"strict": false, "any": true} {
		hv := serve(t, dead.URL+","+good.URL, "--failover", failover, "--private", "example.com/Parent")
		env := proxytest.GoEnv(t, hv.URL, "off")
		if _, stderr, err := goIn(t, env, "list", "-m", "-versions", "example.com/plain"); (err == nil) != ok {
			t.Errorf("%s: got %v\n%s", failover, err, stderr)
		}
		if _, _, err := goIn(t, env, "list", "-m", "-versions", "example.com/parent/nested"); err == nil {
			t.Errorf("%s: a private module came from behind the comma", failover)
		}
	}
	if n := good.Requests("example.com/parent*"); n != 0 {
		t.Errorf("the private name was sent %d times", n)
	}
}

// TestPeer12PrivateNamesStayHome has a server whose upstreams are a company's proxy and the public one, for which a
// stand-in answers. What matches a private pattern reaches the public one in no spelling, nor the checksum database.
func TestPeer12PrivateNamesStayHome(t *testing.T) {
	t.Parallel()
	own, public := proxytest.New(t, proxytest.NoFixtures()), proxytest.New(t) // the public one would even have it
	own.Inside()
	public.Never("example.com/Upper")
	state := t.TempDir() + "/state"
	// Requests for http://proxy.golang.org go to the stand-in: it is a proxy for HTTP as well as one for modules.
	hv := start(t, state, environ(t, "HTTP_PROXY="+public.URL), "serve", "--listen", "127.0.0.1:0", "--state", state,
		"--upstreams", own.URL+"|http://proxy.golang.org|http://PROXY.golang.org:80/x|http://proxy.golang.org./y", "--failover", "any", "--private", "example.com/Upper,*.corp.example",
		"--sumdb", "sum.golang.org "+public.URL+"/sum")
	if a := hv.get("example.com/plain/@v/list"); a.StatusCode != 200 || public.Requests("example.com/plain/@v/list") != 1 {
		t.Fatalf("the stand-in does not stand in: got %s after %d requests", a.Status, public.Requests("*"))
	}
	public.Forget()
	own.Forget()
	for _, module := range []string{"example.com/!upper", "example.com/upper", "example.com/%21upper/!sub-!module", "example.com/!u!p!p!e!r", "git.corp.example/!team/m", "GIT.corp.example/m"} {
		for _, what := range []string{"/@v/list", "/@latest", "/@v/v1.0.0.info", "/@v/v1.0.0.mod", "/@v/v1.0.0.zip", "/@v/main.info"} {
			for _, method := range []string{"GET", "HEAD"} {
				if a, err := hv.try(method, module+what); err != nil || a.StatusCode != 404 {
					t.Errorf("%s %s%s: got %v, %v", method, module, what, a.Response, err)
				}
			}
		}
		a := hv.get("sumdb/sum.golang.org/lookup/" + module + "@v1.0.0")
		if a.StatusCode != 404 && a.StatusCode != 400 {
			t.Errorf("lookup %s: got %s", module, a.Status)
		}
	}
	for _, r := range public.Log() {
		t.Errorf("the public proxy was asked for %s", r.Name)
	}
	if own.Requests("*") == 0 {
		t.Error("the own proxy was not asked")
	}
}

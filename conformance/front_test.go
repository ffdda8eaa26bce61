package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoute(t *testing.T) {
	for _, tt := range []struct {
		tail, ask string
		special   bool
	}{
		{"rsc.io/quote/@v/list", "rsc.io/quote/@v/list", false},
		{"404/rsc.io/quote/@v/list", "404/rsc.io/quote/@v/list", true},
		{"199/x/@v/list", "199/x/@v/list", false},
		{"invalid/x/@latest", "invalid/x/@latest", true},
		{"redirect/9/x/@v/list", "redirect/9/x/@v/list", true},
		{"sumdb-direct/lookup/x@v1.0.0", "sumdb-direct/lookup/x@v1.0.0", true},
		{"sumdb-503/sumdb/a.b/c/supported", "sumdb-503/sumdb/a.b/c/supported", true},
		{"sumdb-503/rsc.io/quote/@v/list", "rsc.io/quote/@v/list", false},
		{"sumdb/a.b/c/supported", "sumdb/a.b/c/supported", false},
	} {
		if ask, special := route(tt.tail); ask != tt.ask || special != tt.special {
			t.Errorf("route(%q) = %q, %v; want %q, %v", tt.tail, ask, special, tt.ask, tt.special)
		}
	}
}

func FuzzRoute(f *testing.F) {
	f.Add("sumdb-404/x")
	f.Add("sumdb-/")
	f.Fuzz(func(t *testing.T, tail string) {
		ask, special := route(tail)
		if special && ask != tail || !strings.HasSuffix(tail, ask) {
			t.Errorf("route(%q) = %q, %v", tail, ask, special)
		}
	})
}

func TestKindOf(t *testing.T) {
	for tail, want := range map[string]string{
		"x/@v/list": "list", "x/@latest": "latest", "x/@v/v1.0.0.info": "info", "x/@v/v1.0.0.mod": "mod",
		"x/@v/v1.0.0.zip": "zip", "sumdb/a/b/latest": "sumdb", "x": "other", "x/@v/v1": "other",
	} {
		if got := kindOf(tail); got != want {
			t.Errorf("kindOf(%q) = %q, want %q", tail, got, want)
		}
	}
}

// echo answers with its name and the request as it came.
func echo(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", name, r.RequestURI)
	})
}

func testServer(t *testing.T, h http.Handler) *url.URL {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestFront(t *testing.T) {
	mh := testServer(t, echo("modhaven"))
	up := testServer(t, echo("testproxy"))
	client := transport(nil)
	defer client.CloseIdleConnections()
	g := newGates()
	f := newFront(g, target{url: mh, client: client}, testProxy{addr: up.Host})
	defer g.close()
	defer f.close()
	addrs := map[string]string{}
	for _, script := range []string{"mod_a", "mod_b"} {
		ln, err := g.open(script)
		if err != nil {
			t.Fatal(err)
		}
		f.serve(ln, nil)
		addrs[script] = ln.Addr().String()
	}
	for _, tt := range []struct{ script, path, want string }{
		{"mod_a", "/mod/rsc.io/quote/@v/list", "modhaven /rsc.io/quote/@v/list"},
		{"mod_a", "/mod/rsc.io/!q%21u/@v/v1.0.0+x.zip", "modhaven /rsc.io/!q%21u/@v/v1.0.0+x.zip"},
		{"mod_b", "/mod/404/rsc.io/quote/@v/list", "testproxy /mod/404/rsc.io/quote/@v/list"},
		{"mod_b", "/mod/sumdb-503/x/@latest?a=b", "modhaven /x/@latest?a=b"},
		{"mod_b", "/elsewhere", "404 page not found\n"},
	} {
		if got := fetchBody(t, "http://"+addrs[tt.script]+tt.path); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.path, got, tt.want)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	want := map[string]map[string]int{"mod_a": {"list": 1, "zip": 1}, "mod_b": {"latest": 1}}
	if diff := cmp.Diff(want, f.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if f.statuses[200] != 3 || len(f.faults) != 0 {
		t.Errorf("statuses %v, faults %v", f.statuses, f.faults)
	}
}

func TestFrontNotesMissingAnswers(t *testing.T) {
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	client := transport(nil)
	g := newGates()
	f := newFront(g, target{url: &url.URL{Scheme: "http", Host: addr}, client: client}, testProxy{addr: addr})
	defer g.close()
	defer f.close()
	ln, err := g.open("mod_a")
	if err != nil {
		t.Fatal(err)
	}
	f.serve(ln, nil)
	body := fetchBody(t, "http://"+ln.Addr().String()+"/mod/x/@v/list")
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.faults) != 1 || !strings.HasPrefix(body, "conformance front: ") {
		t.Errorf("faults %v, body %q", f.faults, body)
	}
}

func fetchBody(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestPipe(t *testing.T) {
	up := testServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/torn" {
			w.Header().Set("Content-Length", "10")
			fmt.Fprint(w, "half")
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, "whole")
	}))
	ctx, stop := context.WithCancel(t.Context())
	g := newGates()
	defer g.close()
	defer stop()
	ln, err := g.open("mod_a")
	if err != nil {
		t.Fatal(err)
	}
	g.pipe(ctx, ln, up.Host)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + ln.Addr().String() + "/whole")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || string(body) != "whole" {
		t.Errorf("whole: %q, %v", body, err)
	}
	resp, err = client.Get("http://" + ln.Addr().String() + "/torn")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("torn: no error")
	}
	if n := g.connections()["mod_a"]; n != 2 {
		t.Errorf("%d connections noted, want 2", n)
	}
}

// Ending the context ends connections that are still open.
func TestPipeEnds(t *testing.T) {
	up, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	ctx, stop := context.WithCancel(t.Context())
	g := newGates()
	ln, err := g.open("mod_a")
	if err != nil {
		t.Fatal(err)
	}
	g.pipe(ctx, ln, up.Addr().String())
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	far, err := up.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	stop()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
	g.close()
}

// The stand-in must be able to serve HTTP/2 over TLS, as Modhaven must.
func TestStandinOverTLS(t *testing.T) {
	up := testServer(t, echo("testproxy"))
	cert, err := makeCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := startStandin(testProxy{addr: up.Host}, cert)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	if ok, err := s.ready(t.Context()); !ok {
		t.Errorf("not ready: %v", err)
	}
	s.client.CloseIdleConnections()
}

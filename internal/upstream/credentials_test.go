package upstream_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// seen is a RoundTripper that keeps the headers of the request it saw last.
type seen struct {
	header http.Header
	err    error
}

func (s *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	s.header = r.Header
	if s.err != nil {
		return nil, s.err
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// send asks for addr and returns the headers that were sent.
func (s *seen) send(t *testing.T, c http.RoundTripper, addr string) http.Header {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "modhaven")
	resp, err := c.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(req.Header) != 1 {
		t.Errorf("the caller's request has now %v", req.Header)
	}
	return s.header
}

func credentials(t *testing.T, base string, o goproxy.UpstreamOptions) (*seen, *upstream.Credentials) {
	t.Helper()
	s := &seen{}
	c, err := upstream.NewCredentials(base, o, s)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

const (
	basicUP = "Basic dTpw" // u:p
	basicNR = "Basic bjpy" // n:r
)

func TestWhichCredentials(t *testing.T) {
	t.Setenv("NETRC", writeFile(t, "netrc", "machine up.test login n password r\nmachine up.test login second password x\nmachine up.test:8443 login u password p\ndefault\nlogin d password d\n"))
	token := writeFile(t, "token", "abc\n")
	headers := writeFile(t, "headers", "X-Team: builds\nx-team: more\n")
	tests := []struct {
		name, base string
		o          goproxy.UpstreamOptions
		want       string // Authorization
	}{
		{"user and password", "https://u:p@up.test", goproxy.UpstreamOptions{BearerFile: token}, basicUP},
		{"token", "https://up.test", goproxy.UpstreamOptions{BearerFile: token}, "Bearer abc"},
		{"netrc", "https://up.test", goproxy.UpstreamOptions{}, basicNR},
		{"netrc with a port", "https://up.test:8443", goproxy.UpstreamOptions{}, basicUP},
		{"netrc without the port", "https://up.test:444", goproxy.UpstreamOptions{}, ""},
		{"netrc, another host", "https://other.test", goproxy.UpstreamOptions{}, ""},
		{"netrc in the clear", "http://up.test", goproxy.UpstreamOptions{}, ""},
		{"netrc in the clear, as told", "http://up.test", goproxy.UpstreamOptions{Netrc: goproxy.On}, basicNR},
		{"netrc off", "https://up.test", goproxy.UpstreamOptions{Netrc: goproxy.NotOn}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.o.Headers = headers
			s, c := credentials(t, test.base, test.o)
			h := s.send(t, c, strings.Replace(test.base, "u:p@", "", 1)+"/m/@v/list")
			if got := h.Get("Authorization"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := strings.Join(h.Values("X-Team"), ","); got != "builds,more" || h.Get("User-Agent") != "modhaven" {
				t.Errorf("got %v", h)
			}
		})
	}
}

// TestCredentialsOfOneOrigin: nothing leaves for another scheme, host or port.
func TestCredentialsOfOneOrigin(t *testing.T) {
	headers := writeFile(t, "headers", "Private-Token: secret\n")
	tests := map[string]map[string]bool{
		"https://u:p@up.test/goproxy": {
			"https://up.test/m": true, "https://UP.test:443/m": true, "https://up.test/other": true,
			"http://up.test/m": false, "http://up.test:443/m": false, "https://up.test:8443/m": false, "https://up.test.evil.test/m": false, "https://sub.up.test/m": false, "https://evil.test/up.test": false,
		},
		"http://u:p@up.test:8080": {
			"http://up.test:8080/m": true, "http://up.test/m": false, "https://up.test:8080/m": false,
		},
		"http://u:p@[::1]": {"http://[::1]:80/m": true, "http://[::2]/m": false},
	}
	for base, addrs := range tests {
		for addr, want := range addrs {
			s, c := credentials(t, base, goproxy.UpstreamOptions{Headers: headers})
			h := s.send(t, c, addr)
			if got := h.Get("Authorization") != ""; got != want {
				t.Errorf("%s: user and password sent to %s: %v", base, addr, got)
			}
			if got := h.Get("Private-Token") != ""; got != want {
				t.Errorf("%s: header sent to %s: %v", base, addr, got)
			}
		}
	}
}

// TestCredentialsOnRedirect goes through an http.Client, which runs a RoundTripper on every hop.
func TestCredentialsOnRedirect(t *testing.T) {
	hops := map[string]string{}
	c, err := upstream.NewCredentials("http://u:p@up.test", goproxy.UpstreamOptions{}, tripper(func(r *http.Request) (*http.Response, error) {
		hops[r.URL.String()] = r.Header.Get("Authorization")
		resp := &http.Response{StatusCode: http.StatusFound, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}
		switch r.URL.String() {
		case "http://up.test/a":
			resp.Header.Set("Location", "/b")
		case "http://up.test/b":
			resp.Header.Set("Location", "http://cdn.up.test/c")
		default:
			resp.StatusCode = http.StatusOK
		}
		return resp, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: c}).Get("http://up.test/a")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if hops["http://up.test/a"] != basicUP || hops["http://up.test/b"] != basicUP || hops["http://cdn.up.test/c"] != "" || len(hops) != 3 {
		t.Errorf("got %v", hops)
	}
}

// TestCredentialsCloseIdle: http.Client closes idle connections through them.
func TestCredentialsCloseIdle(t *testing.T) {
	next := &idle{}
	c, err := upstream.NewCredentials("http://up.test", goproxy.UpstreamOptions{}, next)
	if err != nil {
		t.Fatal(err)
	}
	(&http.Client{Transport: c}).CloseIdleConnections()
	if !next.closed {
		t.Error("they stay open")
	}
	_, without := credentials(t, "http://up.test", goproxy.UpstreamOptions{})
	without.CloseIdleConnections()
}

type idle struct {
	seen
	closed bool
}

func (i *idle) CloseIdleConnections() { i.closed = true }

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestFilesAreReadAgain: a second after they changed; what is wrong or gone leaves what was right, but a netrc that
// is gone is no longer used.
func TestFilesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		name := func(n string) string { return filepath.Join(dir, n) }
		at := time.Now()
		write := func(n, content string) {
			t.Helper()
			if err := os.WriteFile(name(n), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			at = at.Add(time.Second) // whatever the file system's clock can tell apart
			if err := os.Chtimes(name(n), at, at); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		t.Setenv("NETRC", name("netrc"))
		write("token", "one")
		write("headers", "X-A: one")
		s, bearer := credentials(t, "https://up.test", goproxy.UpstreamOptions{BearerFile: name("token"), Headers: name("headers")})
		n, netrc := credentials(t, "https://up.test", goproxy.UpstreamOptions{})
		expect := func(token, header, basic string) {
			t.Helper()
			h := s.send(t, bearer, "https://up.test/m")
			if h.Get("Authorization") != "Bearer "+token || h.Get("X-A") != header {
				t.Errorf("got %v, want %s and %s", h, token, header)
			}
			if got := n.send(t, netrc, "https://up.test/m").Get("Authorization"); got != basic {
				t.Errorf("netrc: got %q, want %q", got, basic)
			}
		}
		expect("one", "one", "")
		write("token", "two")
		write("headers", "X-A: two")
		write("netrc", "machine up.test login u password p")
		expect("two", "two", basicUP)
		write("token", "")
		write("headers", "X-A: three\nHost: x")
		write("netrc", "machine up.test login n password r")
		expect("two", "two", basicNR)
		for _, f := range []string{"token", "headers", "netrc"} {
			if err := os.Remove(name(f)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		expect("two", "two", "")
		write("token", "four")
		expect("four", "two", "")
	})
}

// TestCredentialErrors: they name the file, and have no secret in them.
func TestCredentialErrors(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	two := writeFile(t, "token", "secret secret")
	empty := writeFile(t, "token", "\n")
	wrong := writeFile(t, "headers", "X-A: b\nsecret\n")
	big := writeFile(t, "headers", strings.Repeat("X-A: secret\n", 100_000))
	for _, test := range []struct {
		base string
		o    goproxy.UpstreamOptions
		want string
	}{
		{"https://u:secret@%zz", goproxy.UpstreamOptions{}, "upstream …@%zz"},
		{"https://up.test", goproxy.UpstreamOptions{BearerFile: none}, none},
		{"https://up.test", goproxy.UpstreamOptions{BearerFile: two}, "bearer-file: " + two + ": it must hold the token"},
		{"https://up.test", goproxy.UpstreamOptions{BearerFile: empty}, empty + ": it is empty"},
		{"https://up.test", goproxy.UpstreamOptions{Headers: none}, none},
		{"https://up.test", goproxy.UpstreamOptions{Headers: wrong}, "headers-file: " + wrong + ": line 2: has no colon"},
		{"https://up.test", goproxy.UpstreamOptions{Headers: big}, big + ": has more than"},
	} {
		_, err := upstream.NewCredentials(test.base, test.o, &seen{})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
	want := errors.New("no way")
	s := &seen{err: want}
	c, err := upstream.NewCredentials("http://u:secret@up.test", goproxy.UpstreamOptions{}, s)
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest(http.MethodGet, "http://up.test", nil)
	if _, err := c.RoundTrip(req); !errors.Is(err, want) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// TestAuthorizationStays: what a caller has set is the caller's.
func TestAuthorizationStays(t *testing.T) {
	s, c := credentials(t, "http://u:p@up.test", goproxy.UpstreamOptions{})
	req, _ := http.NewRequest(http.MethodGet, "http://up.test", nil)
	req.Header.Set("Authorization", "Bearer mine")
	if _, err := c.RoundTrip(req); err != nil || s.header.Get("Authorization") != "Bearer mine" {
		t.Errorf("sent %v, %v", s.header, err)
	}
	req.Header = nil
	if _, err := c.RoundTrip(req); err != nil || s.header.Get("Authorization") != basicUP {
		t.Errorf("sent %v, %v", s.header, err)
	}
}

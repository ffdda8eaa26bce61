package upstream

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNameservers(t *testing.T) {
	conf := "# nameserver 192.0.2.9\nsearch corp.test\n  nameserver\t192.0.2.1 # first\r\nnameserver fe80::1%eth0\nnameserver\nnameserver dns.test\noptions ndots:2\nnameserver 2001:db8::53\nnameserver 192.0.2.4\n"
	want := []string{"192.0.2.1:53", "[fe80::1%eth0]:53", "[2001:db8::53]:53"}
	if got := nameservers(conf); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzNameservers: at most three, each an address and a port.
func FuzzNameservers(f *testing.F) {
	f.Add("nameserver 192.0.2.1\nnameserver ::1\n")
	f.Fuzz(func(t *testing.T, s string) {
		list := nameservers(s)
		for _, l := range list {
			if _, err := netip.ParseAddrPort(l); err != nil {
				t.Errorf("%q: %v", l, err)
			}
		}
		if len(list) > maxServers {
			t.Errorf("%d servers", len(list))
		}
	})
}

func TestParseNetrc(t *testing.T) {
	tests := []struct {
		name, netrc string
		want        []netrcEntry
	}{
		{"one line", "machine a.test login u password p\n", []netrcEntry{{"a.test", "u", "p"}}},
		{"many lines", "machine a.test\n\tlogin u\r\n\n  password p\n", []netrcEntry{{"a.test", "u", "p"}}},
		{"two in a line", "machine a login u password p machine b login v password q", []netrcEntry{{"a", "u", "p"}, {"b", "v", "q"}}},
		{"the order is free", "machine a password p account x login u", []netrcEntry{{"a", "u", "p"}}},
		{"incomplete", "machine a login u\nmachine b login v password q\n", []netrcEntry{{"b", "v", "q"}}},
		{"a password without a machine", "login u password p\n", nil},
		{"default ends it", "machine a login u password p\ndefault\nlogin v password q\nmachine b login v password q\n", []netrcEntry{{"a", "u", "p"}}},
		{"default in a line", "default login anonymous password me\n", nil},
		{"a default password is not a machine's", "machine a\ndefault\n login u\n password p\n", nil},
		{"macro", "macdef init\nmachine x login u password p\n\nmachine a login u password p\n", []netrcEntry{{"a", "u", "p"}}},
		{"macro with CRLF", "macdef init\r\nmachine x login u password p\r\n\r\nmachine a login u password p\r\n", []netrcEntry{{"a", "u", "p"}}},
		{"macro without end", "machine a login u password p\nmacdef init\nmachine x login u password p\n", []netrcEntry{{"a", "u", "p"}}},
		{"empty", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseNetrc(test.netrc)
			if d := cmp.Diff(test.want, got, cmp.AllowUnexported(netrcEntry{})); d != "" || err != nil {
				t.Errorf("%s%v", d, err)
			}
		})
	}
}

// FuzzParseNetrc: entries are whole, and what is printed is read as it was.
func FuzzParseNetrc(f *testing.F) {
	f.Add("machine a.test login u password p\nmacdef init\nx\n\ndefault\n")
	f.Add("machine a\nlogin default password machine machine b login x password y\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		list, err := parseNetrc(s)
		if err != nil {
			t.Fatal(err)
		}
		var printed strings.Builder
		for _, e := range list {
			if e.machine == "" || e.login == "" || e.password == "" {
				t.Errorf("not whole: %q", e)
			}
			printed.WriteString("machine " + e.machine + "\nlogin " + e.login + "\npassword " + e.password + "\n")
		}
		again, _ := parseNetrc(printed.String())
		if !slices.Equal(list, again) {
			t.Errorf("got %q, then %q", list, again)
		}
	})
}

func TestParseHeaders(t *testing.T) {
	h, err := parseHeaders("# for the gateway\nx-team: builds \r\n\nX-Team: more\nPrivate-Token:abc:def\nX-Empty:\n")
	want := http.Header{"X-Team": {"builds", "more"}, "Private-Token": {"abc:def"}, "X-Empty": {""}}
	if d := cmp.Diff(want, h); d != "" || err != nil {
		t.Errorf("%s%v", d, err)
	}
	for s, want := range map[string]string{
		"\nX-A: b\nsecret\n":           "line 3: has no colon",
		": secret":                     "line 1: what stands before the colon",
		"X A: secret":                  "line 1: what stands before the colon",
		"Grüße: secret":                "line 1: what stands before the colon",
		"X-A : secret":                 "line 1: what stands before the colon",
		"X-A: sec\x00ret":              "line 1: the value has a character",
		"X-A: sec\rret":                "line 1: the value has a character",
		"host: secret":                 "line 1: Host cannot be set",
		"Content-Length: secret":       "line 1: Content-Length cannot be set",
		"connection: secret":           "line 1: Connection cannot be set",
		"range: secret":                "line 1: Range cannot be set",
		"X-A: b\nTransfer-Encoding: a": "line 2: Transfer-Encoding cannot be set",
	} {
		if _, err := parseHeaders(s); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want %q", s, err, want)
		}
	}
}

// TestProxyErrorIsMasked: net/http's own has the variable's value in it.
func TestProxyErrorIsMasked(t *testing.T) {
	proxy := maskedProxy(func(*http.Request) (*url.URL, error) {
		return nil, errors.New(`invalid proxy address "http://u:secret@%zz"`)
	})
	if _, err := proxy(nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// FuzzParseHeaders: what is accepted can be sent, and errors have no values in them.
func FuzzParseHeaders(f *testing.F) {
	f.Add("X-Team: builds\n# no\nPrivate-Token: x\n")
	f.Add("Host: x\r\nA:\t b\n")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHeaders(s)
		if err != nil {
			return
		}
		req := httptest.NewRequest(http.MethodGet, "http://up.test/", nil)
		req.Header = h
		var b strings.Builder
		if err := req.Write(&b); err != nil {
			t.Fatal(err)
		}
		for name, values := range h {
			if refusedHeaders[name] || http.CanonicalHeaderKey(name) != name {
				t.Errorf("%q was accepted", name)
			}
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n\x00") {
					t.Errorf("%q was accepted", v)
				}
			}
		}
	})
}

// FuzzParseToken: a token is one word that can stand in a header.
func FuzzParseToken(f *testing.F) {
	f.Add(" abc.def\n")
	f.Add("two words")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := parseToken(s)
		if err == nil && (token == "" || strings.ContainsAny(token, " \t\r\n\x00")) {
			t.Errorf("%q was accepted", token)
		}
		if err != nil && len(s) > 20 && strings.Contains(err.Error(), s) {
			t.Errorf("the error has the token in it: %v", err)
		}
	})
}

package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestActions: what GitHub says, and how often it is asked.
func TestActions(t *testing.T) {
	const good = `{"count":1,"value":"a.b.c"}`
	tests := []struct {
		name    string
		answers []string // "" for 500; the last for ever
		want    string   // the token, or a part of the error
		asked   int64
	}{
		{"good", []string{good}, "a.b.c", 1},
		{"trouble, then good", []string{"", "x", good}, "a.b.c", 3},
		{"trouble", []string{""}, "500 Internal Server Error; the job needs the permission id-token: write", 3},
		{"refused", []string{"403"}, "403 Forbidden", 1},
		{"no token in it", []string{`{}`}, "is not one token", 1},
		{"two headers", []string{`{"value":"a\nX: y"}`}, "is not one token", 1},
		{"endless", []string{`{"value":"` + strings.Repeat("x", 3*maxToken)}, "not JSON with a token", 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var asked atomic.Int64
			srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				switch a := test.answers[min(int(asked.Add(1)), len(test.answers))-1]; a {
				case "":
					http.Error(w, "", http.StatusInternalServerError)
				case "403":
					http.Error(w, "", http.StatusForbidden)
				default:
					w.Write([]byte(a))
				}
			}))
			defer srv.Close()
			a := &goauth{client: srv.Client(), pause: time.Nanosecond, environ: []string{envRequestURL + "=" + srv.URL, envRequest + "=secret"}}
			if err := a.urls.Set("https://go.corp.example"); err != nil {
				t.Fatal(err)
			}
			got, err := a.token(t.Context())
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) || strings.Contains(got, "secret") || asked.Load() != test.asked {
				t.Errorf("%q after %d requests, want %q after %d", got, asked.Load(), test.want, test.asked)
			}
		})
	}
}

// TestGoauthHas: only what lies at a server that was named gets its token.
func TestGoauthHas(t *testing.T) {
	var a goauth
	for _, u := range []string{"https://a.example", "https://B.example:8443/go/"} {
		if err := a.urls.Set(u); err != nil {
			t.Fatal(err)
		}
	}
	for asked, want := range map[string]bool{
		"https://a.example": true, "https://a.example/": true, "https://A.example/m/@v/list": true, "https://b.example:8443/go": true, "https://b.example:8443/go/m": true,
		"http://a.example/": false, "https://a.example:444/": false, "https://a.example.org": false, "https://b.example:8443/gone": false, "https://b.example:8443/": false, "https://b.example/go/m": false, "": false, "%": false,
	} {
		if got := a.has(asked); got != want {
			t.Errorf("has(%q) = %v", asked, got)
		}
	}
	for _, u := range []string{"http://a.example", "a.example", "https://", "https://u@a.example", "https://a.example?x", "https://a.example#x", "https:a.example"} {
		if err := a.urls.Set(u); err == nil {
			t.Errorf("%q is taken", u)
		}
	}
}

func TestLifetime(t *testing.T) {
	for in, want := range map[string]time.Duration{"90d": 90 * 24 * time.Hour, "1d": 24 * time.Hour, "36500d": 36500 * 24 * time.Hour, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute} {
		var l lifetime
		if err := l.Set(in); err != nil || time.Duration(l) != want {
			t.Errorf("%q: %v, %v", in, time.Duration(l), err)
		}
	}
	for _, in := range []string{"", "d", "0d", "-1d", "36501d", "1.5d", "9999999999999999999d", "90", "0s", "-1h", "1w"} {
		var l lifetime
		if err := l.Set(in); err == nil {
			t.Errorf("%q is %v", in, time.Duration(l))
		}
	}
}

package access

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettings(t *testing.T) {
	a, err := ParseAuth("# who\ntoken; token /etc/tokens\nhtpasswd /etc/people\n\n  certificate ca.pem\nanonymous\n"+
		"oidc https://git.example audience=modhaven groups=a,b groups=c require=owner=corp,corp2", "/state")
	want := Auth{Anonymous: true, Tokens: []string{filepath.Join("/state", "tokens"), "/etc/tokens"}, Passwords: []string{"/etc/people"}, Certificates: []string{"ca.pem"},
		Issuers: []Issuer{{"https://git.example", "modhaven", "sub", []string{"a", "b", "c"}, []Require{{"owner", []string{"corp", "corp2"}}}}}}
	if diff := cmp.Diff(want, a); err != nil || diff != "" {
		t.Errorf("ParseAuth: %v\n%s", err, diff)
	}
	for _, test := range []struct{ in, want string }{
		{"none\ntoken", "`none` stands beside"},
		{"anonymous", "`anonymous` alone"},
		{"\nbasic x", `line 2: "basic": it is no kind`},
		{"tokn", `line 1: "tokn": it is no kind`},
		{"none x", "is too much"},
		{"htpasswd", "needs a file"},
		{"token a b", `"b" is too much`},
		{"oidc http://x.example audience=a", "is no issuer"},
		{"oidc https://u:pw@x.example audience=a", "is no issuer"},
		{"oidc https://x.example", "audience= is missing"},
		{"oidc https://x.example audience", "no option with a value"},
		{"oidc https://x.example aud=x", "is no option; they are"},
		{"oidc https://x.example audience=a require=x", "is no condition"},
		{"oidc https://token.actions.githubusercontent.com audience=a", "anybody in the world"},
		{"oidc https://GitLab.com audience=a", "anybody in the world"},
		{"x\n# y\nz", `line 3: "z"`},
	} {
		if _, err := ParseAuth(test.in, "."); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "pw") {
			t.Errorf("ParseAuth(%q): %v, want %q", test.in, err, test.want)
		}
	}
	for _, test := range []struct{ in, want string }{
		{"dev", "line 1"}, {"dev a b", "is not GROUP"}, {"dev [ hide", "no pattern"}, {"dev a,,b", "no pattern"}, {"x a\ntoken: a", `line 2: "token: a": token: has no name`},
		{strings.Repeat("a b\n", maxLines+1), "at most"},
	} {
		if _, err := ParseRules(test.in); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParseRules(%.20q): %v, want %q", test.in, err, test.want)
		}
	}
	for in, want := range map[string]Limit{"": {}, "50/s": {50, 3000}, "60/m": {1, 60}, "1/h": {1. / 3600, 1}, "600/m burst 5000": {10, 5000}} {
		if got, err := ParseLimit(in); err != nil || got != want {
			t.Errorf("ParseLimit(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"50", "0/s", "-1/s", "1/d", "1/s 5", "1/s burst", "1/s burst 0", "1/s burst 5 x", "9999999/s", "x"} {
		if got, err := ParseLimit(in); err == nil {
			t.Errorf("ParseLimit(%q) = %v", in, got)
		}
	}
}

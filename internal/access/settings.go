package access

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Auth is which credentials are taken. Names of files are as they were given.
type Auth struct {
	None         bool     // nobody is asked for any
	Anonymous    bool     // requests without one come in too
	Tokens       []string // files that the command token writes
	Passwords    []string // htpasswd files
	Certificates []string // files with the authorities that sign client certificates, PEM
	Issuers      []Issuer
}

// An Issuer is an OpenID Connect provider whose tokens are taken.
type Issuer struct {
	URL      string   // the claim iss, letter by letter; https
	Audience string   // must be in the claim aud
	Name     string   // the claim that names the identity
	Groups   []string // the claims that have its groups, each a string or a list of them
	Require  []Require
}

// A Require is a condition on a token.
type Require struct {
	Claim  string
	Values []string // one of which the claim is, or has
}

// maxLines bounds both settings: each request may look at all of it.
const maxLines = 1000

// shared are issuers that give anybody in the world a token for any audience.
var shared = []string{
	"token.actions.githubusercontent.com", "gitlab.com", "accounts.google.com", "app.terraform.io", "oidc.circleci.com", "agent.buildkite.com",
}

// TokenFile is the name of the file of tokens in a state directory.
const TokenFile = "tokens"

// ParseAuth reads the setting auth, a kind of credential a line, or between semicolons:
//
//	none
//	anonymous
//	token [FILE]                 STATE/tokens where no file is named
//	htpasswd FILE
//	certificate CA-FILE
//	oidc URL audience=TEXT [name=CLAIM] [groups=CLAIM,…] [require=CLAIM=VALUE,…]…
//
// Empty lines, and those that begin with #, do not count. Everything that is wrong is in the error, with its line. The zero value
// comes from a text without lines.
func ParseAuth(text, state string) (Auth, error) {
	var a Auth
	var errs []error
	n := 0
	for no, line := range settingLines(text) {
		n++
		f := strings.Fields(line)
		if err := a.add(f, state); err != nil {
			errs = append(errs, fmt.Errorf("line %d: %.40q: %w", no, f[0], err)) // the rest may have a secret in it
		}
	}
	switch {
	case n > maxLines:
		errs = append(errs, fmt.Errorf("it has %d lines; at most %d are possible", n, maxLines))
	case a.None && n > 1:
		errs = append(errs, errors.New("`none` stands beside other lines; let it stand alone, or write `anonymous`, which lets those without a credential in too"))
	case a.Anonymous && n == 1:
		errs = append(errs, errors.New("`anonymous` alone lets nobody show who he is; write `none`, or add a kind of credential"))
	}
	if len(errs) > 0 {
		return Auth{}, errors.Join(errs...)
	}
	return a, nil
}

// settings are what a line of auth begins with.
var settings = []string{"none", "anonymous", "token", "htpasswd", "certificate", "oidc"}

func (a *Auth) add(f []string, state string) error {
	kind, args := f[0], f[1:]
	if !slices.Contains(settings, kind) {
		return errors.New("it is no kind of credential; the kinds are " + strings.Join(settings, ", "))
	}
	least, most := 1, 1
	switch kind {
	case "none", "anonymous":
		least, most = 0, 0
	case "token":
		least = 0
	case "oidc":
		most = maxLines
	}
	switch {
	case len(args) < least:
		return fmt.Errorf("%s needs a file or an address behind it", kind)
	case len(args) > most:
		return fmt.Errorf("%q is too much", args[most])
	}
	switch kind {
	case "none":
		a.None = true
	case "anonymous":
		a.Anonymous = true
	case "token":
		a.Tokens = append(a.Tokens, append(args, filepath.Join(state, TokenFile))[0])
	case "htpasswd":
		a.Passwords = append(a.Passwords, args[0])
	case "certificate":
		a.Certificates = append(a.Certificates, args[0])
	case "oidc":
		s, err := parseIssuer(args[0], args[1:])
		a.Issuers = append(a.Issuers, s)
		return err
	}
	return nil
}

func parseIssuer(addr string, options []string) (Issuer, error) {
	s := Issuer{URL: addr, Name: "sub"}
	u, err := url.Parse(addr)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return s, fmt.Errorf("%q is no issuer, such as https://gitlab.corp.example", goproxy.Redact(addr))
	}
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		if value == "" {
			return s, fmt.Errorf("%q is no option with a value, such as audience=modhaven", option)
		}
		switch key {
		case "audience":
			s.Audience = value
		case "name":
			s.Name = value
		case "groups":
			s.Groups = append(s.Groups, strings.Split(value, ",")...)
		case "require":
			claim, values, ok := strings.Cut(value, "=")
			if !ok || claim == "" || values == "" {
				return s, fmt.Errorf("%q is no condition, such as require=repository_owner=corp", option)
			}
			s.Require = append(s.Require, Require{claim, strings.Split(values, ",")})
		default:
			return s, fmt.Errorf("%q is no option; they are audience, name, groups and require", key)
		}
	}
	switch {
	case s.Audience == "":
		return s, errors.New("audience= is missing: the value that tokens for this proxy have in their claim aud, which keeps tokens for other services out")
	case len(s.Require) == 0 && slices.Contains(shared, strings.ToLower(u.Hostname())):
		return s, errors.New("anybody in the world gets tokens of this issuer; say which are yours, such as require=repository_owner=corp or require=namespace_path=corp")
	}
	return s, nil
}

// ParseRules reads the setting access, a rule a line, or between semicolons:
//
//	GROUP PATTERNS [hide]
//
// GROUP is a group, everyone, anonymous, or one identity as KIND:NAME. Empty lines, and those that begin with #, do not
// count. Everything that is wrong is in the error, with its line.
func ParseRules(text string) ([]Rule, error) {
	var rules []Rule
	var errs []error
	for no, line := range settingLines(text) {
		r, err := parseRule(strings.Fields(line))
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %q: %w", no, line, err))
		}
		rules = append(rules, r)
	}
	if len(rules) > maxLines {
		errs = append(errs, fmt.Errorf("it has %d rules; at most %d are possible", len(rules), maxLines))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return rules, nil
}

func parseRule(f []string) (Rule, error) {
	if len(f) < 2 || len(f) > 3 || len(f) == 3 && f[2] != "hide" {
		return Rule{}, errors.New("it is not GROUP PATTERNS [hide], such as `dev git.corp.example/*,corp.example/*`")
	}
	if bad := goproxy.BadPattern(f[1]); bad != "" {
		return Rule{}, fmt.Errorf("%q is no pattern of module paths (go help private)", bad)
	}
	if kind, name, ok := strings.Cut(f[0], ":"); ok && name == "" && slices.Contains(kinds, kind) {
		return Rule{}, fmt.Errorf("%s: has no name behind it, such as %s:build", kind, kind)
	}
	return Rule{Group: f[0], Patterns: f[1], Hide: len(f) == 3}, nil
}

// settingLines yields the lines that count, trimmed, by their numbers from 1.
func settingLines(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		no := 0
		for line := range strings.SplitSeq(text, "\n") {
			no++
			if strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			for part := range strings.SplitSeq(line, ";") {
				if part = strings.TrimSpace(part); part != "" && !strings.HasPrefix(part, "#") && !yield(no, part) {
					return
				}
			}
		}
	}
}

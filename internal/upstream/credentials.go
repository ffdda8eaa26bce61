package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Credentials is an http.RoundTripper that adds to a request what one upstream wants to see: the user and password
// of its address, else a token from a file, else what netrc has, and further headers from a file, which replace others of
// their names. A RoundTripper runs on every redirect: nothing is added where scheme, host and port are not those of the upstream. No error has a
// secret in it.
type Credentials struct {
	next http.RoundTripper
	base *url.URL // with the user

	bearer  *watchedFile[string]
	headers *watchedFile[http.Header]
	netrc   *watchedFile[[]netrcEntry]
}

// NewCredentials returns what goes with requests to the upstream at base, over next. The files of o are read now, and
// again when they change; one that is unreadable or wrong later leaves what it said before. Netrc is used for https, and
// for http where o says so.
func NewCredentials(base string, o goproxy.UpstreamOptions, next http.RoundTripper) (*Credentials, error) {
	u, err := url.Parse(base)
	if err != nil { // which has the address in it
		return nil, fmt.Errorf("upstream %s: it cannot be read as an address", goproxy.Redact(base))
	}
	c := &Credentials{next: next, base: u}
	if o.BearerFile != "" {
		if c.bearer, err = openFile(o.BearerFile, parseToken); err != nil {
			return nil, fmt.Errorf("bearer-file: %w", err)
		}
	}
	if o.Headers != "" {
		if c.headers, err = openFile(o.Headers, parseHeaders); err != nil {
			return nil, fmt.Errorf("headers-file: %w", err)
		}
	}
	if name := netrcName(); name != "" && o.Netrc.Is(u.Scheme == "https") {
		c.netrc = lateFile(name, parseNetrc)
	}
	return c, nil
}

// RoundTrip implements http.RoundTripper. An Authorization that req has already stays.
func (c *Credentials) RoundTrip(req *http.Request) (*http.Response, error) {
	if !ofOneOrigin(req.URL, c.base) {
		return c.next.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if req.Header.Get("Authorization") == "" {
		c.authorize(req)
	}
	if c.headers != nil {
		for name, values := range c.headers.get() {
			req.Header[name] = slices.Clone(values)
		}
	}
	return c.next.RoundTrip(req)
}

// Renew has later requests go over new connections, where next knows how to do that.
func (c *Credentials) Renew() {
	if r, ok := c.next.(interface{ Renew() }); ok {
		r.Renew()
	}
}

// CloseIdleConnections is for http.Client.
func (c *Credentials) CloseIdleConnections() {
	if n, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		n.CloseIdleConnections()
	}
}

// authorize adds the first of user and password, token and netrc.
func (c *Credentials) authorize(req *http.Request) {
	switch {
	case c.base.User != nil:
		password, _ := c.base.User.Password()
		req.SetBasicAuth(c.base.User.Username(), password)
		return
	case c.bearer != nil:
		req.Header.Set("Authorization", "Bearer "+c.bearer.get())
		return
	case c.netrc == nil:
		return
	}
	for _, e := range c.netrc.get() {
		if strings.EqualFold(e.machine, c.base.Host) { // with the port, as the go command does
			req.SetBasicAuth(e.login, e.password)
			return
		}
	}
}

// A Credential is something secret that an upstream is shown, in words without the secret.
type Credential struct {
	Kind string // "address", "token", "netrc", "headers" or "certificate"
	From string // the file; "" for the address
}

// sends returns what a request would be given now.
func (c *Credentials) sends() (all []Credential) {
	switch {
	case c.base.User != nil:
		all = append(all, Credential{Kind: "address"})
	case c.bearer != nil:
		all = append(all, Credential{"token", c.bearer.name})
	case c.netrc != nil && c.inNetrc():
		all = append(all, Credential{"netrc", c.netrc.name})
	}
	if c.headers != nil {
		all = append(all, Credential{"headers", c.headers.name})
	}
	return all
}

func (c *Credentials) inNetrc() bool {
	return slices.ContainsFunc(c.netrc.get(), func(e netrcEntry) bool { return strings.EqualFold(e.machine, c.base.Host) })
}

// ofOneOrigin compares scheme, host and port.
func ofOneOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}

// parseToken reads a file with a token: one word.
func parseToken(s string) (string, error) {
	token := strings.TrimSpace(s)
	switch {
	case token == "":
		return "", errors.New("it is empty; it must hold the token and nothing else")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", errors.New("it must hold the token and nothing else, in one line without spaces")
	}
	return token, nil
}

// refusedHeaders belong to the connection or to the request as it is made: a file that sets them breaks answers.
var refusedHeaders = map[string]bool{
	"Host": true, "Content-Length": true, "Connection": true, "Transfer-Encoding": true, "Trailer": true, "Te": true, "Upgrade": true,
	"Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authorization": true, "Expect": true,
	"Accept-Encoding": true, "Range": true, "If-Range": true, "If-None-Match": true, "If-Modified-Since": true, "If-Match": true, "If-Unmodified-Since": true,
}

// parseHeaders reads lines "Name: value". Empty lines and those that begin with # say nothing. The errors have no
// values in them.
func parseHeaders(s string) (http.Header, error) {
	h := http.Header{}
	n := 0
	for line := range strings.Lines(s) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case !ok:
			return nil, fmt.Errorf("line %d: has no colon; write Name: value", n)
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !tokenRune(r) }):
			return nil, fmt.Errorf("line %d: what stands before the colon is no name of a header", n)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return nil, fmt.Errorf("line %d: the value has a character that a header cannot have", n)
		case refusedHeaders[http.CanonicalHeaderKey(name)]:
			return nil, fmt.Errorf("line %d: %s cannot be set, since the connection depends on it", n, http.CanonicalHeaderKey(name))
		}
		h.Add(name, value)
	}
	return h, nil
}

// tokenRune reports whether r may stand in the name of a header (RFC 9110, 5.6.2).
func tokenRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// A netrcEntry is what netrc has for a machine.
type netrcEntry struct{ machine, login, password string }

// parseNetrc reads a netrc as the go command does: what is not a machine with a login and a password says nothing.
// https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html
func parseNetrc(s string) ([]netrcEntry, error) {
	var list []netrcEntry
	var e netrcEntry
	macro := false
	for line := range strings.SplitSeq(s, "\n") {
		if macro {
			macro = strings.TrimSuffix(line, "\r") != ""
			continue
		}
		words := strings.Fields(line)
		for len(words) > 1 {
			key, value := words[0], words[1]
			words = words[2:]
			switch key {
			case "machine":
				e = netrcEntry{machine: value}
			case "login":
				e.login = value
			case "password":
				e.password = value
			case "macdef":
				macro = true
			}
			if e.machine != "" && e.login != "" && e.password != "" {
				list = append(list, e)
				e = netrcEntry{}
			}
		}
		if len(words) > 0 && words[0] == "default" {
			break // it is the last by definition, and would hand one password to every host; with more words on its line it is a pair that says nothing
		}
	}
	return list, nil
}

// netrcName returns where netrc is, "" where that is not known.
func netrcName() string {
	if name := os.Getenv("NETRC"); name != "" {
		return name
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	if runtime.GOOS == "windows" {
		if name := filepath.Join(home, "_netrc"); fileExists(name) {
			return name
		}
	}
	return filepath.Join(home, ".netrc")
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

package gocmd

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A verdict is what a failure of the tools means.
type verdict int

const (
	passing verdict = iota // may pass: 503
	refusal                // stands: 403
	absent                 // does not exist: 404
	unknown                // the host does not know who asks: 403, with what is known of the credential
)

// A sign is a text by which a failure is known. The tools have no other way to tell: their exit statuses are the same for all.
type sign struct {
	text *regexp.Regexp
	is   verdict
	why  string // for people, with what $1 and such matched; "": the tool's own words say it
}

// signs are looked for in their order: trouble before absence, since the go command puts words of absence ("invalid version:") in front of what
// git says about trouble. What none of them is in may pass.
var signs = []sign{
	{has(`requires go >= (\S+) \(running go ([^;)]+)`), passing,
		"its go.mod needs Go $1; the go command of this server is $2 and makes no zip of it: install Go $1 or newer here"},
	{has(`(?:^|: )unknown revision \S+\s*$`), absent, ""}, // a revision may have any name
	{has(`exec: "([\w.-]+)": executable file not found`), passing, "$1 is not installed on the server; install it"},
	{has(`(?i)no space left on device|disk quota exceeded`), passing, "the server's disk is full"},
	{has(`fork/exec \S+: cannot allocate memory|(?i:resource temporarily unavailable)`), passing, "the server has too little memory"},
	{has(`(?i)out of memory|cannot allocate memory|MemoryError`), refusal, "it needs more memory than direct may use"},
	{has(`too large \(max size is (\d+) bytes\)`), refusal, "it is larger than the $1 bytes that the go command accepts"},
	{has(`GOVCS disallows using (\S+)`), refusal, "the server may not use $1 for it (GOVCS)"},
	{has(`file scheme disallowed`), refusal, "its go-import tag names a file of the server"},
	{has(`transport '([^']*)' not allowed`), refusal, "its repository would be fetched by $1, which is not allowed; https and ssh are"},
	{has(`(?i)insecure (?:URL|protocol|scheme|repository)`), refusal, "it would be fetched over an insecure connection"},
	{has(`strange hostname|must not be local directory|bad/illegal format|leading (?:dash|hyphen)|unknown vcs|no scheme in|unknown scheme|invalid repo root`), refusal,
		"its go-import tag names no repository that may be fetched"},
	{has(`no secure protocol found for repository`), passing,
		"its repository can be read neither by https nor by ssh: it does not exist, its host cannot be reached, or no credential for it is configured"},
	{has(`could not read (?:Username|Password)|Authentication failed|terminal prompts disabled|returned error: 401|401 Unauthorized`), unknown, ""},
	{has(`Permission denied \(|Too many authentication failures`), refusal, "SSH authentication failed: no key is configured for the host, or it was refused"},
	{has(`REMOTE HOST IDENTIFICATION HAS CHANGED`), refusal, "its host shows another SSH host key than the one that is configured: if it was given a new one, put that into the known_hosts file"},
	{has(`Host key verification failed`), passing, "the SSH host key is not known to the server; configure a key and a known_hosts file for the host"},
	{has(`ERROR: Repository not found`), refusal, "there is no such repository, or the SSH key may not read it"},
	{has(`returned error: 403|403 Forbidden`), refusal, "the host forbids it"},
	{has(`returned error: 429|429 Too Many`), passing, "the host limits requests"},
	{has(`x509:|(?i)certificate|SSL |TLS |gnutls`), passing, "its host cannot be trusted: TLS failed"},
	{has(`no such host|[Cc]ould not resolve (?:host|proxy)|Could not resolve hostname|Temporary failure in name resolution`), passing,
		"its host cannot be reached: the name is not found"},
	{has(`[Cc]onnection refused`), passing, "its host cannot be reached: the connection was refused"},
	{has(`(?i)i/o timeout|timed out|deadline exceeded|operation too slow`), passing, "its host cannot be reached: no answer in time"},
	{has(`(?i)connection reset|unexpected EOF|early EOF|unexpected disconnect|RPC failed|broken pipe|: EOF$`), passing,
		"its host cannot be reached: the connection broke"},
	{has(`(?i)network is unreachable|no route to host|failed to connect`), passing, "its host cannot be reached"},
	{has(`returned error: 5\d\d|: 5\d\d [A-Z]|from proxy after CONNECT|CONNECT tunnel failed|Bad Gateway`), passing, "its host is in trouble"},
	{has(`returned error: 404|repository '[^']*' not found|404 Not Found|410 Gone|no go-import meta tags`), absent, ""},
	{has(`unknown revision|no matching versions|missing \S*go\.mod|go\.mod has (?:post-|non-)|has malformed|has no module path`), absent, ""},
	{has(`invalid pseudo-version|does not match version-control|unrecognized import path "[^"]*": (?:import path|invalid)`), absent, ""},
	{has(`(?s)^(?:.*exit status.*)$`), passing, ""},
	{has(`invalid version|disallowed version string|invalid github\.com`), absent, ""},
}

func has(text string) *regexp.Regexp { return regexp.MustCompile(text) }

// judge makes an error of what a command said of thing. out may be nil.
func (f *Fetcher) judge(thing, said string, out *output) error {
	var creds *counter
	if out != nil {
		creds = out.creds
		said = creds.hide(said)
	}
	words := f.clean(thing, said)
	if err := creds.failure(said); err != nil {
		return unavailable(thing, err, "%v", err)
	}
	if out != nil {
		if host, err := out.net.failure(said, false); err != nil {
			return unreachable(thing, host, err)
		}
	}
	own := withoutNames(thing, withoutRemote(said))
	for _, s := range signs {
		at := s.text.FindStringSubmatchIndex(own)
		if at == nil {
			continue
		}
		if s.is == absent && out != nil { // of svn the go command takes every failure for absence
			if host, err := out.net.failure(said, true); err != nil {
				return unreachable(thing, host, err)
			}
		}
		if s.is == unknown {
			return refused(thing, "%s", strings.Join(append([]string{f.unauthenticated(said, creds)}, hostWords(words)...), "\n"))
		}
		return verdictError(s.is, thing, string(s.text.ExpandString(nil, s.why, own, at)), words)
	}
	return verdictError(passing, thing, "", words)
}

// verdictError returns the error of a verdict, whose reason has at most 8 lines.
func verdictError(is verdict, thing, why string, words []string) error {
	reason := thing + ": " + strings.Join(words, "\n")
	if why != "" {
		reason = strings.Join(append([]string{thing + ": " + why}, words...), "\n")
	}
	switch is {
	case absent:
		return &goproxy.NotFound{Status: http.StatusNotFound, Body: "not found: " + reason, From: From}
	case refusal:
		return &goproxy.Refused{Status: http.StatusForbidden, Reason: reason, From: From}
	}
	return &goproxy.Unavailable{From: From, Reason: reason}
}

// unreachable returns the error of a host that the guard did not connect to.
func unreachable(thing, host string, err error) error {
	var bad *errForbidden
	if errors.As(err, &bad) {
		return refused(thing, "%s is not connected to: %v", host, bad)
	}
	why := err.Error()
	var dns *net.DNSError
	var ne net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		why = "no such host"
	case errors.As(err, &dns):
		why = "its name cannot be looked up: " + dns.Err
	case errors.As(err, &ne) && ne.Timeout():
		why = fmt.Sprintf("no answer within %v", dialTimeout)
	}
	return unavailable(thing, err, "host %s cannot be reached: %s", host, why)
}

var urlHost = has(`[a-z]+://(?:[^/@\s'"]*@)?([^/:\s'"]+(?::\d+)?)`)

// credentials are the variables that credentials may come from.
var credentials = []string{"NETRC", "GOAUTH", "GIT_CONFIG_GLOBAL", "GIT_ASKPASS", "GIT_CONFIG_COUNT"}

const perhaps = "\nOr there is no such repository: hosts ask for a password for those too."

// unauthenticated says why a host did not accept who asked.
func (f *Fetcher) unauthenticated(said string, creds *counter) string {
	host := "its host"
	if m := urlHost.FindStringSubmatch(said); m != nil {
		host = m[1]
	}
	switch {
	case f.hasCredential(host) || creds.wasGiven(host):
		return fmt.Sprintf("authentication failed for %s: the credential for it was refused", host)
	case !slices.ContainsFunc(credentials, func(key string) bool { return value(f.o.Env, key) != "" }):
		return fmt.Sprintf("authentication failed for %s: no credential is configured%s", host, perhaps)
	}
	return fmt.Sprintf("authentication failed for %s: no credential is configured for this host, or it was refused%s", host, perhaps)
}

// hostWords are those lines of what the go command said that the host did.
func hostWords(words []string) []string {
	i := slices.IndexFunc(words, func(line string) bool { return strings.HasPrefix(line, "server response:") })
	if i < 0 {
		return nil
	}
	return words[i:]
}

// hasCredential reports whether the netrc file has an entry for a host.
func (f *Fetcher) hasCredential(host string) bool {
	netrc := value(f.o.Env, "NETRC")
	if netrc == "" {
		return false
	}
	b, err := os.ReadFile(netrc)
	if err != nil {
		return false
	}
	name, _, _ := strings.Cut(host, ":")
	words := strings.Fields(string(b))
	for i, w := range words[:max(len(words)-1, 0)] {
		if w == "machine" && words[i+1] == name {
			return true
		}
	}
	return false
}

// withoutRemote drops what a server says itself, so that it cannot choose its verdict.
func withoutRemote(said string) string {
	var own strings.Builder
	for line := range strings.Lines(said) {
		if !strings.HasPrefix(strings.TrimSpace(line), "remote:") {
			own.WriteString(line)
		}
	}
	return own.String()
}

var address = has(`[a-z+]+://[^\s'"]*[^\s'":]`)

// withoutNames takes out of what was said the addresses and paths, whose parts may be called as a trouble is.
func withoutNames(thing, said string) string {
	host, _, _ := strings.Cut(cutQuery(thing), "/")
	return has(regexp.QuoteMeta(host)+`/[\w./~!+-]*`).ReplaceAllString(address.ReplaceAllString(said, "URL"), "PATH")
}

const (
	maxWords = 6   // lines, under one of why
	maxLine  = 300 // bytes
)

var (
	userinfo = has(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/@\s'"]*@`)
	ranIn    = has(`(^|\s)(?:git|hg|svn|fossil|bzr) .*? in \S+: exit status \d+:\s*`)
)

// clean returns the lines of what the tools said that help, without credentials, control characters and names of the server's own directories.
func (f *Fetcher) clean(thing, said string) (words []string) {
	said = userinfo.ReplaceAllString(said, "$1")
	said = ranIn.ReplaceAllString(said, "$1")
	said = strings.ReplaceAll(said, f.dir, "DIR")
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(strings.Map(printable, line))
		line = strings.TrimPrefix(strings.TrimPrefix(line, "go: "), "module ")
		for _, known := range []string{thing + ": ", cutQuery(thing) + "@latest: ", cutQuery(thing) + ": "} {
			line = strings.TrimPrefix(line, known)
		}
		if line == "" || strings.HasPrefix(line, "Confirm the import path") || strings.HasPrefix(line, "If this is a private repository") {
			continue
		}
		if len(line) > maxLine {
			line = strings.ToValidUTF8(line[:maxLine], "") + "…"
		}
		if words = append(words, line); len(words) == maxWords {
			break
		}
	}
	if len(words) == 0 {
		words = []string{"the go command failed and does not say why"}
	}
	return words
}

func cutQuery(thing string) string {
	path, _, _ := strings.Cut(thing, "@")
	return cmp.Or(path, thing)
}

func printable(r rune) rune {
	if unicode.IsPrint(r) || r == ' ' {
		return r
	}
	return ' '
}

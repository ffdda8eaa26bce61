package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
)

// Variables of the environment in which goauth looks for a token.
const (
	envToken      = config.EnvToken
	envRequestURL = "ACTIONS_ID_TOKEN_REQUEST_URL"   // GitHub Actions, where a job has the permission id-token: write
	envRequest    = "ACTIONS_ID_TOKEN_REQUEST_TOKEN" // #nosec G101 -- a name
)

const (
	maxToken    = 16 << 10 // bytes of a token, and of an answer that has one
	maxResponse = 64 << 10 // bytes of the response that the go command hands over
)

func goauthCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "goauth --url URL [OPTIONS] [ASKED]"}
	a := &goauth{environ: p.environ, client: &http.Client{Timeout: 30 * time.Second}, pause: time.Second}
	cmd.Flags().Var(&a.urls, "url", p.msg.Text("A server that may have the token, https://HOST with or without a path; may be given several times"))
	file := addFile(cmd, "token-file", p.msg.Text("The file with the token; it goes before the environment"))
	cmd.Flags().Var(&a.audience, "audience", p.msg.Text("The audience of a token from GitHub Actions; without it the first URL"))
	p.document(cmd, goauthManual())
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return p.usagef("%s: one argument too many", args[1])
		case len(a.urls) == 0:
			return p.usagef("--url is missing: the server that may have the token, such as https://go.corp.example")
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.file = file.name
		if len(args) == 1 && !(a.has(args[0]) && refused(p.in)) {
			return nil
		}
		token, err := a.token(cmd.Context())
		switch {
		case errors.Is(err, errNoToken):
			return p.failf("there is no token: set MODHAVEN_TOKEN or --token-file; a job of GitHub Actions needs the permission id-token: write, one of GitLab an id_token of the name MODHAVEN_TOKEN")
		case err != nil:
			return err
		}
		return a.print(p.out, token)
	}
	return cmd
}

func goauthManual() manual {
	return manual{
		short: "give the go command a token for a server",
		about: `
			Prints a token for the servers at URL as the go command wants it (go help goauth): it
			runs this by itself when GOAUTH names it, so that no ~/.netrc is needed. No other server
			gets the token, and none gets it but over https.

			The token is that of --token-file, else of MODHAVEN_TOKEN, else one that GitHub Actions
			gives to the job. For GitLab, an id_token of the name MODHAVEN_TOKEN is enough.

			ASKED is what the go command adds when a server at that URL has refused: then the
			response on standard input says whether a token could help, which is not so for a module
			that does not exist.`,
		variables: []variable{
			{envToken, "The token"},
			{envRequestURL + ", " + envRequest, "Where a job of GitHub Actions gets a token that says what it is"},
		},
		exits: []exit{
			{exitOK, "done"},
			{exitFailed, "there is no token, or it failed; the reason is on standard error, which go shows with -x"},
			{exitUsage, "wrong use"},
		},
		examples: []example{
			{"For all builds of a user", "go env -w GOAUTH='modhaven goauth --url https://go.corp.example --token-file /home/me/.modhaven-token'"},
			{"In a job of GitHub Actions", "export GOAUTH='modhaven goauth --url https://go.corp.example --audience modhaven'"},
		},
	}
}

// plain is a flag with any text.
type plain string

func (p *plain) Set(s string) error { *p = plain(s); return nil }
func (p *plain) String() string     { return string(*p) }
func (p *plain) Type() string       { return "TEXT" }

// urls is a flag with addresses of servers.
type urls []*url.URL

func (u *urls) Set(s string) error {
	addr, err := url.Parse(s)
	if err != nil || addr.Scheme != "https" || addr.Host == "" || addr.User != nil || addr.RawQuery != "" || addr.Fragment != "" || addr.Opaque != "" {
		return errors.New("no address over https")
	}
	addr.Path = strings.TrimSuffix(addr.Path, "/")
	*u = append(*u, addr)
	return nil
}

func (u *urls) String() string { return "" }
func (u *urls) Type() string   { return "URL" }

// A goauth gets a token for some servers.
type goauth struct {
	urls     urls
	file     string
	audience plain
	environ  []string
	client   *http.Client
	pause    time.Duration // before the second try; then twice as long
}

// has reports whether what is asked is at one of the servers.
func (a *goauth) has(asked string) bool {
	u, err := url.Parse(asked)
	return err == nil && slices.ContainsFunc(a.urls, func(of *url.URL) bool {
		return u.Scheme == of.Scheme && strings.EqualFold(u.Host, of.Host) && strings.HasPrefix(u.Path+"/", of.Path+"/")
	})
}

// refused reports whether a response is one that a token could change. What cannot be read counts as one.
func refused(in io.Reader) bool {
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(in, maxResponse)), nil)
	if err != nil {
		return true
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden
}

// errNoToken is the error where nothing says where a token is.
var errNoToken = errors.New("there is no token")

// token returns the token. No error has it in it.
func (a *goauth) token(ctx context.Context) (string, error) {
	if a.file != "" {
		b, err := readFile(a.file, maxToken)
		if err != nil {
			return "", err
		}
		return checkToken(string(b), a.file)
	}
	if v := a.env(envToken); v != "" {
		return checkToken(v, envToken)
	}
	addr, with := a.env(envRequestURL), a.env(envRequest)
	if addr == "" || with == "" {
		return "", errNoToken
	}
	return a.actions(ctx, addr, with)
}

func (a *goauth) env(name string) string {
	for _, kv := range slices.Backward(a.environ) {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}

// checkToken returns a token without the space around it, if it can stand in a header.
func checkToken(token, from string) (string, error) {
	token = strings.TrimSpace(token)
	if token == "" || len(token) > maxToken || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", fmt.Errorf("%s: it is not one token, as modhaven token create prints it", from)
	}
	return token, nil
}

// actions asks GitHub for a token of this job. It is asked three times, since a build without it fails.
func (a *goauth) actions(ctx context.Context, addr, with string) (string, error) {
	u, err := url.Parse(addr)
	if err != nil || u.Scheme != "https" {
		return "", fmt.Errorf("%s: it is not an address over https", envRequestURL)
	}
	q := u.Query()
	q.Set("audience", cmp.Or(string(a.audience), a.urls[0].String()))
	u.RawQuery = q.Encode()
	pause := a.pause
	for try := 1; ; try++ {
		token, again, err := a.actionsOnce(ctx, u.String(), with)
		if err == nil || !again || try == 3 {
			return token, err
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// actionsOnce asks once. again says that it is worth asking again.
func (a *goauth) actionsOnce(ctx context.Context, addr, with string) (token string, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, addr, nil)
	if err != nil {
		return "", false, err
	}
	req.Header.Set("Authorization", "Bearer "+with)
	resp, err := a.client.Do(req)
	if err != nil {
		return "", true, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", resp.StatusCode >= 500, fmt.Errorf("%s: the answer is %s; the job needs the permission id-token: write", goproxy.Redact(addr), resp.Status)
	}
	var answer struct{ Value string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 2*maxToken)).Decode(&answer); err != nil {
		return "", true, fmt.Errorf("%s: the answer is not JSON with a token", goproxy.Redact(addr))
	}
	token, err = checkToken(answer.Value, envRequestURL)
	return token, false, err
}

// print prints the token as the go command wants it.
func (a *goauth) print(w io.Writer, token string) error {
	var b strings.Builder
	for _, u := range a.urls {
		b.WriteString(u.String() + "\n")
	}
	b.WriteString("\nAuthorization: Bearer " + token + "\n\n")
	_, err := io.WriteString(w, b.String())
	return err
}

package gocmd

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Credentials are what hosts want to see. Its methods may be called at once.
type Credentials interface {
	// Names returns the hosts that have one, as HOST or HOST:PORT.
	Names() []string
	// Get returns that of a host; user and password are empty where there is none. An error is fit for clients.
	Get(ctx context.Context, host string) (user, password string, err error)
	// Refused says that the host did not take one, and reports whether another one can be had.
	Refused(ctx context.Context, host, user, password string) (again bool)
}

// envAsk is where a program that git or the go command runs asks for credentials: the address and the key of a counter.
const envAsk = "MODHAVEN_ASK"

// askTime is how long an answer may take: a command behind it may have to ask others.
const askTime = time.Minute

// A counter gives out credentials to one command and what that runs, on loopback, to who knows its key. So they are in no argument, address,
// file and variable.
type counter struct {
	f      *Fetcher
	own    string // the host of the module, which gets its credential unasked
	key    string
	addr   string
	srv    *http.Server
	served sync.WaitGroup

	mu      sync.Mutex
	given   map[string]pair  // by host
	trouble map[string]error // by host
	again   bool             // another credential than one that was refused can be had
}

type pair struct{ user, password string }

// newCounter returns nil where there are no credentials.
func (f *Fetcher) newCounter(ctx context.Context, thing string) (*counter, error) {
	if f.o.Credentials == nil {
		return nil, nil //nolint:nilnil // none
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	own, _, _ := strings.Cut(cutQuery(thing), "/")
	c := &counter{f: f, own: own, key: rand.Text(), addr: ln.Addr().String(), given: map[string]pair{}, trouble: map[string]error{}}
	c.srv = &http.Server{ReadHeaderTimeout: dialTimeout, Handler: c, BaseContext: func(net.Listener) context.Context { return ctx }}
	c.served.Go(func() { _ = c.srv.Serve(ln) })
	return c, nil
}

func (c *counter) close() {
	_ = c.srv.Close()
	c.served.Wait()
}

// env has git and the go command ask here. For hosts that have a credential no other helper is asked.
func (c *counter) env(env []string) []string {
	env = append(env, envAsk+"="+c.addr+" "+c.key)
	env = append(env, "GOAUTH="+strings.TrimSuffix(goWords(c.f.o.Helper)+" go;"+value(env, "GOAUTH"), ";off"))
	for _, host := range c.f.o.Credentials.Names() {
		name := "credential.https://" + host + ".helper"
		env = withGitConfig(env, [][2]string{{name, ""}, {name, "!" + quotedWords(c.f.o.Helper) + " git"}})
	}
	return env
}

// goWords are words for GOAUTH, where quotes know no escape.
func goWords(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		q := "'"
		if strings.Contains(w, q) {
			q = `"`
		}
		all[i] = q + w + q
	}
	return strings.Join(all, " ")
}

// quotedWords are words for a shell.
func quotedWords(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(all, " ")
}

// maxAsk bounds what is asked and answered, in bytes.
const maxAsk = 256 << 10

// ServeHTTP answers POST /git/OPERATION and POST /go[?url=URL], whose bodies are what the helper got on its standard input, with what
// it is to print.
func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+c.key)) != 1 || r.Method != http.MethodPost {
		http.Error(w, "who are you?", http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAsk))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := ""
	switch r.URL.Path {
	case "/git/get":
		answer = c.gitGet(r.Context(), string(body))
	case "/git/erase":
		c.gitErase(r.Context(), string(body))
	case "/go":
		answer = c.goauth(r.Context(), r.URL.Query().Get("url"), string(body))
	}
	_, _ = io.WriteString(w, answer)
}

// gitGet answers git (gitcredentials(7)). It asks for a port only where that is not the usual one.
func (c *counter) gitGet(ctx context.Context, asked string) string {
	if field(asked, "protocol") != "https" {
		return ""
	}
	p, err := c.get(ctx, field(asked, "host"))
	switch {
	case err != nil:
		return "quit=1\n"
	case p == pair{}:
		return ""
	}
	return "username=" + p.user + "\npassword=" + p.password + "\n"
}

// gitErase hears that a host refused what it was shown.
func (c *counter) gitErase(ctx context.Context, asked string) {
	if field(asked, "protocol") == "https" {
		c.refuse(ctx, field(asked, "host"))
	}
}

func field(text, key string) string {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), key+"="); ok {
			return v
		}
	}
	return ""
}

// goauth answers the go command (go help goauth), which at first asks for all that there is, and with a URL where a host has refused.
func (c *counter) goauth(ctx context.Context, asked, response string) string {
	host := c.own
	if asked != "" {
		u, err := url.Parse(asked)
		if err != nil || u.Scheme != "https" {
			return ""
		}
		host = u.Host
		if status := strings.Fields(response); len(status) < 2 || status[1] != "401" && status[1] != "403" && status[1] != "404" {
			return ""
		}
		if c.shown(host) && !c.refuse(ctx, host) {
			return ""
		}
	}
	p, err := c.get(ctx, host)
	if err != nil || p == (pair{}) {
		return ""
	}
	return "https://" + host + "\n\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password)) + "\n\n"
}

func (c *counter) get(ctx context.Context, host string) (pair, error) {
	user, password, err := c.f.o.Credentials.Get(ctx, host)
	if err == nil && strings.ContainsAny(user+password, "\r\n\x00") {
		err = errors.New(host + ": its credential has a control character, which cannot be sent")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.trouble[host] = err
		return pair{}, err
	}
	p := pair{user, password}
	if p != (pair{}) {
		c.given[host] = p
	}
	return p, nil
}

func (c *counter) shown(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.given[host] != pair{}
}

// refuse reports whether another credential can be had than the one that was given.
func (c *counter) refuse(ctx context.Context, host string) bool {
	c.mu.Lock()
	p := c.given[host]
	c.mu.Unlock()
	if p == (pair{}) {
		return false
	}
	again := c.f.o.Credentials.Refused(ctx, host, p.user, p.password)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = c.again || again
	return again
}

// renewed reports whether the command may do better the next time. c may be nil.
func (c *counter) renewed() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.again
}

// failure returns why the credential of a host named in text could not be had. c may be nil.
func (c *counter) failure(text string) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for host, err := range c.trouble {
		if name, _, _ := strings.Cut(host, ":"); strings.Contains(text, name) || strings.Contains(text, "told us to quit") {
			return err
		}
	}
	return nil
}

// wasGiven reports whether a host, as addresses have it, got a credential. c may be nil.
func (c *counter) wasGiven(host string) bool { return c != nil && c.shown(host) }

// hide takes out of what was said what was given: a host may repeat it. c may be nil.
func (c *counter) hide(said string) string {
	if c == nil {
		return said
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.given {
		for _, secret := range []string{p.password, url.QueryEscape(p.password), url.PathEscape(p.password), base64.StdEncoding.EncodeToString([]byte(p.user + ":" + p.password))} {
			if secret != "" {
				said = strings.ReplaceAll(said, secret, "…")
			}
		}
	}
	return said
}

// Ask is what the program behind Options.Helper does: it asks the Fetcher whose command runs it, and prints the answer. args are those
// behind the words of Options.Helper. For ssh it is the connection.
func Ask(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) == 3 && args[0] == "ssh" {
		return connectSSH(ctx, args[1], args[2], in, out) //nolint:gosec // there are three
	}
	addr, key, ok := strings.Cut(os.Getenv(envAsk), " ")
	path := askPath(args)
	switch {
	case !ok:
		return errors.New("this is run by git and by the go command, when modhaven has them fetch a module")
	case path == "":
		return fmt.Errorf("%.100q: what is asked is not known", args)
	}
	body, err := io.ReadAll(io.LimitReader(in, maxAsk))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) // no proxy
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", addr, resp.Status)
	}
	_, err = io.Copy(out, io.LimitReader(resp.Body, maxAsk))
	return err
}

func askPath(args []string) string {
	switch {
	case len(args) == 2 && args[0] == "git":
		return "/git/" + url.PathEscape(args[1])
	case len(args) > 0 && len(args) < 3 && args[0] == "go":
		return "/go?url=" + url.QueryEscape(cmp.Or(append(args[1:], "")...))
	}
	return ""
}

package credential

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	maxSecret = 64 << 10         // bytes
	askTime   = 30 * time.Second // for a command or an answer of GitHub
)

// source returns what knows the credential; nil where there is only one for SSH.
func (h *Host) source(environ []string, client *http.Client) source {
	switch {
	case h.File != "":
		return h.token(func() (string, error) { return readToken(h.File) })
	case h.Env != "":
		return h.token(func() (string, error) { return lookup(environ, h.Env) })
	case h.Command != "":
		return h.fromCommand(environ)
	case h.Helper != "":
		return h.fromHelper(environ)
	case h.App != "":
		return newApp(h, client).ask
	}
	return nil
}

// token is the source of what is read each time, so that a change counts at once.
func (h *Host) token(read func() (string, error)) source {
	return func(context.Context) (Secret, time.Time, error) {
		t, err := read()
		return Secret{h.User, t}, time.Time{}, err
	}
}

func readToken(name string) (string, error) {
	b, err := readBounded(name)
	if err != nil {
		return "", err
	}
	t, err := oneLine(b)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(b) > maxSecret {
		err = fmt.Errorf("%s: it has more than %d bytes; is it another file?", name, maxSecret)
	}
	return b, err
}

// oneLine returns the token in a text, which holds nothing else.
func oneLine(b []byte) (string, error) {
	t := strings.TrimSpace(string(b))
	switch {
	case t == "":
		return "", errors.New("it is empty, and a token should be in it")
	case strings.ContainsFunc(t, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", errors.New("it has several lines or control characters, and one token should be in it")
	}
	return t, nil
}

// lookup returns the last value of a variable.
func lookup(environ []string, name string) (string, error) {
	value, found := "", false
	for _, kv := range environ {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			value, found = v, true
		}
	}
	if !found {
		return "", fmt.Errorf("the variable %s is not set", name)
	}
	t, err := oneLine([]byte(value))
	if err != nil {
		return "", fmt.Errorf("the variable %s: %w", name, err)
	}
	return t, nil
}

func (h *Host) fromCommand(environ []string) source {
	words := strings.Fields(h.Command)
	return func(ctx context.Context) (Secret, time.Time, error) {
		out, err := run(ctx, environ, words, "")
		if err != nil {
			return Secret{}, time.Time{}, err
		}
		t, err := oneLine(out)
		if err != nil {
			return Secret{}, time.Time{}, fmt.Errorf("what %s printed: %w", words[0], err)
		}
		return Secret{h.User, t}, time.Now().Add(h.Every), nil
	}
}

// fromHelper asks a git credential helper as git does (gitcredentials(7)), but without a shell.
func (h *Host) fromHelper(environ []string) source {
	words := strings.Fields(h.Helper)
	if !filepath.IsAbs(words[0]) {
		words = append([]string{"git", "credential-" + words[0]}, words[1:]...)
	}
	words = append(words, "get")
	return func(ctx context.Context) (Secret, time.Time, error) {
		out, err := run(ctx, environ, words, "protocol=https\nhost="+h.Name+"\n\n")
		if err != nil {
			return Secret{}, time.Time{}, err
		}
		s, until := readHelper(out, time.Now().Add(h.Every))
		if s.Password == "" {
			return Secret{}, time.Time{}, fmt.Errorf("%s: the helper has no password for %s", strings.Join(words[:len(words)-1], " "), h.Name)
		}
		return s, until, nil
	}
}

// readHelper reads what a helper prints, lines KEY=VALUE. until is kept where the helper names no earlier end.
func readHelper(out []byte, until time.Time) (Secret, time.Time) {
	var s Secret
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		switch key {
		case "username":
			s.User = value
		case "password":
			s.Password = value
		case "password_expiry_utc":
			if sec, err := strconv.ParseInt(value, 10, 64); err == nil && time.Unix(sec, 0).Before(until) {
				until = time.Unix(sec, 0)
			}
		}
	}
	return s, until
}

// run returns what a command prints. What it says on standard error is not kept: it may be secret.
func run(ctx context.Context, environ, words []string, input string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...) // #nosec G204 -- of the configuration
	var out limited
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.WaitDelay = environ, strings.NewReader(input), &out, time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: it did not end within %v", words[0], askTime)
	case err != nil:
		return nil, fmt.Errorf("%s: %w; run it by hand as this user to see why", words[0], err)
	case out.Len() > maxSecret:
		return nil, fmt.Errorf("%s: it printed more than %d bytes", words[0], maxSecret)
	}
	return out.Bytes(), nil
}

// limited keeps one byte more than a secret may have.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), maxSecret+1-l.Len())])
	return len(p), nil
}

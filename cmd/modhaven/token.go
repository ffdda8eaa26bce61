package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modhaven/modhaven/internal/access"
	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/store"
)

func tokenCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "token COMMAND"}
	p.document(cmd, manual{
		short: "make, list and revoke tokens of clients",
		about: `
			A token is what a client shows to a server that asks who it is: as a bearer token, or as
			the password of any user, for instance in ~/.netrc. The file of tokens keeps their hashes
			alone. Servers that use it see a change within a second.`,
		exits: commonExits(),
	})
	p.isGroup(cmd)
	cmd.AddCommand(tokenCreateCommand(p), tokenListCommand(p), tokenRevokeCommand(p))
	return cmd
}

// A tokenFile is where the tokens are: a file that is named, else the one in the state directory.
type tokenFile struct {
	p    *process
	cmd  *cobra.Command
	file *fileName
}

func addTokenFile(p *process, cmd *cobra.Command) *tokenFile {
	f := &tokenFile{p, cmd, addFile(cmd, "file", p.msg.Text("The file of tokens; without it the file tokens in the state directory"))}
	p.addSettings(cmd, "state")
	return f
}

// name returns the name of the file. With create the state directory is made where it is missing, so that a server takes it as its own.
func (f *tokenFile) name(create bool) (string, error) {
	if f.file.name != "" {
		return f.file.name, nil
	}
	cfg, err := f.p.load(f.cmd)
	if err != nil {
		return "", err
	}
	dir, err := cfg.StateDir()
	if err != nil || !create {
		return filepath.Join(dir, access.TokenFile), err
	}
	state, err := store.OpenState(dir)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, access.TokenFile), state.Close()
}

// A lifetime is a flag with a length of time that may be in days.
type lifetime time.Duration

func (l *lifetime) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
		if n > 36500 { // a hundred years: more overflows
			return errors.New("no lifetime")
		}
	}
	if err != nil || d <= 0 {
		return errors.New("no lifetime")
	}
	*l = lifetime(d)
	return nil
}

func (l *lifetime) String() string { return config.FormatDuration(time.Duration(*l)) }
func (l *lifetime) Type() string   { return "DURATION" }

func tokenCreateCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "create NAME [OPTIONS]", Args: p.arguments("NAME")}
	groups := cmd.Flags().VarPF(&words{}, "groups", "", p.msg.Text("The groups that whoever has it is in, separated by commas"))
	var expires lifetime
	cmd.Flags().Var(&expires, "expires", p.msg.Text("How long it is good, such as 90d or 12h; without it for ever"))
	file := addTokenFile(p, cmd)
	p.document(cmd, manual{
		short: "make a token and print it",
		about: `
			Makes a token for a client that is to be called NAME and prints it, alone on standard
			output. It is kept nowhere and cannot be shown again. It goes into the client's
			~/.netrc, as the password of any user, or into MODHAVEN_TOKEN for modhaven goauth.

			A name whose token is revoked or expired can be used again. To replace a token without
			a gap, make one of another name and revoke the old one afterwards.`,
		variables: settingVariables(),
		exits:     commonExits(),
		examples: []example{
			{"For the builds of a team", "modhaven token create ci-payments --groups payments --expires 90d"},
			{"Into a file that nobody else can read", "(umask 077; modhaven token create ci >token)"},
		},
	})
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return p.createToken(file, args[0], groups.Value.(*words).all, time.Duration(expires))
	}
	return cmd
}

// words is a flag with a list.
type words struct{ all []string }

func (w *words) Set(text string) error {
	w.all = strings.Split(text, ",")
	return nil
}
func (w *words) String() string { return strings.Join(w.all, ",") }
func (w *words) Type() string   { return "LIST" }

func (p *process) createToken(file *tokenFile, name string, groups []string, expires time.Duration) error {
	for _, n := range append([]string{name}, groups...) {
		if access.CheckName(n) != nil {
			return p.usagef("%q is no name of a token or a group: letters, digits and . _ @ / + - are possible, 64 in all", n)
		}
	}
	in, err := file.name(true)
	if err != nil {
		return err
	}
	now, end := time.Now(), time.Time{}
	if expires > 0 {
		end = now.Add(expires)
	}
	secret, err := access.Create(in, name, groups, now, end)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(p.out, secret); err != nil {
		return p.failf("%s: the token could not be printed, so revoke it: %s", name, err.Error())
	}
	_, err = p.msg.Fprintf(p.err, "%s: groups %s, expires %s; the token is shown this once\n", name, listed(groups), p.moment(end))
	return err
}

func listed(words []string) string { return cmp.Or(strings.Join(words, ","), "-") }

// moment is a time for people.
func (p *process) moment(t time.Time) string {
	if t.IsZero() {
		return p.msg.Text("never")
	}
	return t.UTC().Format(time.RFC3339)
}

func tokenListCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "list [OPTIONS]", Args: p.arguments()}
	var asJSON bool
	cmd.Flags().BoolVar(&asJSON, "json", false, p.msg.Text("Print a JSON object for each token, one a line"))
	file := addTokenFile(p, cmd)
	p.document(cmd, manual{
		short: "list the tokens",
		about: `
			Prints a line for each token: its name, whether it is good, its groups, and when it was
			made and expires. No secret is shown, since none is kept.

			As JSON a token has the keys name, state (good, expired or revoked), groups, created and,
			where there is one, expires and revoked. Times are UTC.`,
		variables: settingVariables(),
		exits:     commonExits(),
		examples:  []example{{"Those that are good, for a script", "modhaven token list --json | jq 'select(.state == \"good\")'"}},
	})
	cmd.RunE = func(*cobra.Command, []string) error {
		in, err := file.name(false)
		if err != nil {
			return err
		}
		all, err := access.List(in)
		if err != nil {
			return err
		}
		return p.printTokens(all, asJSON, time.Now())
	}
	return cmd
}

type tokenJSON struct {
	Name    string    `json:"name"`
	State   string    `json:"state"`
	Groups  []string  `json:"groups"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
}

func (p *process) printTokens(all []access.Token, asJSON bool, now time.Time) error {
	for _, t := range all {
		state, text := "good", p.msg.Text("good")
		switch {
		case !t.Revoked.IsZero():
			state, text = "revoked", p.msg.Text("revoked")
		case t.Problem(now) != "":
			state, text = "expired", p.msg.Text("expired")
		}
		var err error
		if asJSON {
			err = json.NewEncoder(p.out).Encode(tokenJSON{t.Name, state, append([]string{}, t.Groups...), t.Created, t.Expires, t.Revoked})
		} else {
			_, err = p.msg.Fprintf(p.out, "%s: %s, groups %s, made %s, expires %s\n", t.Name, text, listed(t.Groups), p.moment(t.Created), p.moment(t.Expires))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func tokenRevokeCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "revoke NAME [OPTIONS]", Args: p.arguments("NAME")}
	file := addTokenFile(p, cmd)
	p.document(cmd, manual{
		short:     "end a token",
		about:     `Ends the token of that name. Servers that use the file refuse it within a second.`,
		variables: settingVariables(),
		exits:     commonExits(),
		examples:  []example{{"A token that was published", "modhaven token revoke ci-payments"}},
	})
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		in, err := file.name(false)
		if err != nil {
			return err
		}
		return access.Revoke(in, args[0], time.Now())
	}
	return cmd
}

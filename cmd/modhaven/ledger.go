package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/ledger"
)

// maxHistory is how many answers to clients are shown.
const maxHistory = 1000

func ledgerCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "ledger COMMAND"}
	p.document(cmd, manual{
		short: "show what is known of the files that were served",
		about: `
			The ledger is the record, in the state directory, of the hash of every .mod and .zip that
			was ever served, and of who was served what. More: docs/ledger.md.`,
		exits: commonExits(),
	})
	p.isGroup(cmd)
	cmd.AddCommand(ledgerShowCommand(p))
	return cmd
}

func ledgerShowCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "show [MODULE[@VERSION]] [OPTIONS]"}
	var show ledgerShow
	cmd.Flags().BoolVar(&show.unverified, "unverified", false, p.msg.Text("Only files that nothing proves and that were not found wrong, the oldest first"))
	cmd.Flags().BoolVar(&show.served, "served", false, p.msg.Text("Below, who was served them: the last 1000 answers, the newest first"))
	cmd.Flags().BoolVar(&show.json, "json", false, p.msg.Text("Print a JSON object for each file and each answer, one a line"))
	p.addSettings(cmd, "state")
	p.document(cmd, ledgerShowManual())
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return p.usagef("%s: one argument too many", args[1])
		case len(args) == 1 && !show.of(args[0]):
			return p.usagef("%q is not MODULE or MODULE@VERSION, such as golang.org/x/text@v0.14.0", args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.load(cmd)
		if err != nil {
			return err
		}
		state, err := cfg.StateDir()
		if err != nil {
			return err
		}
		return p.showLedger(cmd.Context(), filepath.Join(state, "ledger"), show)
	}
	return cmd
}

func ledgerShowManual() manual {
	return manual{
		short: "print what is recorded of files",
		about: `
			Prints a line for each .mod and .zip that is recorded of MODULE, or of one VERSION of it,
			or of everything: the version, the kind, the hash as in go.sum, when it was first seen,
			the upstream it came from ("-" where none is known), and what is known of it: "verified
			by" a checksum database and the size of the signed tree that proves it, "unverified", or
			"WRONG:" and why nothing is served that has this hash.

			A file that was found wrong has a second line once a proven one took its place.

			It may run while servers use the state directory, as a user who may write to it. It makes
			nothing where there is no ledger.

			As JSON a file has the keys module, version, kind, h1, first and, where they are known,
			from, verifiedBy, treeSize, verified and wrong; an answer has at, client, module, version,
			what, status, bytes and cache. Times are UTC.`,
		variables: settingVariables(),
		exits: []exit{
			{exitOK, "done"},
			{exitFailed, "nothing that is asked for is recorded, or it failed; the reason is on standard error"},
			{exitUsage, "wrong use, or a wrong configuration"},
		},
		examples: []example{
			{"One version, and who has it", "modhaven ledger show golang.org/x/text@v0.14.0 --served"},
			{"What no checksum database has proven yet", "modhaven ledger show --unverified"},
			{"What was found wrong, for a script", "modhaven ledger show --json | jq 'select(.wrong)'"},
		},
	}
}

// A ledgerShow is what is to be shown.
type ledgerShow struct {
	path, version            string // "" for all
	unverified, served, json bool
}

// of takes MODULE or MODULE@VERSION and reports whether arg is one of them.
func (s *ledgerShow) of(arg string) bool {
	var versioned bool
	s.path, s.version, versioned = strings.Cut(arg, "@")
	return module.CheckPath(s.path) == nil && versioned == (s.version != "")
}

func (p *process) showLedger(ctx context.Context, dir string, show ledgerShow) (err error) {
	name := filepath.Join(dir, ledger.FileName)
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return p.failf("%s: there is no ledger; is it another state directory?", name)
	}
	l, err := ledger.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, l.Close()) }()
	out := bufio.NewWriter(p.out)
	some, err := p.printEntries(out, show.entries(ctx, l), show.json)
	if show.served && err == nil {
		var more bool
		more, err = p.printServed(ctx, out, l, show)
		some = some || more
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if !some {
		return p.failf("%s: nothing that is asked for is recorded", name)
	}
	return nil
}

func (s *ledgerShow) entries(ctx context.Context, l *ledger.Ledger) iter.Seq2[ledger.Entry, error] {
	if !s.unverified {
		return l.Show(ctx, s.path, s.version)
	}
	all := l.Unverified(ctx)
	if s.path != "" { // fewer to look at
		all = l.Show(ctx, s.path, s.version)
	}
	return func(yield func(ledger.Entry, error) bool) {
		for e, err := range all {
			if (err != nil || e.By == "" && e.Wrong == "") && !yield(e, err) {
				return
			}
		}
	}
}

func (p *process) printEntries(w io.Writer, all iter.Seq2[ledger.Entry, error], asJSON bool) (some bool, err error) {
	for e, err := range all {
		if err != nil {
			return some, err
		}
		some = true
		if asJSON {
			err = json.NewEncoder(w).Encode(jsonEntry(e))
		} else {
			_, err = fmt.Fprintln(w, p.entryText(e))
		}
		if err != nil {
			return some, err
		}
	}
	return some, nil
}

// entryText is a line without what could move the cursor: upstreams choose some of it.
func (p *process) entryText(e ledger.Entry) string {
	state := p.msg.Text("unverified")
	switch {
	case e.Wrong != "":
		state = p.msg.Sprintf("WRONG: %s", e.Wrong)
	case e.By != "":
		state = p.msg.Sprintf("verified by %s at tree size %s", e.By, strconv.FormatInt(e.TreeSize, 10))
	}
	return oneLine(fmt.Sprintf("%s@%s %s %s %s %s %s", e.Path, e.Version.Version, e.Kind, e.H1, e.First.UTC().Format(time.RFC3339), cmp.Or(e.From, "-"), state))
}

func (p *process) printServed(ctx context.Context, w io.Writer, l *ledger.Ledger, show ledgerShow) (some bool, err error) {
	all, err := l.History(ctx, show.path, show.version, maxHistory)
	if err != nil {
		return false, err
	}
	if len(all) > 0 && !show.json {
		fmt.Fprintf(w, "\n%s\n", p.msg.Text("Served, the newest first:"))
	}
	for _, s := range all {
		if show.json {
			err = json.NewEncoder(w).Encode(jsonServed(s))
		} else {
			_, err = fmt.Fprintln(w, servedText(s))
		}
		if err != nil {
			return true, err
		}
	}
	return len(all) > 0, nil
}

func servedText(s ledger.Served) string {
	what := s.Path
	if s.Version != "" {
		what += "@" + s.Version
	}
	return oneLine(fmt.Sprintf("%s %s %s %s %d %s %s", s.At.UTC().Format(time.RFC3339), cmp.Or(s.Client, "-"), what, s.What, s.Status, bytesText(s.Bytes), cmp.Or(s.Cache, "-")))
}

type entryJSON struct {
	Module     string    `json:"module"`
	Version    string    `json:"version"`
	Kind       string    `json:"kind"`
	H1         string    `json:"h1"`
	First      time.Time `json:"first"`
	From       string    `json:"from,omitempty"`
	VerifiedBy string    `json:"verifiedBy,omitempty"`
	TreeSize   int64     `json:"treeSize,omitempty"`
	Verified   time.Time `json:"verified,omitzero"`
	Wrong      string    `json:"wrong,omitempty"`
}

func jsonEntry(e ledger.Entry) entryJSON {
	return entryJSON{e.Path, e.Version.Version, e.Kind.String(), e.H1, e.First, e.From, e.By, e.TreeSize, e.Verified, e.Wrong}
}

type servedJSON struct {
	At      time.Time `json:"at"`
	Client  string    `json:"client"`
	Module  string    `json:"module"`
	Version string    `json:"version"`
	What    string    `json:"what"`
	Status  int       `json:"status"`
	Bytes   int64     `json:"bytes"`
	Cache   string    `json:"cache"`
}

func jsonServed(s ledger.Served) servedJSON {
	return servedJSON{s.At, s.Client, s.Path, s.Version, s.What, s.Status, s.Bytes, s.Cache}
}

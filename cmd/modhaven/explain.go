package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/ledger"
)

func explainCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "explain MODULE[@QUERY] [OPTIONS]"}
	p.addSettings(cmd)
	p.document(cmd, manual{
		short: "say what becomes of a request for a module, and why",
		about: `
			Prints which rule holds for a module, who is asked for it and in which order, what proves
			its files, and what is stored and recorded of it: of a version, or of the list and of a
			query such as latest or main, which is the last answer and how old it is. Nothing is
			asked of anybody, and nothing is changed.

			It needs the same settings as the server, and may run while that does.`,
		variables: settingVariables(),
		exits:     commonExits(),
		examples: []example{
			{"Why does this version not come?", "modhaven explain git.corp.example/lib@v1.2.3"},
			{"What is the list of versions, and how old is it?", "modhaven explain golang.org/x/text"},
		},
	})
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if err := p.arguments("MODULE[@QUERY]")(cmd, args); err != nil {
			return err
		}
		path, query, versioned := strings.Cut(args[0], "@")
		if module.CheckPath(path) != nil || versioned && query == "" {
			return p.usagef("%q is not MODULE or MODULE@QUERY, such as golang.org/x/text@v0.14.0", args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := p.settings(cmd)
		if err != nil {
			return err
		}
		path, query, _ := strings.Cut(args[0], "@")
		return p.explainModule(cmd.Context(), cfg, path, query)
	}
	return cmd
}

func (p *process) explainModule(ctx context.Context, cfg *config.Config, path, query string) error {
	state, err := cfg.StateDir()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(state, "format")); errors.Is(err, fs.ErrNotExist) { // none is made
		return p.failf("%s: there is no state directory; is it another one?", state)
	}
	own := cfg.SumDBOwn
	cfg.SumDBOwn, cfg.SumDBOwnKey = "", "" // its log is not needed
	cfg.Auth, cfg.Access, cfg.RateLimit = "", "", ""
	hv, err := newHaven(cfg, newLog(cfg, p.err), extras{direct: true})
	if err != nil {
		return err
	}
	defer hv.close()
	x := explanation{p, hv, cfg, path, query, own}
	x.rule()
	x.route()
	x.proof()
	return x.known(goproxy.WithoutFetch(ctx))
}

// An explanation is of one module, and of a query of it where that is not "".
type explanation struct {
	*process
	hv          *haven
	cfg         *config.Config
	path, query string
	own         string // the checksum database of one's own; "" for none
}

func (x *explanation) say(label, text string) {
	fmt.Fprintf(x.out, "%-9s %s\n", label+":", oneLine(text))
}

// rule says whether the module is private, and by which pattern.
func (x *explanation) rule() {
	for pattern := range strings.SplitSeq(x.cfg.Private, ",") {
		if goproxy.MatchesAny(pattern, x.path) {
			x.say("rule", x.msg.Sprintf("%s is private: it matches %s", x.path, pattern))
			return
		}
	}
	x.say("rule", x.msg.Sprintf("%s is public: no pattern of private matches it", x.path))
}

// route says who is asked.
func (x *explanation) route() {
	r := x.hv.chain.Route(x.path)
	n := 0
	for _, group := range r.Groups {
		n++
		x.say("asked", fmt.Sprintf("%d. %s", n, strings.Join(group, " | ")))
	}
	if r.Direct {
		n++
		x.say("asked", x.msg.Sprintf("%d. version control (direct)", n))
	}
	if n == 0 {
		x.say("asked", x.msg.Text("nobody: only what is stored is served"))
	}
	if r.Skipped > 0 {
		x.say("skipped", x.msg.Sprintf("%d public entries of upstreams, which hear of no private module", r.Skipped))
	}
}

// proof says what its files must be.
func (x *explanation) proof() {
	db, _ := x.cfg.SumDatabase()
	bypasses, _ := x.cfg.Bypasses()
	excepted := ""
	for _, b := range bypasses {
		if goproxy.MatchesAny(b.Pattern, x.path) && time.Now().Before(b.Until) {
			excepted = b.Reason
		}
	}
	switch {
	case goproxy.MatchesAny(x.cfg.Private, x.path):
		x.say("verified", x.msg.Text("by the ledger: what was served first"))
	case db.Name == "":
		x.say("verified", x.msg.Text("by the ledger alone: there is no checksum database (sumdb: off)"))
	case excepted != "":
		x.say("verified", x.msg.Sprintf("by the ledger: checksum_bypass excepts it (%s)", excepted))
	case x.cfg.Unreachable == "refuse":
		x.say("verified", x.msg.Sprintf("by %s; refused while that cannot be asked", db.Name))
	default:
		x.say("verified", x.msg.Sprintf("by %s; served unverified while that cannot be asked", db.Name))
	}
	if x.own != "" {
		x.say("verified", x.msg.Sprintf("for clients by %s too", x.own))
	}
}

// known says what is here of it.
func (x *explanation) known(ctx context.Context) error {
	if !goproxy.Fits(x.path, x.query) {
		return x.answers(ctx)
	}
	m := module.Version{Path: x.path, Version: x.query}
	some := false
	for _, kind := range []goproxy.Kind{goproxy.Info, goproxy.Mod, goproxy.Zip} {
		meta, err := x.hv.service.Stat(ctx, goproxy.File{Version: m, Kind: kind})
		if err == nil {
			some = true
			x.say("stored", fmt.Sprintf(".%s, %s", kind, bytesText(meta.Size)))
		}
	}
	if !some {
		x.say("stored", x.msg.Sprintf("nothing of %s", x.query))
	}
	if x.hv.ledger == nil {
		return nil
	}
	for e, err := range x.hv.ledger.Show(ctx, m.Path, m.Version) {
		if err != nil {
			return err
		}
		x.say("ledger", x.entry(e))
	}
	return nil
}

func (x *explanation) entry(e ledger.Entry) string {
	text := x.msg.Sprintf(".%s %s, first served %s from %s", e.Kind, e.H1, e.First.UTC().Format(time.RFC3339), e.From)
	switch {
	case e.Wrong != "":
		return text + "; " + x.msg.Sprintf("WRONG: %s", e.Wrong)
	case e.By != "":
		return text + "; " + x.msg.Sprintf("proven by %s in a tree of %d records", e.By, e.TreeSize)
	}
	return text + "; " + x.msg.Text("nothing proves it")
}

// answers says what was said last of what may change.
func (x *explanation) answers(ctx context.Context) error {
	var c *goproxy.Content
	var err error
	what := x.query
	if what == "" {
		what = x.msg.Text("the list of versions")
		c, err = x.hv.service.List(ctx, x.path)
	} else {
		c, err = x.hv.service.Query(ctx, x.path, x.query)
	}
	if err != nil {
		x.say("stored", x.msg.Sprintf("no answer to %s", what))
		return nil
	}
	defer c.Body.Close()
	x.say("stored", x.msg.Sprintf("%s, as %s had it on %s, %s ago; asked again after %s", what, c.From, c.Checked.UTC().Format(time.RFC3339), rough(time.Since(c.Checked)), config.FormatDuration(x.cfg.Fresh)))
	return nil
}

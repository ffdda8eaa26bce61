package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/ledger"
	"github.com/modhaven/modhaven/internal/upstream"
)

// An explanation is of one module, and of a query of it where that is not "".
type explanation struct {
	*process
	hv          *haven
	cfg         *config.Config
	path, query string
	ledger      string // its directory
}

func (x *explanation) say(label, text string) {
	fmt.Fprintf(x.out, "%-9s %s\n", label+":", oneLine(text))
}

// rule says which patterns match the module, and what they make of it.
func (x *explanation) rule(r goproxy.Rule) {
	switch {
	case r.Above:
		x.say("rule", x.msg.Sprintf("%s stands above the private %s: no public upstream hears of it", x.path, r.Private))
	case r.Private != "":
		x.say("rule", x.msg.Sprintf("%s is private: it matches %s", x.path, r.Private))
	case r.Pattern != "":
		x.say("rule", x.msg.Sprintf("%s is public", x.path))
	default:
		x.say("rule", x.msg.Sprintf("%s is public: no pattern of private matches it", x.path))
	}
	if r.Pattern != "" {
		x.say("route", x.msg.Sprintf("%s, of routes", r.Pattern))
	} else {
		list, from := x.cfg.UpstreamText()
		x.say("route", x.msg.Sprintf("%s, of %s", config.MaskList(list), cmp.Or(from, "upstreams")))
	}
	if why := x.hv.leaks.Looks(x.path); why != "" {
		x.say("guard", x.msg.Sprintf("its host looks internal (%s), and no rule covers it; leak_guard is %s", why, x.cfg.LeakGuard))
	}
}

// route says who is asked, with which credentials.
func (x *explanation) route(r upstream.Route) {
	n := 0
	for _, group := range r.Groups {
		n++
		var names []string
		for _, u := range group {
			names = append(names, u.Name())
		}
		x.say("asked", fmt.Sprintf("%d. %s", n, strings.Join(names, " | ")))
		for _, u := range group {
			for _, c := range u.Sends() {
				x.say("sent", x.credential(u.Name(), c))
			}
		}
	}
	if r.Direct {
		n++
		x.say("asked", x.msg.Sprintf("%d. version control (direct)", n))
		x.directCredentials()
	}
	if n == 0 {
		x.say("asked", x.msg.Text("nobody: only what is stored is served"))
	}
	if r.Skipped > 0 {
		x.say("skipped", x.msg.Sprintf("%d public entries of upstreams, which hear of no private module", r.Skipped))
	}
}

// credential is one without its secret.
func (x *explanation) credential(name string, c upstream.Credential) string {
	switch c.Kind {
	case "address":
		return x.msg.Sprintf("to %s: the user and the password of its address", name)
	case "token":
		return x.msg.Sprintf("to %s: the token in %s", name, c.From)
	case "netrc":
		return x.msg.Sprintf("to %s: user and password of netrc (%s)", name, c.From)
	case "certificate":
		return x.msg.Sprintf("to %s: the client certificate in %s", name, c.From)
	}
	return x.msg.Sprintf("to %s: the headers in %s", name, c.From)
}

// directCredentials says which files version control may use.
func (x *explanation) directCredentials() {
	hosts, _ := directCredentials(x.cfg)
	own, _, _ := strings.Cut(x.path, "/")
	for _, h := range hosts {
		if h.Name == own {
			x.say("sent", x.msg.Sprintf("to %s: what direct_credentials has for it", own))
			return
		}
	}
	var files []string
	for _, name := range []string{x.cfg.DirectNetrc, x.cfg.DirectGitConfig} {
		if name != "" {
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		x.say("sent", x.msg.Text("to its host: no credential is configured"))
		return
	}
	x.say("sent", x.msg.Sprintf("to its host: what %s have for it", strings.Join(files, ", ")))
}

// proof says what its files must be.
func (x *explanation) proof(r goproxy.Rule) {
	db, _ := x.cfg.SumDatabase()
	bypasses, _ := x.cfg.Bypasses()
	excepted := ""
	for _, b := range bypasses {
		if goproxy.MatchesAny(b.Pattern, x.path) && time.Now().Before(b.Until) {
			excepted = b.Reason
		}
	}
	switch {
	case r.Private != "":
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
	if x.cfg.SumDBOwn != "" {
		x.say("verified", x.msg.Sprintf("for clients by %s too", x.cfg.SumDBOwn))
	}
	x.say("fresh", x.msg.Sprintf("lists, latest and branches are asked for again after %s; files never", config.FormatDuration(x.cfg.Fresh)))
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
	return x.recorded(ctx, m)
}

// recorded says what the ledger has of a version.
func (x *explanation) recorded(ctx context.Context, m module.Version) (err error) {
	if _, err := os.Stat(filepath.Join(x.ledger, ledger.FileName)); errors.Is(err, fs.ErrNotExist) { // none is made
		return nil
	}
	l, err := ledger.Open(ctx, x.ledger)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, l.Close()) }()
	for e, err := range l.Show(ctx, m.Path, m.Version) {
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

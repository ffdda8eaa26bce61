package main

import (
	"errors"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/spf13/cobra"
)

// execSettings are the settings of exec, and what of the caller's GOPROXY stays with
// the command itself.
type execSettings struct {
	*config.Config
	ups     []goproxy.Upstream
	db      goproxy.SumDB
	noSumDB string // names that are sent to no checksum database
	before  string // entries of GOPROXY that the go command reads by itself, each with its separator
	// direct are routes to version control, for the modules that the caller's go command asks no proxy for.
	direct []goproxy.Route
}

// execPatience is how long a command's questions wait for an upstream to come back.
const execPatience = 5 * time.Minute

func (p *process) execSettings(cmd *cobra.Command) (*execSettings, error) {
	cfg, err := p.load(cmd)
	if err != nil {
		return nil, err
	}
	// Whatever a server on this machine is set to, this one is the command's.
	cfg.Listen, cfg.TLSCert, cfg.TLSKey, cfg.TLSACME, cfg.TLSSelfSigned = "127.0.0.1:0", "", "", "", ""
	cfg.SumDBOwn, cfg.SumDBOwnKey = "", "" // which that one serves
	cfg.Auth, cfg.Access, cfg.RateLimit = "", "", ""
	if !cfg.IsSet("patience") {
		cfg.Patience = execPatience // no gateway between it and its client gives up sooner
	}
	s := &execSettings{Config: cfg}
	if err := p.keepFiles(s); err != nil {
		return nil, err
	}
	s.noSumDB = cfg.Private
	if cfg.Private == "" {
		cfg.Private = cfg.GoEnv().Get("GONOPROXY").Value
		s.noSumDB = cfg.GoEnv().Get("GONOSUMDB").Value
	}
	s.direct = directRoutes(cfg.GoEnv().Get("GONOPROXY").Value)
	var errs [3]error
	s.ups, errs[0] = cfg.UpstreamList()
	s.db, errs[1] = cfg.SumDatabase()
	_, errs[2] = cfg.StateDir()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if s.ups[0].URL == goproxy.Direct {
		return s, nil // Check refuses it for serve; here the command's own list goes on to direct
	}
	return s, cfg.Check()
}

// keepFiles leaves the file:// entries at the front of GOPROXY to the command, whose go
// command asks them first as before. Behind a proxy they cannot stay where they are.
func (p *process) keepFiles(s *execSettings) error {
	if s.NamesUpstreams() {
		return nil
	}
	list := s.GoEnv().Get("GOPROXY")
	before, rest := cutFiles(strings.TrimLeft(list.Value, ",| "))
	switch {
	case strings.Trim(rest, ",| ") == "" && before != "":
		return p.usagef("GOPROXY of %s names directories alone (%s), which need no proxy; run the command without modhaven exec, or name a proxy with --upstreams", list.From, list.Value)
	case hasFile(rest):
		return p.usagef("GOPROXY of %s has a file:// entry behind a proxy (%s); move it to the front, or name the proxies with --upstreams", list.From, config.MaskList(list.Value))
	case before != "":
		s.before, s.Upstreams = before, rest
	}
	return nil
}

// cutFiles cuts the file:// entries at the front of a list off, each with the separator after it.
func cutFiles(list string) (before, rest string) {
	for rest = list; isFile(rest); {
		i := strings.IndexAny(rest, ",|") + 1
		if i == 0 {
			return list, ""
		}
		rest = rest[i:]
	}
	return list[:len(list)-len(rest)], rest
}

func hasFile(list string) bool {
	for list != "" {
		i := strings.IndexAny(list, ",|")
		if isFile(list) {
			return true
		}
		if i < 0 {
			return false
		}
		list = list[i+1:]
	}
	return false
}

// isFile reports whether the first entry of a list is a directory's.
func isFile(list string) bool {
	const scheme = "file:"
	list = strings.TrimSpace(list)
	return len(list) >= len(scheme) && strings.EqualFold(list[:len(scheme)], scheme)
}

// directRoutes are those of patterns with the syntax of GONOPROXY. What can match no module, as the customary "none", is left out.
func directRoutes(patterns string) (all []goproxy.Route) {
	for p := range strings.SplitSeq(patterns, ",") {
		host, _, _ := strings.Cut(p, "/")
		if goproxy.BadPattern(p) == "" && strings.ContainsAny(host, ".*?[") {
			all = append(all, goproxy.Route{Pattern: p, Upstreams: []goproxy.Upstream{{URL: goproxy.Direct}}})
		}
	}
	return all
}

// takesOver reports whether the proxy may fetch what the caller's go command asks no proxy for. It may where the command's
// list ends in direct, so that the command itself still has its own way to what the proxy does not get.
func (s *execSettings) takesOver() bool { return len(s.direct) > 0 && s.after() != "" }

// environ returns the environment of the command: the caller's, with the proxy at addr in it, for private modules too where it fetches them.
func (s *execSettings) environ(caller []string, addr string, private bool) []string {
	env := append(caller[:len(caller):len(caller)],
		"GOPROXY="+s.before+"http://"+addr+s.after(),
		"GOSUMDB="+s.db.Spec())
	if private {
		env = append(env, "GONOPROXY=none")
	}
	return env
}

// after is what follows the proxy in the command's list. Where the upstreams end in direct
// it is that, with its separator; but '|' passes every error on, so a ',' anywhere before
// it makes it ',': that comma says for which errors nobody else may be asked.
func (s *execSettings) after() string {
	last := len(s.ups) - 1
	if s.ups[last].URL != goproxy.Direct {
		return ""
	}
	for _, u := range s.ups[:last] {
		if !u.AnyError {
			return "," + goproxy.Direct
		}
	}
	if last == 0 {
		return "," + goproxy.Direct
	}
	return "|" + goproxy.Direct
}

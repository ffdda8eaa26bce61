package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/doctor"
	"github.com/modhaven/modhaven/internal/goproxy"
)

// diagnoseUpstream has the doctor say why an upstream does not answer. One that upstream_options speak of is left
// out: the doctor knows none of these and would judge another way to it.
func (p *process) diagnoseUpstream(ctx context.Context, cfg *config.Config, u goproxy.Upstream) {
	options, err := cfg.UpstreamOptions()
	if _, special := options[u.URL]; err != nil || special {
		return
	}
	o, err := p.serverOptions(cfg)
	if err != nil {
		return
	}
	o.Override["GOPROXY"] = u.URL
	r := doctor.Examine(ctx, o)
	if r.Exit == exitOK || r.Exit == exitDegraded || ctx.Err() != nil {
		return
	}
	c := p.consultation(false)
	c.own = true
	for _, line := range c.brief(r, maxDiagnosis) {
		fmt.Fprintln(p.err, line)
	}
}

// serverOptions are what the doctor has to know of a server: its environment, and none of the go command's settings.
func (p *process) serverOptions(cfg *config.Config) (doctor.Options, error) {
	o := doctor.Options{Environ: p.environ, Given: doctor.GivenByModhaven, Override: map[string]string{"GOSUMDB": goproxy.Off}}
	resolvers, err := cfg.Resolvers()
	if err != nil {
		return o, err
	}
	for _, r := range resolvers {
		if a, err := netip.ParseAddrPort(r); err == nil {
			o.Resolvers = append(o.Resolvers, a)
		}
	}
	return o, nil
}

// warnOfSettings logs what is wrong with the settings of a server, without asking anybody: one line a finding.
func (p *process) warnOfSettings(ctx context.Context, cfg *config.Config, log *slog.Logger) {
	lists, err := upstreamLists(cfg)
	if err != nil {
		return
	}
	seen := map[string]bool{}
	for _, list := range lists {
		o, err := p.serverOptions(cfg)
		if err != nil {
			return
		}
		o.Override["GOPROXY"] = goproxy.FormatUpstreams(list)
		if o.Override["GOSUMDB"], err = sumSetting(cfg); err != nil {
			return
		}
		for _, f := range doctor.ExamineSettings(ctx, o) {
			line := ownNames.Replace(f.Summary.String())
			if seen[line] {
				continue
			}
			seen[line] = true
			var fix string
			if len(f.Fixes) > 0 {
				fix = ownNames.Replace(f.Fixes[0].Title.String())
			}
			log.Warn("a setting: "+line, "code", string(f.Code), "fix", fix)
		}
	}
}

// ownNames are Modhaven's names of settings of the go command.
var ownNames = strings.NewReplacer("GOPROXY", "upstreams", "GOSUMDB", "sumdb")

// upstreamLists are all lists of upstreams, that for modules without a route first.
func upstreamLists(cfg *config.Config) ([][]goproxy.Upstream, error) {
	main, err := cfg.UpstreamList()
	if err != nil {
		return nil, err
	}
	routes, err := cfg.Routes()
	if err != nil {
		return nil, err
	}
	lists := [][]goproxy.Upstream{main}
	for _, r := range routes {
		lists = append(lists, r.Upstreams)
	}
	return lists, nil
}

// sumSetting is the checksum database as GOSUMDB has it.
func sumSetting(cfg *config.Config) (string, error) {
	db, err := cfg.SumDatabase()
	if err != nil || db.Name == "" {
		return goproxy.Off, err
	}
	if db.URL != "" {
		return db.Spec() + " " + db.URL, nil
	}
	return db.Spec(), nil
}

// desk answers for the doctor of a server.
func (p *process) desk(cfg *config.Config) func(hv *haven) func(context.Context, string) ([]byte, error) {
	return func(hv *haven) func(context.Context, string) ([]byte, error) {
		return doctor.NewDesk((&office{p, cfg, hv}).examine).Ask
	}
}

// An office has the doctor of a server probe what that server is configured with, and nothing else.
type office struct {
	*process
	cfg *config.Config
	hv  *haven
}

// examine is what the doctor of the server finds, of each list of upstreams, or of that which a module is asked of.
func (f *office) examine(ctx context.Context, path, version string) *doctor.Report {
	all := f.plans(path, version)
	reports := make([]*doctor.Report, len(all))
	var wg sync.WaitGroup
	for i, o := range all {
		wg.Go(func() { reports[i] = doctor.Examine(ctx, o) })
	}
	wg.Wait()
	for _, r := range reports[1:] {
		reports[0].Add(r)
	}
	return reports[0]
}

// plans are what to examine, at least one.
func (f *office) plans(path, version string) []doctor.Options {
	if path != "" {
		return []doctor.Options{f.planFor(path, version)}
	}
	lists, err := upstreamLists(f.cfg) // were read before
	if err != nil {
		lists = [][]goproxy.Upstream{f.hv.upstreams}
	}
	var all []doctor.Options
	for i, list := range lists {
		o := f.plan(list)
		if i > 0 {
			o.Override["GOSUMDB"] = goproxy.Off // the first list's examination has it
		}
		all = append(all, o)
	}
	return all
}

// planFor is the plan for one module: those who may hear of it are asked.
func (f *office) planFor(path, version string) doctor.Options {
	route := f.hv.router.Route(path)
	address := map[string]string{}
	for addr, u := range f.hv.known {
		address[u.Name()] = addr
	}
	var list []goproxy.Upstream
	for _, group := range route.Groups {
		for i, u := range group {
			list = append(list, goproxy.Upstream{URL: address[u.Name()], AnyError: i < len(group)-1 || f.cfg.Failover == "any"})
		}
	}
	if route.Direct {
		list = append(list, goproxy.Upstream{URL: goproxy.Direct})
	}
	looks := route.Private == "" && f.hv.leaks != nil && f.hv.leaks.Looks(path) != ""
	if looks {
		list = nil
	}
	o := f.plan(list)
	o.Module, o.Version = path, version
	if looks {
		o.NotRun = append(o.NotRun, doctor.NotRun{Name: path, Why: doctor.WhyLooks})
	}
	if route.Private != "" || looks {
		o.Override["GOSUMDB"] = goproxy.Off
	}
	return o
}

// plan is the examination of a list of upstreams.
func (f *office) plan(list []goproxy.Upstream) doctor.Options {
	o, err := f.serverOptions(f.cfg)
	if err == nil {
		o.Override["GOSUMDB"], err = sumSetting(f.cfg)
	}
	options, optErr := f.cfg.UpstreamOptions()
	if err != nil || optErr != nil { // were read before
		return o
	}
	var entries []goproxy.Upstream
	for _, u := range list {
		_, parseErr := url.Parse(u.URL)
		switch {
		case u.URL == goproxy.Off:
			if db, err := f.cfg.SumDatabase(); err != nil || db.URL == "" {
				o.Override["GOSUMDB"] = goproxy.Off // nobody is asked for anything
			}
		case u.URL == goproxy.Direct:
			o.NotRun = append(o.NotRun, doctor.NotRun{Name: u.URL, Why: doctor.WhyDirect})
		case parseErr != nil || connectsOtherwise(options[u.URL]):
			o.NotRun = append(o.NotRun, doctor.NotRun{Name: u.URL, Why: doctor.WhyOptions})
		default:
			entries = append(entries, u)
		}
	}
	o.Override["GOPROXY"] = goproxy.FormatUpstreams(entries)
	return o
}

// connectsOtherwise reports whether options say how an upstream is connected to, or what is shown to it.
func connectsOtherwise(o goproxy.UpstreamOptions) bool {
	return o.CA != "" || o.Cert != "" || o.Proxy != "" || o.BearerFile != "" || o.Headers != "" || o.Netrc == goproxy.NotOn
}

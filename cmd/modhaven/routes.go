package main

import (
	"fmt"
	"net/url"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// newRouter builds who is asked for which module: a chain for each list of upstreams, over one pool.
func (hv *haven) newRouter(cfg *config.Config, x extras) error {
	routes, err := cfg.Routes()
	if err != nil {
		return err
	}
	options, err := cfg.UpstreamOptions()
	if err != nil {
		return err
	}
	routes = append(routes[:len(routes):len(routes)], x.routes...)
	hv.rules = goproxy.NewRules(cfg.Private, routes)
	if x.exactly {
		hv.rules = hv.rules.Exact()
	}
	direct, err := hv.newDirect(cfg, routes, x)
	if err != nil {
		return err
	}
	o := upstream.ChainOptions{Rules: hv.rules, Failover: cfg.Failover == "any", Direct: direct}
	rest := o
	if x.directRoutes {
		rest.Direct = nil
	}
	if hv.chain, err = hv.newChain(hv.upstreams, options, rest); err != nil {
		return err
	}
	chains := make([]*upstream.Chain, len(routes))
	for i, r := range routes {
		if chains[i], err = hv.newChain(r.Upstreams, options, o); err != nil {
			return err
		}
	}
	hv.newLeakGuard(cfg)
	hv.router = upstream.NewRouter(hv.rules, hv.chain, chains, hv.leaks)
	return nil
}

// newDirect builds what fetches from version control, where a list ends in that and some module may come so.
func (hv *haven) newDirect(cfg *config.Config, routes []goproxy.Route, x extras) (goproxy.Fetcher, error) {
	wanted, alone := false, false
	for i, list := range append([]goproxy.Route{{Upstreams: hv.upstreams}}, routes...) {
		last := len(list.Upstreams) - 1
		if list.Upstreams[last].URL == goproxy.Direct {
			wanted = wanted || last == 0 || i > 0 || cfg.Private != ""
			alone = alone || last == 0
		}
	}
	if !wanted || x.direct == nil {
		return nil, nil //nolint:nilnil // none
	}
	return x.direct(hv, cfg, alone)
}

// newChain builds one list of upstreams.
func (hv *haven) newChain(list []goproxy.Upstream, options map[string]goproxy.UpstreamOptions, o upstream.ChainOptions) (*upstream.Chain, error) {
	var entries []upstream.Entry
	for _, u := range list {
		if u.URL == goproxy.Direct || u.URL == goproxy.Off {
			o.End = u.URL
			continue
		}
		up, err := hv.upstream(u.URL, options[u.URL])
		if err != nil {
			return nil, err
		}
		entries = append(entries, upstream.Entry{Upstream: up, AnyError: u.AnyError, Public: u.Public})
	}
	return hv.pool.Chain(entries, o), nil
}

// upstream returns the one upstream of an address: what is known of it is the same for all lists that it stands in.
func (hv *haven) upstream(addr string, o goproxy.UpstreamOptions) (*upstream.Upstream, error) {
	if u := hv.known[addr]; u != nil {
		return u, nil
	}
	u, err := hv.newUpstream(addr, o)
	if err != nil {
		return nil, err
	}
	if hv.known == nil {
		hv.known = map[string]*upstream.Upstream{}
	}
	hv.known[addr] = u
	return u, nil
}

// newUpstream builds one upstream with connections of its own.
func (hv *haven) newUpstream(addr string, o goproxy.UpstreamOptions) (*upstream.Upstream, error) {
	tr, err := upstream.BuildTransport(hv.timeouts, o, &hv.dialer)
	if err != nil {
		return nil, fmt.Errorf("upstream %s: %w", goproxy.Redact(addr), err)
	}
	if hv.first == nil {
		hv.first = tr
	}
	return hv.pool.Upstream(addr, tr, o)
}

// newLeakGuard builds what looks at names that no rule covers.
func (hv *haven) newLeakGuard(cfg *config.Config) {
	if cfg.LeakGuard == "off" {
		return
	}
	o := upstream.LeakOptions{Rules: hv.rules, Domains: cfg.OwnDomainList(), Private: cfg.Private, Refuse: cfg.LeakGuard == "refuse", Lookup: hv.dialer.Lookup, Log: hv.log}
	for _, u := range hv.upstreams {
		if addr, err := url.Parse(u.URL); u.Public && err == nil {
			o.Control = addr.Hostname()
			break
		}
	}
	hv.leaks = upstream.NewLeakGuard(o)
}

package main

import (
	"context"
	"fmt"
	"net/netip"

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
	o := doctor.Options{Environ: p.environ, Override: map[string]string{ // a server has none of the go command's directories
		"GOPROXY": u.URL, "GOSUMDB": goproxy.Off, "GOFLAGS": "", "GOMOD": "", "GOMODCACHE": "", "GOTMPDIR": "",
	}}
	resolvers, err := cfg.Resolvers()
	if err != nil {
		return
	}
	for _, r := range resolvers {
		if a, err := netip.ParseAddrPort(r); err == nil {
			o.Resolvers = append(o.Resolvers, a)
		}
	}
	r := doctor.Examine(ctx, o)
	if r.Exit == exitOK || r.Exit == exitDegraded || ctx.Err() != nil {
		return
	}
	for _, line := range p.consultation(false).brief(r, maxDiagnosis) {
		fmt.Fprintln(p.err, line)
	}
}

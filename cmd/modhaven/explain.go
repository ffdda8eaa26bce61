package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/store"
	"github.com/modhaven/modhaven/internal/upstream"
)

func explainCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "explain MODULE[@QUERY] [OPTIONS]"}
	p.addSettings(cmd)
	p.document(cmd, manual{
		short: "say what becomes of a request for a module, and why",
		about: `
			Prints which rule and which route hold for a module, who is asked for it and in which
			order, which credentials go with that (never what is in them), what proves its files, how
			long answers stay fresh, and what is stored and recorded of it: of a version, or of the
			list and of a query such as latest or main, which is the last answer and how old it is.
			Nothing is asked of anybody, and nothing is changed.

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
	stored, err := store.ViewState(state)
	if errors.Is(err, fs.ErrNotExist) {
		return p.failf("%s: there is no state directory; is it another one?", state)
	}
	if err != nil {
		return err
	}
	hv, err := newView(cfg, stored)
	if err != nil {
		return err
	}
	defer hv.pool.Close()
	defer hv.service.Close()
	x := explanation{p, hv, cfg, path, query, filepath.Join(state, "ledger")}
	r := hv.router.Route(path)
	x.rule(r.Rule)
	x.route(r)
	x.proof(r.Rule)
	return x.known(goproxy.WithoutFetch(ctx))
}

// newView builds of a haven what can be looked at without asking or changing anything: who would be asked, and what is stored.
func newView(cfg *config.Config, stored store.Store) (*haven, error) {
	ups, err := cfg.UpstreamList()
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	hv := &haven{log: log, upstreams: ups, timeouts: upstream.DefaultTimeouts, pool: upstream.NewPool(upstream.PoolOptions{Patience: -1})}
	wouldBe := func(*haven, *config.Config, bool) (goproxy.Fetcher, error) { return struct{ goproxy.Fetcher }{}, nil }
	if err := hv.newRouter(cfg, extras{direct: wouldBe}); err != nil {
		hv.pool.Close()
		return nil, err
	}
	hv.service = proxy.New(proxy.Options{Store: stored, Fetcher: hv.router, Log: log, Fresh: max(cfg.Fresh, 1), Refresh: -1})
	return hv, nil
}

package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/store"
	"github.com/modhaven/modhaven/internal/sumdb"
	"github.com/modhaven/modhaven/internal/upstream"
)

// A haven is everything that serves modules, built from a configuration: the same for serve and for exec.
type haven struct {
	state     *store.State
	service   *proxy.Service
	handler   http.Handler
	upstreams []goproxy.Upstream
	transport *http.Transport
}

// watchers are who hears what a haven does. Both may be nil.
type watchers struct {
	recorder proxy.Recorder
	observe  func(server.Access)
}

// newHaven builds a haven. Close it.
func newHaven(cfg *config.Config, log *slog.Logger, w watchers) (*haven, error) {
	ups, err := cfg.UpstreamList()
	if err != nil {
		return nil, err
	}
	db, err := cfg.SumDatabase()
	if err != nil {
		return nil, err
	}
	stateDir, err := cfg.StateDir()
	if err != nil {
		return nil, err
	}
	state, err := store.OpenState(stateDir)
	if err != nil {
		return nil, err
	}
	if state.Swept > 0 {
		log.Info("removed what processes that are gone had left", "spools", state.Swept)
	}
	dir, err := store.NewDir(state.Dir, state.Spool)
	if err != nil {
		state.Close()
		return nil, err
	}
	timeouts := upstream.DefaultTimeouts
	timeouts.Idle = cfg.Idle
	hv := &haven{state: state, upstreams: ups, transport: upstream.NewTransport(timeouts)}
	chain, sources, err := newChain(cfg, ups, hv.transport, timeouts)
	if err != nil {
		state.Close()
		return nil, err
	}
	hv.service = proxy.New(proxy.Options{
		Store:    dir,
		Fetcher:  chain,
		Spool:    state.Spool,
		Recorder: w.recorder,
		Log:      log,
		Fresh:    cfg.Fresh,
		Budget:   cfg.RefreshBudget,
		Fills:    int64(cfg.Fills),
		Memory:   int64(cfg.Memory),
	})
	sums, err := newSumDB(cfg, db, sources, hv.transport, timeouts, dir, log)
	if err != nil {
		hv.close()
		return nil, err
	}
	hv.handler = server.New(server.Options{Source: hv.service, SumDB: sums, Fresh: cfg.Fresh, Observe: w.observe})
	return hv, nil
}

// close ends what a haven has under way.
func (hv *haven) close() {
	hv.service.Close()
	hv.transport.CloseIdleConnections()
	hv.state.Close()
}

// newChain builds the list of upstreams, and returns its HTTP sources too.
func newChain(cfg *config.Config, ups []goproxy.Upstream, rt http.RoundTripper, t upstream.Timeouts) (*upstream.Chain, []*upstream.HTTP, error) {
	chain := &upstream.Chain{Private: cfg.Private, Failover: cfg.Failover == "any"}
	var sources []*upstream.HTTP
	for _, u := range ups {
		if u.URL == goproxy.Direct || u.URL == goproxy.Off {
			chain.End = u.URL
			continue
		}
		h, err := upstream.NewHTTP(u.URL, rt, t)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, h)
		chain.Entries = append(chain.Entries, upstream.Entry{Name: h.Name(), Fetcher: h, AnyError: u.AnyError, Public: u.Public})
	}
	return chain, sources, nil
}

// newSumDB builds what answers below /sumdb/; nil where the database is off. A given address is asked first, then
// the upstreams' copies, then the database itself and its mirrors. Without upstreams nobody is asked.
func newSumDB(cfg *config.Config, db goproxy.SumDB, sources []*upstream.HTTP, rt http.RoundTripper, t upstream.Timeouts, keep store.Store, log *slog.Logger) (server.SumDB, error) {
	if db.Name == "" {
		return nil, nil
	}
	var places []sumdb.Place
	direct := func(addr string) error {
		h, err := upstream.NewHTTP(addr, rt, t)
		places = append(places, sumdb.Place{Remote: h})
		return err
	}
	if db.URL != "" {
		if err := direct(db.URL); err != nil {
			return nil, err
		}
	}
	for _, h := range sources {
		places = append(places, sumdb.Place{Remote: h, Prefix: "sumdb/" + db.Name + "/"})
	}
	if len(sources) > 0 {
		for _, addr := range append([]string{"https://" + db.Name}, cfg.SumDBMirrors()...) {
			if err := direct(addr); err != nil {
				return nil, err
			}
		}
	}
	return sumdb.New(sumdb.Options{DB: db, Places: places, Private: cfg.Private, Keep: keeper{keep, db.Name, log}}), nil
}

// keeper keeps a checksum database's answers in the store, apart from verified ones.
type keeper struct {
	store store.Store
	name  string
	log   *slog.Logger
}

func (k keeper) file(name string) string { return "sumdb/" + k.name + "/unverified/" + name }

// Load implements sumdb.Keeper.
func (k keeper) Load(ctx context.Context, name string) ([]byte, bool) {
	c, err := k.store.Open(ctx, k.file(name))
	if err != nil {
		return nil, false
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	return b, err == nil
}

// Save implements sumdb.Keeper.
func (k keeper) Save(ctx context.Context, name string, b []byte) {
	if err := k.store.Put(ctx, k.file(name), bytesSection(b), store.PutOptions{If: "*"}); err != nil {
		k.log.Error("the store takes no checksum answer; clients were answered all the same", "name", name, "err", err)
	}
}

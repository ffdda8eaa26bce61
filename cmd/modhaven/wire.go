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
	"github.com/modhaven/modhaven/internal/telemetry"
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

// extras are what a command adds to the settings. The zero value adds nothing.
type extras struct {
	recorder proxy.Recorder
	observe  func(server.Access)
	upstream func(name string, f goproxy.Fetcher) goproxy.Fetcher // stands around each upstream
	sumDB    func(server.SumDB) server.SumDB                      // stands around the checksum database
	// noSumDB are the patterns of names that no checksum database is asked for, where they
	// are not those of the setting private.
	noSumDB *string
	// telemetry counts and traces, and is what /metrics and /status say; nil for none.
	telemetry *telemetry.Telemetry
}

// newHaven builds a haven. Close it.
func newHaven(cfg *config.Config, log *slog.Logger, x extras) (*haven, error) {
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
	chain, sources, err := newChain(cfg, ups, hv.transport, timeouts, x)
	if err != nil {
		state.Close()
		return nil, err
	}
	po := proxy.Options{
		Store:    dir,
		Fetcher:  chain,
		Spool:    state.Spool,
		Recorder: x.recorder,
		Log:      log,
		Fresh:    max(cfg.Fresh, 1), // 0 would be the default of package proxy
		Budget:   cfg.RefreshBudget,
		Fills:    int64(cfg.Fills),
		Memory:   max(int64(cfg.Memory), 1),
	}
	if x.telemetry != nil {
		po.Tracer = x.telemetry.Tracer()
	}
	hv.service = proxy.New(po)
	places, err := sumPlaces(cfg, db, chain.End, sources, hv.transport, timeouts)
	if err != nil {
		hv.close()
		return nil, err
	}
	sums := newSumDB(cfg, db, places, dir, log, x)
	so := server.Options{Source: hv.service, SumDB: sums, Fresh: cfg.Fresh, Observe: x.observe}
	if x.telemetry != nil {
		watch(x.telemetry, hv, dir, &so)
	}
	hv.handler = server.New(so)
	return hv, nil
}

// watch lets telemetry see a haven, and be seen in it.
func watch(t *telemetry.Telemetry, hv *haven, dir store.Store, o *server.Options) {
	o.Tracer = t.Tracer()
	o.Metrics, o.Status = t.Metrics(), http.HandlerFunc(t.ServeStatus)
	o.Degraded = t.Degraded
	t.Watch(telemetry.Sources{
		Load: hv.service.Load,
		Size: func(ctx context.Context) (telemetry.Size, error) { return sizeOf(ctx, dir) },
	})
}

// sizeOf counts what is stored: the spools beside it come and go.
func sizeOf(ctx context.Context, s store.Store) (telemetry.Size, error) {
	var size telemetry.Size
	for _, prefix := range []string{"modules/", "queries/", "sumdb/"} {
		for e, err := range s.List(ctx, prefix) {
			if err != nil {
				return size, err
			}
			size.Files++
			size.Bytes += e.Size
		}
	}
	return size, nil
}

// close ends what a haven has under way.
func (hv *haven) close() {
	hv.service.Close()
	hv.transport.CloseIdleConnections()
	hv.state.Close()
}

// newChain builds the list of upstreams, and returns its HTTP sources too.
func newChain(cfg *config.Config, ups []goproxy.Upstream, rt http.RoundTripper, t upstream.Timeouts, x extras) (*upstream.Chain, []*upstream.HTTP, error) {
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
		var f goproxy.Fetcher = h
		if x.upstream != nil {
			f = x.upstream(h.Name(), h)
		}
		chain.Entries = append(chain.Entries, upstream.Entry{Name: h.Name(), Fetcher: f, AnyError: u.AnyError, Public: u.Public})
	}
	return chain, sources, nil
}

// sumPlaces are where the checksum database is asked: at a given address first, then at the upstreams' copies, then
// at the database itself and its mirrors. Where upstreams are off, at a given address only.
func sumPlaces(cfg *config.Config, db goproxy.SumDB, end string, sources []*upstream.HTTP, rt http.RoundTripper, t upstream.Timeouts) ([]sumdb.Place, error) {
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
	if len(sources) > 0 || end == goproxy.Direct {
		for _, addr := range append([]string{"https://" + db.Name}, cfg.SumDBMirrors()...) {
			if err := direct(addr); err != nil {
				return nil, err
			}
		}
	}
	return places, nil
}

// newSumDB builds what answers below /sumdb/; nil where the database is off.
func newSumDB(cfg *config.Config, db goproxy.SumDB, places []sumdb.Place, keep store.Store, log *slog.Logger, x extras) server.SumDB {
	if db.Name == "" {
		return nil
	}
	private := cfg.Private
	if x.noSumDB != nil {
		private = *x.noSumDB
	}
	sums := sumdb.New(sumdb.Options{DB: db, Places: places, Private: private, Keep: keeper{keep, db.Name, log}})
	if x.sumDB != nil {
		return x.sumDB(sums)
	}
	return sums
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

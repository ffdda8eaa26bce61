package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"syscall"

	"go.opentelemetry.io/otel/trace"

	"github.com/modhaven/modhaven/internal/access"
	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/gocmd"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/ledger"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/store"
	"github.com/modhaven/modhaven/internal/sumdb"
	"github.com/modhaven/modhaven/internal/sumlog"
	"github.com/modhaven/modhaven/internal/telemetry"
	"github.com/modhaven/modhaven/internal/upstream"
)

// A haven is everything that serves modules, built from a configuration: the same for serve and for exec.
type haven struct {
	state     *store.State
	ledger    *ledger.Ledger // nil where its disk takes none
	shelf     *shelf         // nil where there is no checksum database
	guard     *access.Guard  // nil where everybody may ask
	direct    *gocmd.Fetcher // nil where nothing is fetched from version control
	own       *sumlog.Log    // nil where there is no checksum database of one's own
	service   *proxy.Service
	handler   http.Handler
	upstreams []goproxy.Upstream
	timeouts  upstream.Timeouts
	dialer    upstream.Dialer
	log       *slog.Logger
	pool      *upstream.Pool
	first     http.RoundTripper // to the first upstream; nil where there is none
	known     map[string]*upstream.Upstream
	rules     *goproxy.Rules
	chain     *upstream.Chain // of the list for modules without a route
	router    *upstream.Router
	leaks     *upstream.LeakGuard // nil where it is off
}

// extras are what a command adds to the settings. The zero value adds nothing.
type extras struct {
	recorder proxy.Recorder
	observe  func(server.Access)
	attempts upstream.Observer
	fetcher  func(goproxy.Fetcher) goproxy.Fetcher // stands around the upstreams
	sumDB    func(server.SumDB) server.SumDB       // stands around the checksum database
	source   func(goproxy.Source) goproxy.Source   // stands around all of it
	// noSumDB says which names no checksum database is asked for, where these are not the private ones.
	noSumDB *goproxy.Rules
	// direct makes what fetches from version control, where a list of upstreams ends in that; nil for nothing. alone says
	// that there are modules that nobody else has.
	direct func(hv *haven, cfg *config.Config, alone bool) (goproxy.Fetcher, error)
	// routes come after those of the settings. With exactly, what stands above a private pattern is not private.
	routes  []goproxy.Route
	exactly bool
	// direct is for routes alone.
	directRoutes bool
	// doctor makes what answers /doctor; nil for nothing.
	doctor func(hv *haven) func(ctx context.Context, question string) ([]byte, error)
	// telemetry counts and traces, and is what /metrics and /status say; nil for none.
	telemetry *telemetry.Telemetry
}

// tracer returns what the parts of a haven begin spans with; nil for none.
func (x *extras) tracer() trace.Tracer {
	if x.telemetry == nil {
		return nil
	}
	return x.telemetry.Tracer()
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
	resolvers, err := cfg.Resolvers()
	if err != nil {
		return nil, err
	}
	hv := &haven{log: log, upstreams: ups, timeouts: upstream.DefaultTimeouts}
	dir, err := hv.openState(stateDir)
	if err != nil {
		return nil, err
	}
	hv.timeouts.Idle = cfg.Idle
	hv.dialer.Lookup = (&upstream.Resolver{Servers: resolvers}).Lookup
	hv.pool = upstream.NewPool(upstream.PoolOptions{Patience: cmp.Or(cfg.Patience, -1), Timeouts: hv.timeouts, Observer: x.attempts, Tracer: x.tracer(), Log: log})
	if err := hv.newRouter(cfg, x); err != nil {
		hv.closeParts()
		return nil, err
	}
	client, err := hv.newSumClient(cfg, db, dir)
	if err != nil {
		hv.closeParts()
		return nil, err
	}
	if err := errors.Join(hv.openOwn(cfg), hv.newGuard(cfg)); err != nil {
		hv.closeParts()
		return nil, err
	}
	verifier, err := hv.newVerifier(cfg, db, client, x)
	if err != nil {
		hv.closeParts()
		return nil, err
	}
	hv.newService(cfg, verifier, dir, x)
	var source goproxy.Source = hv.service
	if x.source != nil {
		source = x.source(source)
	}
	so := server.Options{Source: source, SumDB: hv.newSumDB(db, client, verifier, x), Fresh: cfg.Fresh, Observe: hv.served(x.observe)}
	if hv.guard != nil {
		so.Guard = porter{hv.guard}
	}
	if x.telemetry != nil {
		watch(cfg, x.telemetry, hv, dir, &so)
	}
	if x.doctor != nil {
		so.Doctor = x.doctor(hv)
	}
	hv.handler = server.New(so)
	return hv, nil
}

// openState opens the state directory, and the ledger in it.
func (hv *haven) openState(name string) (*store.Dir, error) {
	state, err := store.OpenState(name)
	if err != nil {
		return nil, err
	}
	if state.Swept > 0 {
		hv.log.Info("removed what processes that are gone had left", "spools", state.Swept)
	}
	dir, err := store.NewDir(state.Dir, state.Spool)
	if err == nil {
		hv.ledger, err = openLedger(state.Dir, hv.log)
	}
	if err != nil {
		state.Close()
		return nil, err
	}
	hv.state = state
	return dir, nil
}

// openLedger opens the ledger; nil where its disk is full or fails, since no build fails of that.
func openLedger(state string, log *slog.Logger) (*ledger.Ledger, error) {
	l, err := ledger.Open(context.Background(), filepath.Join(state, "ledger"))
	if errors.Is(err, ledger.ErrDisk) || errors.Is(err, syscall.ENOSPC) {
		log.Error("files are served without being noted in the ledger, and are not compared with it, until the next start", "err", err)
		return nil, nil //nolint:nilnil // none
	}
	return l, err
}

// newService builds what gets modules.
func (hv *haven) newService(cfg *config.Config, v *sumdb.Verifier, dir store.Store, x extras) {
	var fetcher goproxy.Fetcher = hv.router
	if x.fetcher != nil {
		fetcher = x.fetcher(fetcher)
	}
	po := proxy.Options{
		Store:    dir,
		Fetcher:  fetcher,
		Spool:    hv.state.Spool,
		Recorder: x.recorder,
		Log:      hv.log,
		Tracer:   x.tracer(),
		Fresh:    max(cfg.Fresh, 1), // 0 would be the default of package proxy
		Budget:   cfg.RefreshBudget,
		Refresh:  cmp.Or(cfg.ListRefresh, -1),
		Fills:    int64(cfg.Fills),
		Memory:   max(int64(cfg.Memory), 1),
	}
	if cfg.ReadAhead == "on" {
		po.Ahead = hv.router.Ahead
	}
	if v != nil {
		po.Verifier = verifier{v}
	}
	if hv.ledger != nil {
		po.Ledger = book{hv.ledger}
	}
	hv.service = proxy.New(po)
}

// watch lets telemetry see a haven, and be seen in it.
func watch(cfg *config.Config, t *telemetry.Telemetry, hv *haven, dir store.Store, o *server.Options) {
	o.Tracer = t.Tracer()
	o.Status = http.HandlerFunc(t.ServeStatus)
	if cfg.Metrics == "on" {
		o.Metrics = t.Metrics()
	}
	o.Degraded = t.Degraded
	t.Watch(telemetry.Sources{
		Upstreams: hv.router.Status,
		Leaks:     hv.leaks.Leaks,
		Load:      hv.service.Load,
		Size:      func(ctx context.Context) (telemetry.Size, error) { return sizeOf(ctx, dir) },
		Trust:     hv.trust,
	})
}

// trust is what the ledger and the own checksum database say of themselves.
func (hv *haven) trust() telemetry.Trust {
	var t telemetry.Trust
	if hv.ledger != nil {
		n, err := hv.ledger.CountUnverified(context.Background())
		if err != nil {
			hv.log.Error("the ledger cannot be read", "err", err)
		}
		t.Unverified, t.Unnoted = n, hv.ledger.Dropped()
	}
	if hv.own != nil {
		t.Own = &telemetry.OwnSumDB{Name: hv.own.Name(), Records: hv.own.Size()}
	}
	return t
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
	hv.closeParts()
}

// closeParts ends what stands below the service.
func (hv *haven) closeParts() {
	hv.pool.Close()
	if hv.direct != nil {
		if err := hv.direct.Close(); err != nil {
			hv.log.Error("what fetches from version control was not closed well", "err", err)
		}
	}
	if hv.shelf != nil {
		hv.shelf.close()
	}
	if hv.guard != nil {
		hv.guard.Close()
	}
	if hv.own != nil {
		if err := hv.own.Close(); err != nil {
			hv.log.Error("the own checksum database was not closed well", "err", err)
		}
	}
	if hv.ledger != nil {
		if err := hv.ledger.Close(); err != nil {
			hv.log.Error("the ledger was not closed well", "err", err)
		}
	}
	hv.state.Close()
}

// sumPlaces are where the checksum database is asked: at a given address first, then at the upstreams' copies, then
// at the database itself and its mirrors. Where upstreams are off, at a given address only.
func (hv *haven) sumPlaces(cfg *config.Config, db goproxy.SumDB) ([]upstream.SumPlace, error) {
	var places []upstream.SumPlace
	direct := func(addr string) error {
		u, err := hv.newUpstream(addr, goproxy.UpstreamOptions{})
		places = append(places, upstream.SumPlace{Upstream: u})
		return err
	}
	if db.URL != "" {
		if err := direct(db.URL); err != nil {
			return nil, err
		}
	}
	copies := hv.chain.Upstreams()
	for _, u := range copies {
		places = append(places, upstream.SumPlace{Upstream: u, Prefix: "sumdb/" + db.Name + "/"})
	}
	if len(copies) > 0 || hv.chain.End() == goproxy.Direct {
		for _, addr := range append([]string{"https://" + db.Name}, cfg.SumDBMirrors()...) {
			if err := direct(addr); err != nil {
				return nil, err
			}
		}
	}
	return places, nil
}

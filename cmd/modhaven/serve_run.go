package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/telemetry"
)

// probeTime is how long an upstream may take to answer at the start before its user is told.
const probeTime = 3 * time.Second

func bytesSection(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

// runServe serves until ctx ends, then lets what runs finish.
func (p *process) runServe(ctx context.Context, cfg *config.Config) error {
	log := newLog(cfg, p.err)
	tuneMemory(os.DirFS("/"))
	ln, err := server.Listen(cfg.Listen, cfg.Connections, server.Stall)
	if err != nil {
		return fmt.Errorf("listen %s: %w; choose another address with --listen", cfg.Listen, err)
	}
	defer ln.Close()
	tel, err := newTelemetry(cfg, log)
	if err != nil {
		return err
	}
	log = tel.Log()
	late, cancel := lasting(ctx, cfg.Drain)
	defer cancel()
	defer flush(late, tel, cfg.Drain, log)
	hv, err := newHaven(cfg, log, extras{recorder: tel, observe: tel.Observe, attempts: tel, telemetry: tel, direct: serverDirect, doctor: p.desk(cfg)})
	if err != nil {
		return err
	}
	defer hv.close()
	certs, err := openCertificates(cfg, hv.state.Dir, log)
	if err != nil {
		return err
	}
	defer certs.close()
	p.announce(cfg, ln.Addr(), hv)
	if certs.own != nil {
		p.sayTrust(certs.own, cfg.URL(ln.Addr().String()))
	}
	go p.warnOfSettings(ctx, cfg, log)
	go p.probeUpstream(ctx, cfg, hv)
	certs.run(ctx, cfg, log)
	err = server.Serve(ctx, newServer(hv, &certs, log), ln, cfg.Drain)
	if err != nil {
		log.Warn("ended", "err", err)
	}
	if ctx.Err() == nil {
		cancel() // the listener failed: nobody is left to answer
	}
	if hv.service.Drain(late) != nil {
		log.Warn("some downloads did not finish and were dropped", "after", cfg.Drain)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// lasting returns a context that ends d after ctx has: what must end runs out of it together.
func lasting(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return late, cancel
}

// newLog returns the logger that the configuration asks for.
func newLog(cfg *config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // checked by config
	o := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// newTelemetry returns what watches a server. Shut it down.
func newTelemetry(cfg *config.Config, log *slog.Logger) (*telemetry.Telemetry, error) {
	b := thisBuild()
	return telemetry.New(telemetry.Options{
		Version:  b.Version,
		Commit:   b.Commit,
		Log:      log,
		Access:   cfg.AccessLog == "on",
		Endpoint: cfg.OTLP,
		Sample:   float64(cfg.OTLPSample) / 100,
	})
}

// flush sends the last of what is measured, in what is left of the time to end.
func flush(late context.Context, t *telemetry.Telemetry, drain time.Duration, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(late, drain)
	defer cancel()
	if err := t.Shutdown(ctx); err != nil {
		log.Warn("the last of what is measured was not sent", "err", err)
	}
}

// accessLog logs each request at level debug; nil where that level is off.
func accessLog(log *slog.Logger) func(server.Access) {
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return nil
	}
	return func(a server.Access) {
		log.Debug("answered", "method", a.Method, "path", a.Path, "status", a.Status, "bytes", a.Bytes, "stored", a.Stored, "took", a.Took)
	}
}

// announce prints what a person needs to use the server.
func (p *process) announce(cfg *config.Config, addr net.Addr, hv *haven) {
	url := cfg.URL(addr.String())
	fmt.Fprintln(p.err, p.msg.Sprintf("listening on %s, state in %s, upstreams %s", url, hv.state.Dir, redactList(hv.upstreams)))
	fmt.Fprintln(p.out, "export GOPROXY="+url)
	if hv.own != nil {
		fmt.Fprintln(p.out, "export GOSUMDB="+hv.own.Verifier())
	}
}

func redactList(ups []goproxy.Upstream) string {
	clean := make([]goproxy.Upstream, len(ups))
	for i, u := range ups {
		clean[i] = u
		clean[i].URL = goproxy.Redact(u.URL)
	}
	return goproxy.FormatUpstreams(clean)
}

// probeUpstream asks the first upstream for anything at all, and says so where nothing comes: most often a network that blocks it.
func (p *process) probeUpstream(life context.Context, cfg *config.Config, hv *haven) {
	if hv.first == nil {
		return
	}
	ctx, cancel := context.WithTimeout(life, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, hv.upstreams[0].URL+"/", nil)
	if err != nil {
		return
	}
	resp, err := hv.first.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
		return
	}
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return // shutting down
	}
	fmt.Fprintln(p.err, p.msg.Sprintf("the upstream %s does not answer (%v)", goproxy.Redact(hv.upstreams[0].URL), err))
	fmt.Fprintln(p.err, p.msg.Sprintf("in mainland China use: %s", "modhaven serve --upstreams cn"))
	p.diagnoseUpstream(life, cfg, hv.upstreams[0])
}

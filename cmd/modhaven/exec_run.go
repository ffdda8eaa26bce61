package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/upstream"
)

// lastAnswers is how long the answers that are under way when the command ends may take.
// Whom they are for has mostly gone with it.
const lastAnswers = time.Second

// patience is how long an upstream may take before it may be why the command ended early.
const patience = 2 * time.Second

// An execution is one run of exec.
type execution struct {
	*process
	settings *execSettings
	program  string   // the file to run
	args     []string // with the name it was called by
	attempts int
	quiet    bool
	verbose  bool
	consult  bool
}

// run runs the command behind a proxy and returns the exit status.
func (e *execution) run(ctx context.Context) (status int, err error) {
	log := slog.New(slog.DiscardHandler)
	if e.verbose {
		log = newLog(e.settings.Config, e.err)
	}
	ln, err := server.Listen(e.settings.Listen, e.settings.Connections, server.Stall)
	if err != nil {
		return 0, fmt.Errorf("listen %s: %w", e.settings.Listen, err)
	}
	t := newTally()
	line := e.progress()
	defer line.close()
	hv, err := newHaven(e.settings.Config, log, e.extras(log, t, line))
	if err != nil {
		ln.Close()
		return 0, err
	}
	s := server.NewHTTP(e.ahead(hv, hv.handler), nil, log)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	status, left, err := e.attempt(ln.Addr(), hv.direct != nil, t)
	stop(ctx, s, ln)
	line.close()
	if err == nil {
		left.failed = t.failures() // before close: what is cut off then did not fail
	}
	hv.close()
	if err != nil {
		return 0, err
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		e.complain(e.msg.Sprintf("the proxy on %s ended early: %v", ln.Addr().String(), err))
	}
	leaks, _ := hv.leaks.Leaks()
	e.conclude(ctx, status, left, t.sum(), leaks)
	return status, nil
}

// attempt runs the command, and again where downloads are why it failed, as often as it may.
func (e *execution) attempt(proxy net.Addr, private bool, t *tally) (status int, l left, err error) {
	in := beginOf(e.in)
	signals := catchSignals()
	for n := 1; ; n++ {
		status, err = e.child(proxy, private, signals)
		l = left{underWay: t.underWay(time.Now().Add(-patience)), failed: t.failures()}
		if err != nil || n >= e.attempts || status == exitOK || status >= exitCannotRun || signals.heard() {
			return status, l, err
		}
		why := e.whyAgain(l, t)
		if why == "" {
			return status, l, nil
		}
		if !in.rewind() {
			e.complain(e.msg.Sprintf("%s is not run again: its standard input is a pipe that it may have read; give it a file or /dev/null", e.args[0]))
			return status, l, nil
		}
		e.complain(e.msg.Sprintf("%s failed (status %d), and so did downloads: %s; attempt %d of %d", e.args[0], status, why, n+1, e.attempts))
		t.forget()
	}
}

// whyAgain returns what went wrong with downloads, "" where nothing did.
func (e *execution) whyAgain(l left, t *tally) string {
	reasons := reasonsOf(append(l.failed, t.lost()...))
	switch {
	case len(reasons) > 0:
		return e.reasonText(reasons[0])
	case len(l.underWay) > 0:
		return l.underWay[0].what
	}
	return ""
}

// What is left when a command has ended is what it did not get.
type left struct {
	failed   []failure
	underWay []question
}

// conclude says at the end what was done, and what may be why the command failed.
func (e *execution) conclude(ctx context.Context, status int, l left, s sum, leaks []upstream.Leak) {
	if status != exitOK {
		e.explainFailures(l.failed)
		e.explainUnderWay(l.underWay, time.Now())
		e.diagnose(ctx, l)
		s.failed = 0 // that is said
	}
	for _, l := range leaks[:min(len(leaks), maxReasons)] {
		e.complain(e.leakText(l))
	}
	if !e.quiet {
		e.complain(e.summary(s))
	}
}

// extras hooks the tally and the progress line into a haven.
func (e *execution) extras(log *slog.Logger, t *tally, line *progress) extras {
	access := accessLog(log)
	x := extras{
		recorder: t,
		observe: func(a server.Access) {
			if a.Endpoint == server.EndpointSumDB || a.Endpoint == server.EndpointOther && a.Err == nil {
				return // the tally stands around the checksum database itself, and health is not the command's
			}
			t.observe(a)
			if access != nil {
				access(a)
			}
		},
		attempts: t,
		fetcher:  watchChain(t, line),
		sumDB:    func(db server.SumDB) server.SumDB { return &watchedSumDB{db, t} },
		exactly:  !e.settings.IsSet("private"),
	}
	routes, _ := e.settings.Routes()
	x.noSumDB = goproxy.NewRules(e.settings.noSumDB, routes).Exact()
	if e.settings.takesOver() {
		x.routes, x.direct, x.directRoutes = e.settings.direct, callerDirect(e.environ), true
		rules := goproxy.NewRules("", e.settings.direct)
		x.source = func(next goproxy.Source) goproxy.Source { return &yielding{next, rules, t} }
	}
	return x
}

// child runs the command and returns its exit status. It has our own streams: where these
// are files it gets the very files.
func (e *execution) child(proxy net.Addr, private bool, signals *signals) (status int, err error) {
	cmd := &exec.Cmd{
		Path:   e.program,
		Args:   e.args,
		Env:    e.settings.environ(e.environ, proxy.String(), private),
		Stdin:  e.in,
		Stdout: e.out,
		Stderr: e.err,
	}
	if err := cmd.Start(); err != nil {
		return 0, e.cannotRun(e.notRun(e.program, err))
	}
	signals.relay(cmd.Process)
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("%s: %w", e.args[0], err)
	}
	return exitOf(cmd.ProcessState), nil
}

// stop ends a server. Answers to a command that has ended come to nothing quickly; what it
// left running in the background is cut off.
func stop(ctx context.Context, s *http.Server, ln net.Listener) {
	late, cancel := context.WithTimeout(ctx, lastAnswers)
	defer cancel()
	if s.Shutdown(late) != nil {
		s.Close()
	}
	ln.Close() // where Serve has not begun
}

// progress returns what shows the progress of downloads: nothing where there is no
// terminal to show it on, or nobody wants it.
func (e *execution) progress() *progress {
	f, ok := e.err.(*os.File)
	if !ok || e.quiet || e.verbose || !isTerminal(f, e.environ) {
		return newProgress(nil, nil, e.msg)
	}
	return newProgress(f, &terminal{f}, e.msg)
}

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
	quiet    bool
	verbose  bool
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
	status, err = e.child(ln.Addr())
	left := left{underWay: t.underWay(time.Now().Add(-patience))}
	stop(ctx, s, ln)
	line.close()
	left.failed = t.failures() // before close: what is cut off then did not fail
	hv.close()
	if err != nil {
		return 0, err
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		e.complain(e.msg.Sprintf("the proxy on %s ended early: %v", ln.Addr().String(), err))
	}
	e.conclude(status, left, t.sum())
	return status, nil
}

// What is left when a command has ended is what it did not get.
type left struct {
	failed   []failure
	underWay []question
}

// conclude says at the end what was done, and what may be why the command failed.
func (e *execution) conclude(status int, l left, s sum) {
	if status != exitOK {
		e.explainFailures(l.failed)
		e.explainUnderWay(l.underWay, time.Now())
		s.failed = 0 // that is said
	}
	if !e.quiet {
		e.complain(e.summary(s))
	}
}

// extras hooks the tally and the progress line into a haven.
func (e *execution) extras(log *slog.Logger, t *tally, line *progress) extras {
	access := accessLog(log)
	return extras{
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
		noSumDB:  goproxy.NewRules(e.settings.noSumDB, nil),
	}
}

// child runs the command and returns its exit status. It has our own streams: where these
// are files it gets the very files.
func (e *execution) child(proxy net.Addr) (status int, err error) {
	cmd := &exec.Cmd{
		Path:   e.program,
		Args:   e.args,
		Env:    e.settings.environ(e.environ, proxy.String()),
		Stdin:  e.in,
		Stdout: e.out,
		Stderr: e.err,
	}
	signals := catchSignals()
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

package gocmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	maxStdout = 8 << 20  // a list of some 300,000 versions
	maxStderr = 64 << 10 // what is wrong is said in the first lines
	// watchPeriod is how often a running command is looked at: the disk that it uses, the hosts that it waits for.
	watchPeriod = 2 * time.Second
	// waitDelay is how long output is waited for after the command is gone: a tool that left the group may hold it open.
	waitDelay = 5 * time.Second
)

// output is what a command left.
type output struct {
	stdout, stderr []byte
	err            error // how it ended, where not well
	net            *guard
	creds          *counter
}

// Why commands are killed.
var (
	errTime = errors.New("took too long")
	errDisk = errors.New("needs too much disk")
)

// errSilent is the host that a command waited for in vain.
type errSilent struct{ host string }

func (e *errSilent) Error() string { return e.host + " is silent" }

// run runs a go command for thing, when it is its turn. A command that fails is no error, but one that could not run or was killed.
func (f *Fetcher) run(ctx context.Context, sh *shelf, thing string, args ...string) (*output, error) {
	for _, turns := range []*semaphore.Weighted{sh.turns, f.turns} {
		if err := turns.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		defer turns.Release(1)
	}
	out, err := f.try(ctx, sh, thing, args)
	if err == nil && out.creds.renewed() {
		return f.try(ctx, sh, thing, args)
	}
	return out, err
}

// try is run once: a credential that was remembered may have been replaced at its host.
func (f *Fetcher) try(ctx context.Context, sh *shelf, thing string, args []string) (*output, error) {
	scratch, err := os.MkdirTemp(f.scratch, "modhaven-")
	if err != nil {
		return nil, unavailable(thing, err, "%v", err)
	}
	defer func() {
		if err := removeAll(scratch); err != nil {
			f.o.Log.WarnContext(ctx, "direct: temporary files stay on disk", "dir", scratch, "err", err)
		}
	}()
	env := append(f.env[:len(f.env):len(f.env)], "GOMODCACHE="+sh.dir, "TMPDIR="+scratch, "TEMP="+scratch, "TMP="+scratch)
	var net *guard
	if f.o.Caller == nil {
		if net, err = f.newGuard(ctx); err != nil {
			return nil, unavailable(thing, err, "%v", err)
		}
		defer net.close()
		env = append(env, net.env(f.env, f.guarded)...)
	}
	if f.o.Caller == nil && runtime.GOOS != "windows" { // where svn looks elsewhere
		home, err := f.ownHome(scratch, env)
		if err != nil {
			return nil, unavailable(thing, err, "%v", err)
		}
		env = append(env, "HOME="+home)
	}
	creds, err := f.newCounter(ctx, thing)
	if err != nil {
		return nil, unavailable(thing, err, "%v", err)
	}
	if creds != nil {
		defer creds.close()
		env = creds.env(env)
	}
	work := filepath.Join(scratch, "empty")
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, unavailable(thing, err, "%v", err)
	}
	out, err := f.command(ctx, sh, net, work, env, args)
	if err != nil {
		return nil, f.failed(ctx, thing, err)
	}
	out.net, out.creds = net, creds
	return out, nil
}

// failed returns the error for a command that did not end by itself.
func (f *Fetcher) failed(ctx context.Context, thing string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	f.o.Log.WarnContext(ctx, "direct: a command failed or was killed", "for", thing, "err", err)
	var mute *errSilent
	switch {
	case errors.Is(err, errTime):
		return unavailable(thing, err, "not fetched within %v, the limit for direct", f.o.Time)
	case errors.As(err, &mute):
		return unavailable(thing, err, "host %s has not answered for %v", mute.host, f.patience)
	case errors.Is(err, errDisk):
		return refused(thing, "needs more than the %d bytes of disk that direct may use", f.o.Disk)
	}
	return unavailable(thing, err, "%s: %v", f.goTool, err)
}

// command runs one in a process group of its own, none of which is left when it returns.
func (f *Fetcher) command(ctx context.Context, sh *shelf, net *guard, work string, env, args []string) (*output, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := time.AfterFunc(f.o.Time, func() { cancel(errTime) })
	defer limit.Stop()
	stdout, stderr := &bounded{max: maxStdout}, &bounded{max: maxStderr}
	cmd := exec.CommandContext(ctx, f.goTool, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = work, append(env, "PWD="+work), stdout, stderr
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = waitDelay
	if err := cmd.Start(); err != nil {
		return &output{}, err
	}
	if f.o.Caller == nil {
		if err := boundMemory(cmd.Process, f.o.Memory); err != nil {
			f.o.Log.WarnContext(ctx, "direct: the memory of a command is not bounded", "err", err)
		}
	}
	done := make(chan struct{})
	f.wg.Go(func() { f.watch([]string{sh.dir, filepath.Dir(work)}, net, cancel, done) })
	err := cmd.Wait()
	close(done)
	_ = killGroup(cmd.Process) // what it left behind; mostly there is nothing
	out := &output{stdout: stdout.b.Bytes(), stderr: stderr.b.Bytes(), err: err}
	cause := context.Cause(ctx)
	switch {
	case err != nil && cause != nil:
		return out, cause
	case stdout.cut:
		return out, fmt.Errorf("it printed more than %d bytes", maxStdout)
	}
	return out, nil
}

// watch kills a command that fills the disk, which is those directories, or waits for a silent host. net may be nil.
func (f *Fetcher) watch(dirs []string, net *guard, cancel context.CancelCauseFunc, done <-chan struct{}) {
	t := time.NewTicker(watchPeriod)
	defer t.Stop()
	var full <-chan struct{}
	if net != nil {
		full = net.full
	}
	for {
		select {
		case <-done:
			return
		case <-full:
			cancel(errDisk)
			return
		case <-t.C:
		}
		var used int64
		for _, dir := range dirs {
			used += diskUse(f.life, dir)
		}
		if used > f.o.Disk {
			cancel(errDisk)
			return
		}
		if net == nil {
			continue
		}
		if host := net.silent(f.patience); host != "" {
			cancel(&errSilent{host})
			return
		}
	}
}

// bounded keeps the first bytes that are written to it.
type bounded struct {
	b   bytes.Buffer
	max int
	cut bool
}

func (w *bounded) Write(p []byte) (int, error) {
	if n := w.max - w.b.Len(); n < len(p) {
		w.cut = true
		w.b.Write(p[:n])
		return len(p), nil
	}
	return w.b.Write(p)
}

func unavailable(thing string, cause error, format string, args ...any) *goproxy.Unavailable {
	return &goproxy.Unavailable{From: From, Reason: thing + ": " + fmt.Sprintf(format, args...), Err: cause}
}

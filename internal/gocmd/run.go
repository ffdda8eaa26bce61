package gocmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	maxStdout = 8 << 20  // a list of some 300,000 versions
	maxStderr = 64 << 10 // what is wrong is said in the first lines
	// diskPeriod is how often the disk that a running command uses is measured.
	diskPeriod = 2 * time.Second
	// waitDelay is how long output is waited for after the command is gone: a tool that left the group may hold it open.
	waitDelay = 5 * time.Second
)

// output is what a command left.
type output struct {
	stdout, stderr []byte
	err            error // how it ended, where not well
	net            *guard
}

// Why commands are killed.
var (
	errTime = errors.New("took too long")
	errDisk = errors.New("needs too much disk")
)

// run runs a go command for thing, when it is its turn. A command that fails is no error, but one that could not run or was killed.
func (f *Fetcher) run(ctx context.Context, sh *shelf, thing string, args ...string) (*output, error) {
	if err := f.turns.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer f.turns.Release(1)
	scratch, err := os.MkdirTemp(filepath.Join(f.dir, "run"), "")
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
	if f.guarded {
		if net, err = f.newGuard(ctx); err != nil {
			return nil, unavailable(thing, err, "%v", err)
		}
		defer net.close()
		env = append(env, net.env()...)
	}
	work := filepath.Join(scratch, "empty")
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, unavailable(thing, err, "%v", err)
	}
	out, err := f.command(ctx, sh, work, env, args)
	out.net = net
	switch cause := context.Cause(ctx); {
	case errors.Is(err, errTime):
		f.o.Log.WarnContext(ctx, "direct: a command was killed", "for", thing, "after", f.o.Time)
		return nil, unavailable(thing, err, "not fetched within %v, the limit for direct; %s", f.o.Time, silent(net))
	case errors.Is(err, errDisk):
		f.o.Log.WarnContext(ctx, "direct: a command was killed", "for", thing, "over", f.o.Disk)
		return nil, refused(thing, "needs more than the %d bytes of disk that direct may use", f.o.Disk)
	case cause != nil:
		return nil, cause
	case err != nil:
		return nil, unavailable(thing, err, "%s: %v", f.goTool, err)
	}
	return out, nil
}

// command runs one in a process group of its own, none of which is left when it returns.
func (f *Fetcher) command(ctx context.Context, sh *shelf, work string, env, args []string) (*output, error) {
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
	done := make(chan struct{})
	f.wg.Go(func() { f.watch(sh, cancel, done) })
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

// watch kills a command that fills the disk.
func (f *Fetcher) watch(sh *shelf, cancel context.CancelCauseFunc, done <-chan struct{}) {
	t := time.NewTicker(diskPeriod)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-t.C:
			if diskUse(f.life, sh.dir) > f.o.Disk {
				cancel(errDisk)
				return
			}
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

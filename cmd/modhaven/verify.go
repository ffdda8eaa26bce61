package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/proxy"
)

func verifyCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "verify [--repair] [OPTIONS]", Args: p.arguments()}
	repair := cmd.Flags().Bool("repair", false, p.msg.Text("Move what is wrong into quarantine, and fetch it again"))
	p.addSettings(cmd)
	p.document(cmd, verifyManual())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.settings(cmd)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // the second signal kills
		return p.verify(ctx, cfg, *repair)
	}
	return cmd
}

func verifyManual() manual {
	return manual{
		short: "check everything that is stored, and repair it",
		about: `
			Reads every .info, .mod and .zip in the store, with as many readers at once as there are
			processors, and compares the hash of each .mod and .zip with that in the ledger. An .info
			has no hash: it must be one, and of its version.

			A hash that the ledger does not know is looked up in the checksum database. What that does
			not know either, since the module is private or the database cannot be asked, is noted as
			first seen now, if it is a file that does not contradict itself.

			There is a line for each file that is not what it must be, with the hash that was found and
			the one that is recorded, for each that cannot be read, and for each that is no file of a
			module, which is never served, never touched, and no failure. The last line sums up. A
			terminal shows how far it is. An interrupt ends it with what was seen so far.

			With --repair what is wrong or cannot be read leaves the store at once, with a copy below
			quarantine in the state directory where it can be read, and is then fetched again, with all
			the checks of a first fetch. Where it cannot be, nothing wrong is served all the same, and
			the next client has it fetched. A running server may have files up to 64 kB in memory,
			as they were when it read them; a restart forgets them.

			It may run while servers use the state directory, with the same settings as theirs. Lists,
			queries and answers of the checksum database are not looked at: what of them cannot be
			used is asked anew. More: docs/ledger.md.`,
		variables: append(settingVariables(), goVariables()...),
		exits: []exit{
			{exitOK, "all is well, or was repaired"},
			{exitFailed, "something is still wrong, or not everything was read"},
			{exitUsage, "wrong use, or a wrong configuration"},
		},
		examples: []example{
			{"Look, and change nothing in the store", "modhaven verify"},
			{"Every week, of a server with a configuration file", "nice modhaven verify --repair --config /etc/modhaven.yaml"},
			{"Do not wait for upstreams that are away", "modhaven verify --repair --patience 0s"},
		},
	}
}

// verify reads all that is stored in cfg's state directory.
func (p *process) verify(ctx context.Context, cfg *config.Config, repair bool) error {
	state, err := cfg.StateDir()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(state, "format")); errors.Is(err, fs.ErrNotExist) { // none is made
		return p.failf("%s: there is no state directory; is it another one?", state)
	}
	cfg.SumDBOwn, cfg.SumDBOwnKey = "", "" // it has no files of modules
	cfg.Auth, cfg.Access, cfg.RateLimit = "", "", ""
	line := p.statusLine()
	defer line.erase()
	hv, err := newHaven(cfg, newLog(cfg, line.over(p.err)), extras{direct: serverDirect})
	if err != nil {
		return err
	}
	defer hv.close()
	if hv.ledger == nil {
		return p.failf("%s: without the ledger there is nothing to compare with; why it cannot be used is said above", state)
	}
	v := &verification{process: p, files: hv.service, repair: repair, line: line, out: line.over(p.out)}
	err = v.run(ctx)
	line.erase()
	return v.conclude(ctx, err)
}

// A verification is one run of verify.
type verification struct {
	*process
	files  *proxy.Service
	repair bool
	line   *statusLine
	out    io.Writer
	total  int64 // bytes to be read; 0 where nobody sees how far it is

	mu  sync.Mutex // guards sum
	sum verifySum
}

// run reads everything. Its error is why it did not.
func (v *verification) run(ctx context.Context) error {
	if v.line.tty != nil {
		for o, err := range v.files.Objects(ctx) {
			if err != nil {
				return err
			}
			v.total += o.Size
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan proxy.Object)
	g.Go(func() error {
		defer close(todo)
		for o, err := range v.files.Objects(ctx) {
			if err != nil {
				return err
			}
			select {
			case todo <- o:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for o := range todo {
				if err := v.one(ctx, o); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// one verifies one object, and repairs it where that is asked for.
func (v *verification) one(ctx context.Context, o proxy.Object) error {
	d := verified{object: o}
	if !o.Stranger {
		var err error
		if d.Finding, err = v.files.Verify(ctx, o.File); err != nil {
			return err
		}
		if v.repair && (d.Verdict == proxy.Rotten || d.Verdict == proxy.Unreadable) {
			d.tried = true
			d.out, d.err = v.files.Repair(ctx, o.File)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sum.add(d)
	if text := v.doneText(d); text != "" {
		if _, err := fmt.Fprintln(v.out, text); err != nil {
			return err
		}
	}
	v.line.show(func() string {
		return v.msg.Sprintf("%d files, %s of %s (%d %%)", v.sum.files, bytesText(v.sum.read), bytesText(v.total), min(100*v.sum.read/max(v.total, 1), 100))
	})
	return nil
}

// conclude prints what was seen, and returns what the command ends with. failed is why it was not everything.
func (v *verification) conclude(ctx context.Context, failed error) error {
	if _, err := fmt.Fprintln(v.out, v.sumText()); err != nil {
		return err
	}
	switch left := v.sum.left(); {
	case ctx.Err() != nil && (failed != nil || left > 0):
		v.complain(v.msg.Text("interrupted before everything was done"))
		return exitStatus(exitFailed)
	case failed != nil:
		return failed
	case left > 0:
		if !v.repair {
			v.complain(v.msg.Text("nothing was changed; --repair moves what is wrong into quarantine and fetches it again"))
		}
		return exitStatus(exitFailed)
	}
	return nil
}

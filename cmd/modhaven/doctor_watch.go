package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modhaven/modhaven/internal/doctor"
)

const (
	watchInterval = 10 * time.Second
	leastInterval = time.Second // so that servers are not asked without a pause
)

func addWatchFlag(p *process, cmd *cobra.Command) *span {
	s := new(span)
	cmd.Flags().Var(s, "watch", p.msg.Text("Look again and again, with a pause of so long between (10s where none is given), and say when the verdict changes; end it with Ctrl-C"))
	cmd.Flags().Lookup("watch").NoOptDefVal = watchInterval.String()
	return s
}

// checkWatch says what does not go together with --watch.
func (f *captureFlags) checkWatch(p *process, watch span) error {
	switch {
	case watch == 0:
		return nil
	case time.Duration(watch) < leastInterval:
		return p.usagef("--watch: a pause of less than a second would be a burden to the servers")
	case len(f.pcaps) > 0 || f.record > 0 || f.bundle.name != "":
		return p.usagef("--watch looks again and again, and --pcap, --capture and --bundle are for one look: give it without them")
	}
	return nil
}

// A vigil looks again and again, and says what changes.
type vigil struct {
	*consultation
	asJSON bool // a line for each change
	look   func(ctx context.Context) (*doctor.Report, error)
	pause  func(ctx context.Context) // returns early where ctx ends
	now    func() time.Time

	last  *doctor.Report
	since time.Time
	held  map[doctor.Class]time.Duration
}

// watching returns a vigil that waits between looks.
func (p *process) watching(c *consultation, asJSON bool, interval time.Duration, look func(ctx context.Context) (*doctor.Report, error)) *vigil {
	pause := func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
	return &vigil{consultation: c, asJSON: asJSON, look: look, pause: pause, now: time.Now}
}

// runUntilInterrupt looks until Ctrl-C. The exit status is that of the last verdict.
func (w *vigil) runUntilInterrupt(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	return w.run(ctx)
}

// run looks until ctx ends. A look that this cuts off does not count.
func (w *vigil) run(ctx context.Context) error {
	w.held = map[doctor.Class]time.Duration{}
	for ctx.Err() == nil {
		r, err := w.look(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		if err := w.take(r); err != nil {
			return err
		}
		w.pause(ctx)
	}
	if w.last == nil {
		return nil
	}
	if err := w.end(); err != nil || w.last.Exit == exitOK {
		return err
	}
	return exitStatus(w.last.Exit)
}

// take prints the first report whole, and of another one a line where its verdict is a new one.
func (w *vigil) take(r *doctor.Report) (err error) {
	now, first := w.now(), w.last == nil
	if !first && w.last.Verdict.Class == r.Verdict.Class && w.last.Verdict.Code == r.Verdict.Code {
		return nil
	}
	if !first {
		w.held[w.last.Verdict.Class] += now.Sub(w.since)
	}
	w.last, w.since = r, now
	switch {
	case w.asJSON:
		e := json.NewEncoder(w.out)
		e.SetEscapeHTML(false)
		err = e.Encode(r)
	case first:
		_, err = io.WriteString(w.out, w.report(r))
	default:
		_, err = fmt.Fprintf(w.out, "%s  %s", clock(now), w.verdict(r))
	}
	return err
}

// end says how long each class was that of the verdict.
func (w *vigil) end() error {
	if w.asJSON {
		return nil
	}
	now := w.now()
	w.held[w.last.Verdict.Class] += now.Sub(w.since)
	var parts []string
	for _, c := range doctor.Classes() {
		if d, ok := w.held[c]; ok {
			parts = append(parts, string(c)+" "+d.Round(time.Second).String())
		}
	}
	_, err := fmt.Fprintf(w.out, "%s  %s\n", clock(now), w.msg.Sprintf("it was so long: %s", strings.Join(parts, ", ")))
	return err
}

func clock(t time.Time) string { return t.Format(time.TimeOnly) }

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
)

// A deadLab asks for everything that a filled store has, with and without upstreams. Lists
// are old at once (--fresh 0s), so that each is a question to upstreams first.
type deadLab struct {
	*campaign
	ups   [2]*faulty
	list  string
	state string
	names []string // modules
	want  []byte   // what the lists are
	dead  tally
	well  tally
	hang  tally
}

// benchDead compares each command of go through a full Modhaven, new each time.
func benchDead(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(100, 20, 3, 1)
	if err != nil {
		return nil, err
	}
	d := &deadLab{campaign: c}
	if err := d.fill(ctx); err != nil {
		return nil, err
	}
	defer d.close()
	for r := range c.runs {
		if err := d.one(ctx, d.list, true, &d.dead); err != nil {
			return nil, err
		}
		if r*c.clean/c.runs < (r+1)*c.clean/c.runs {
			if err := d.one(ctx, d.list, false, &d.well); err != nil {
				return nil, err
			}
		}
	}
	if err := d.silent(ctx); err != nil {
		return nil, err
	}
	return d.rows(), nil
}

// fill starts the upstreams and has a store filled through them.
func (d *deadLab) fill(ctx context.Context) error {
	for i := range d.ups {
		var err error
		if d.ups[i], err = d.startFaulty(d.campaign.well(i)); err != nil {
			return err
		}
	}
	d.list = d.ups[0].url() + "|" + d.ups[1].url()
	b, err := os.ReadFile(d.project.main + "/go.mod")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && strings.HasPrefix(f[0], "example.com/") && len(d.names) < 10 {
			d.names = append(d.names, f[0])
		}
	}
	if d.state, err = os.MkdirTemp(d.fast, "state-"); err != nil {
		return err
	}
	var first tally
	if err := d.one(ctx, d.list, false, &first); err != nil {
		return err
	}
	if first.ok != 1 {
		return fmt.Errorf("filling the store: %s", first.why)
	}
	return nil
}

func (d *deadLab) close() {
	for _, u := range d.ups {
		u.stop()
	}
	_ = os.RemoveAll(d.state)
}

// one is one client after another kind of question: files, lists, @latest.
func (d *deadLab) one(ctx context.Context, list string, dead bool, into *tally) error {
	for _, u := range d.ups {
		if _, err := u.tell(map[bool]string{true: "refuse", false: "accept"}[dead]); err != nil {
			return err
		}
	}
	m, err := d.startModhaven(ctx, d.state, list, "--fresh", "0s", "--log-level", "warn")
	if err != nil {
		return err
	}
	defer m.stop()
	cl, err := d.newClient(d.project)
	if err != nil {
		return err
	}
	defer cl.remove()
	into.add(d.ask(ctx, cl, m.url()))
	return ctx.Err()
}

func (d *deadLab) ask(ctx context.Context, cl client, proxy string) (o outcome) {
	ctx, cancel := context.WithTimeout(ctx, throughLimit)
	defer cancel()
	latest := []string{"list", "-m"}
	for _, n := range d.names {
		latest = append(latest, n+"@latest")
	}
	var out []byte
	for _, args := range [][]string{{"mod", "download"}, append([]string{"list", "-m", "-versions"}, d.names...), latest} {
		r, err := cl.run(ctx, proxy, nil, args...)
		o.took += r.took.Seconds()
		if err != nil {
			o.why = err.Error()
			return o
		}
		out = append(out, r.out...)
	}
	if d.want == nil {
		d.want = out
	}
	if o.ok = bytes.Equal(out, d.want); !o.ok {
		o.why = fmt.Sprintf("lists differ from those of before: %s", out)
	}
	return o
}

// silent is the same with upstreams that accept and say nothing.
func (d *deadLab) silent(ctx context.Context) error {
	dead, err := d.startUpstream(upstreamSettings{Dead: true})
	if err != nil {
		return err
	}
	defer dead.stop()
	for range d.others {
		if err := d.one(ctx, dead.url(), true, &d.hang); err != nil {
			return err
		}
	}
	return nil
}

func (d *deadLab) rows() []row {
	rows := []row{
		d.dead.successRow("downloads, lists and @latest that succeed, through Modhaven", fmt.Sprintf("%d of %d", d.dead.n, d.dead.n)),
		meanRow("time ÷ when well", "%.2f s", d.dead.took, d.well.took, 1.2),
		d.hang.successRow("… with an upstream that accepts and says nothing: that succeed", ""),
		meanRow("… time ÷ when well", "%.2f s", d.hang.took, d.well.took, 0),
	}
	d.remark("plain go and go up to three times are not run: nobody is there to answer them")
	if d.dead.why != "" {
		d.remark("first failure: %s", oneLine(d.dead.why))
	}
	return rows
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modhaven/modhaven/internal/sumlog"
)

const (
	databaseDown = 60 * time.Second
	// databaseBack is how long Modhaven may take to verify what went out meanwhile.
	databaseBack = 2 * time.Minute
	swappedPath  = "example.com/swapped"
)

// benchDatabase has the checksum database refuse connections while clients download: they are served what nothing proves yet. When
// it is back all of that is verified, and the one module is found that was swapped.
func benchDatabase(ctx context.Context, l *lab) ([]row, error) {
	d, err := l.startDatabase(ctx)
	if err != nil {
		return nil, err
	}
	defer d.world.close()
	defer d.haven.close()
	if _, err := d.db.tell("refuse"); err != nil {
		return nil, err
	}
	if _, _, err := fetch(d.haven.url() + "/" + swappedPath + "/@v/v1.0.0.zip"); err != nil {
		return nil, fmt.Errorf("while the database is away: %w", err)
	}
	ok, n, err := d.downloads(ctx, d.lasting(databaseDown))
	if err != nil {
		return nil, err
	}
	during, err := d.unverified()
	if err != nil {
		return nil, err
	}
	if _, err := d.db.tell("accept"); err != nil {
		return nil, err
	}
	took, after, err := d.verified(ctx)
	if err != nil {
		return nil, err
	}
	found, err := d.found(ctx)
	if err != nil {
		return nil, err
	}
	return []row{
		{figure: fmt.Sprintf("downloads that succeed while the database is away for %v", d.lasting(databaseDown)), value: fmt.Sprintf("%d of %d", ok, n), target: "all", met: reached(ok == n && n > 0)},
		{figure: "files that went out unverified", value: fmt.Sprint(during)},
		{figure: "… that are so once it is back", value: fmt.Sprint(after), target: "0", met: reached(after == 0 && during > 0)},
		{figure: "… after", value: fmt.Sprintf("%.0f s", took.Seconds())},
		{figure: "the swapped file is found, named, and no longer served", value: fmt.Sprint(found), target: "true", met: reached(found)},
	}, nil
}

// A databaseLab is an upstream, a checksum database that stands apart from it, and a Modhaven before both.
type databaseLab struct {
	*lab
	project project
	world   *world
	db      *faulty
	haven   *haven
}

func (l *lab) startDatabase(ctx context.Context) (*databaseLab, error) {
	p, err := l.project("database", faultsRecipes)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(filepath.Dir(p.main), "db")
	key, err := swapped(ctx, p, dir)
	if err != nil {
		return nil, err
	}
	d := &databaseLab{lab: l, project: p}
	if d.world, err = l.alone(faultySettings{Dir: p.upstream, RTT: rttNear}); err != nil {
		return nil, err
	}
	if d.db, err = l.startFaulty(faultySettings{Dir: dir, RTT: rttNear}); err != nil {
		d.world.close()
		return nil, err
	}
	d.world.ups = append(d.world.ups, d.db)
	if d.haven, err = l.startHaven(ctx, d.world, "--sumdb", key+" "+d.db.url()); err != nil {
		d.world.close()
	}
	return d, err
}

// swapped adds a module to the project's database, and another one of that name to its upstream. It returns the database's key.
func swapped(ctx context.Context, p project, dir string) (string, error) {
	r := recipe{Version: module.Version{Path: swappedPath, Version: "v1.0.0"}, Go: "1.21", Size: 3000, Seed: 1}
	tmp, err := os.MkdirTemp("", "swapped-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	lines, err := r.write(tmp)
	if err != nil {
		return "", err
	}
	r.Seed = 2
	if err := os.RemoveAll(filepath.Join(p.upstream, filepath.FromSlash(swappedPath))); err != nil {
		return "", err
	}
	if _, err := r.write(p.upstream); err != nil {
		return "", err
	}
	return addDatabase(ctx, p, dir, sumlog.Record{Version: r.Version, Text: []byte(lines)})
}

// downloads has new clients download the project, two at a time, until d is over, and counts those that succeed.
func (d *databaseLab) downloads(ctx context.Context, last time.Duration) (ok, n int, err error) {
	end := time.Now().Add(last)
	outcomes := make(chan outcome)
	g, gctx := errgroup.WithContext(ctx)
	for range 2 {
		g.Go(func() error {
			for time.Now().Before(end) {
				cl, err := d.newClient(d.project)
				if err != nil {
					return err
				}
				o := cl.try(gctx, d.haven.url(), nil, throughLimit, 1, "mod", "download")
				cl.remove()
				outcomes <- o
			}
			return nil
		})
	}
	go func() { err = g.Wait(); close(outcomes) }()
	for o := range outcomes {
		if n++; o.ok {
			ok++
		} else if ok == n-1 {
			d.logf("failed through Modhaven: %.600s", o.why)
		}
	}
	return ok, n, err
}

// unverified asks Modhaven how many files nothing proves.
func (d *databaseLab) unverified() (int64, error) {
	b, _, err := fetch(d.haven.url() + "/status")
	if err != nil {
		return 0, err
	}
	var s struct{ Trust struct{ Unverified int64 } }
	return s.Trust.Unverified, json.Unmarshal(b, &s)
}

// verified waits until Modhaven has verified everything, and returns how long that took and what is left.
func (d *databaseLab) verified(ctx context.Context) (took time.Duration, left int64, err error) {
	begin := time.Now()
	for {
		left, err = d.unverified()
		took = time.Since(begin)
		if err != nil || left == 0 || took > databaseBack {
			return took, left, err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return took, left, context.Cause(ctx)
		}
	}
}

// found reports whether the swapped file is in the log and in the ledger as wrong, and no client is given it.
func (d *databaseLab) found(ctx context.Context) (bool, error) {
	log, err := os.ReadFile(d.haven.log)
	if err != nil {
		return false, err
	}
	out, err := exec.CommandContext(ctx, d.modhaven, "ledger", "show", swappedPath, "--state", d.haven.state).Output()
	if err != nil {
		return false, err
	}
	_, _, err = fetch(d.haven.url() + "/" + swappedPath + "/@v/v1.0.0.zip")
	return strings.Contains(string(log), "SECURITY") && strings.Contains(string(log), swappedPath) &&
		strings.Contains(string(out), "its hash is") && err != nil && strings.Contains(err.Error(), "502"), nil
}

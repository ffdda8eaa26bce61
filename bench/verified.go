package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/sumlog"
)

const (
	benchSumDB = "sum.bench.example"
	// otherRecords stand between those of the project, so that each of its versions has a tile of hashes of its own, as in
	// a large database.
	otherRecords = 20_000
	otherPath    = "example.org/other"
)

// A verifiedLab compares a Modhaven that checks each file against a checksum database, which lies behind the same
// upstream, with one that asks none.
type verifiedLab struct {
	*coldLab
	key          string // of the database
	checked, cpu sample
	asked        sample // requests for the database
}

// benchVerified says what it costs to verify, and how fast lookups are answered that are held.
func benchVerified(ctx context.Context, l *lab) ([]row, error) {
	p, err := l.project("verified-tidy", coldRecipes)
	if err != nil {
		return nil, err
	}
	key, err := addDatabase(ctx, p, p.database())
	if err != nil {
		return nil, err
	}
	c, err := l.startCold(p, "mod", "download")
	if err != nil {
		return nil, err
	}
	defer c.upstream.stop()
	v := &verifiedLab{coldLab: c, key: key}
	rows, err := v.cold(ctx)
	if err != nil {
		return rows, err
	}
	more, err := v.lookups(ctx)
	if rows = append(rows, more...); err != nil {
		return rows, err
	}
	more, err = l.verifiedGraph(ctx)
	return append(rows, more...), err
}

// verifiedGraph has no zip to hide what a proof takes: two round trips, where a .mod takes one.
func (l *lab) verifiedGraph(ctx context.Context) ([]row, error) {
	p, err := l.project("verified-graph", graphRecipes)
	if err != nil {
		return nil, err
	}
	key, err := addDatabase(ctx, p, p.database())
	if err != nil {
		return nil, err
	}
	c, err := l.startCold(p, "mod", "graph")
	if err != nil {
		return nil, err
	}
	defer c.upstream.stop()
	var checked, cpu sample
	err = l.turns(ctx, l.rounds(5, 2), []*sample{&c.through, &c.cpu, &checked, &cpu},
		func(int) error { return c.throughModhaven(ctx) },
		func(int) error {
			return c.throughWith(ctx, &checked, &cpu, "--sumdb", key, "--checksum-unreachable", "refuse")
		})
	if err != nil {
		return nil, err
	}
	return []row{ratioRow("go mod graph, 390 .mod files: time with verification ÷ without", checked.over(c.through), 0, false)}, nil
}

// database is where a project's upstream has the copy of a checksum database.
func (p project) database() string { return filepath.Join(p.upstream, "sumdb", benchSumDB) }

// addDatabase puts a checksum database with the project's versions, and what else is given, into dir, where it is not there
// already, and returns its verifier key.
func addDatabase(ctx context.Context, p project, dir string, more ...sumlog.Record) (string, error) {
	keyFile := filepath.Join(filepath.Dir(p.main), "key")
	if b, err := os.ReadFile(keyFile); err == nil {
		return string(b), nil
	}
	sums, err := os.ReadFile(filepath.Join(p.main, "go.sum"))
	if err != nil {
		return "", err
	}
	signer, key, err := sumlog.GenerateKey(benchSumDB)
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil { // begun by a run that was cut off
		return "", err
	}
	log, err := sumlog.Open(dir, signer)
	if err != nil {
		return "", err
	}
	all := append(scattered(records(string(sums))), more...)
	ids, err := log.Append(ctx, all)
	if err := errors.Join(err, log.Close()); err != nil {
		return "", err
	}
	if err := underLatest(dir, all, ids); err != nil {
		return "", err
	}
	return key, os.WriteFile(keyFile, []byte(key), 0o644)
}

// underLatest gives every answer about a record the newest head, as a server of the protocol does: the files of a log have that under
// which their record came.
func underLatest(dir string, all []sumlog.Record, ids []int64) error {
	head, err := os.ReadFile(filepath.Join(dir, "latest"))
	if err != nil {
		return err
	}
	for i, r := range all {
		if strings.HasPrefix(r.Path, otherPath) {
			continue // nobody asks for it
		}
		path, err := module.EscapePath(r.Path)
		if err != nil {
			return err
		}
		answer, err := tlog.FormatRecord(ids[i], r.Text)
		if err != nil {
			return err
		}
		name := filepath.Join(dir, "lookup", filepath.FromSlash(path)+"@"+r.Version.Version)
		if err := os.Remove(name); err != nil {
			return err
		}
		if err := os.WriteFile(name, append(answer, head...), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// records reads a go.sum that has, for each version, the line of the zip, where there is one, before that of the go.mod. A version
// without a zip gets the hash of its go.mod for one.
func records(sums string) []sumlog.Record {
	var all []sumlog.Record
	zip := ""
	for line := range strings.Lines(sums) {
		f := strings.Fields(line)
		version, ok := strings.CutSuffix(f[1], "/go.mod")
		if !ok {
			zip = line
			continue
		}
		if zip == "" {
			zip = fmt.Sprintf("%s %s %s\n", f[0], version, f[2])
		}
		all = append(all, sumlog.Record{Version: module.Version{Path: f[0], Version: version}, Text: []byte(zip + line)})
		zip = ""
	}
	return all
}

// scattered puts the records at random places among those of others.
func scattered(all []sumlog.Record) []sumlog.Record {
	hash := all[0].Text[strings.Index(string(all[0].Text), "h1:"):]
	hash = hash[:strings.IndexByte(string(hash), '\n')]
	for i := range otherRecords {
		m := module.Version{Path: fmt.Sprintf("%s%05d", otherPath, i), Version: "v1.0.0"}
		all = append(all, sumlog.Record{Version: m, Text: fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, hash, m.Path, m.Version, hash)})
	}
	rand.New(rand.NewPCG(7, 7)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func (v *verifiedLab) cold(ctx context.Context) ([]row, error) {
	err := v.turns(ctx, v.rounds(7, 2), []*sample{&v.direct, &v.through, &v.coldLab.cpu, &v.checked, &v.cpu, &v.asked},
		func(int) error { return v.goes(ctx, v.upstream.url(), &v.direct) },
		func(int) error { return v.throughModhaven(ctx) },
		func(int) error {
			err := v.throughWith(ctx, &v.checked, &v.cpu, "--sumdb", v.key, "--checksum-unreachable", "refuse")
			n := v.seen.Gets["other"]
			if err == nil && n < coldModules {
				return fmt.Errorf("the database was asked %d times for %d modules", n, coldModules)
			}
			v.asked = append(v.asked, float64(n))
			return err
		})
	if err != nil {
		return nil, err
	}
	const what = "go mod download, 100 modules"
	return []row{
		ratioRow(what+": time with verification ÷ without", v.checked.over(v.through), 1.05, false),
		ratioRow(what+": time with verification ÷ direct", v.checked.over(v.direct), 0, false),
		{figure: what + ": requests for the database", value: fmt.Sprintf("%.0f", v.asked.median()), spread: v.asked.spread("%.0f")},
		{figure: what + ": Modhaven's processor time with verification", value: fmt.Sprintf("%.2f s", v.cpu.median()), spread: v.cpu.spread("%.2f")},
		{figure: what + ": … without", value: fmt.Sprintf("%.2f s", v.coldLab.cpu.median()), spread: v.coldLab.cpu.spread("%.2f")},
	}, nil
}

// lookups compares an answer of the database, which is held, with a stored .info.
func (v *verifiedLab) lookups(ctx context.Context) ([]row, error) {
	sums, err := os.ReadFile(filepath.Join(v.project.main, "go.sum"))
	if err != nil {
		return nil, err
	}
	m := records(string(sums))[0].Version
	info, lookup := "/"+m.Path+"/@v/"+m.Version+".info", "/sumdb/"+benchSumDB+"/lookup/"+m.String()
	var fast, asked loaded
	err = v.withEmpty(ctx, v.upstream.url(), func(s *server) error {
		if err := sameBytes(s.url(), v.project.upstream, info); err != nil {
			return err
		}
		b, _, err := fetch(s.url() + lookup)
		if err != nil {
			return err
		}
		if !strings.Contains(string(b), "\n"+m.Path+" "+m.Version+" h1:") {
			return fmt.Errorf("%s: %.300s", lookup, b)
		}
		d := v.lasting(3 * time.Second)
		return v.turns(ctx, v.rounds(7, 2), append(fast.samples(), asked.samples()...),
			under(ctx, s, info, d, &fast), under(ctx, s, lookup, d, &asked))
	}, "--sumdb", v.key)
	if err != nil {
		return nil, err
	}
	return []row{
		ratioRow("a lookup that is held: requests a second ÷ .info", asked.requests.over(fast.requests), 0.95, true),
		{figure: "a lookup that is held: requests a second", value: fmt.Sprintf("%.0f", asked.requests.median()), spread: asked.requests.spread("%.0f")},
	}, nil
}

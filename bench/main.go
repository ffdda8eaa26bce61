// Command bench measures Modhaven against opponents that do less: a bare net/http
// handler, nginx, and the upstream itself.
//
//	go run ./bench                      every benchmark
//	go run ./bench -run hot,cold        some of them
//	go run ./bench -quick -run herd     fewer rounds, for a first look
//	go run ./bench -out FILE.md         the table also into a file
//	go run ./bench -run faults          everything that can go wrong with upstreams
//	go run ./bench -run faults:big      one case of it
//
// All parts run on this machine and talk over 127.0.0.1. Figures are ratios wherever
// they can be: contenders take turns (A B, B A, …), each round gives one ratio, and the
// table shows the median of the rounds with the lowest and the highest beside it.
//
// Each benchmark checks what it was given: statuses, and bytes against the fixture.
// A wrong answer is an error, so a fast wrong answer cannot win.
//
// The cases of "faults" run the real go command against upstreams that fail by design:
// plainly, three times over, and through "modhaven serve". They take an hour and a half and
// run only when they are named. Which request fails, and how, is drawn from -seed, the run and
// the request alone, so a run can be repeated. -scale 0.1 does a tenth of the runs.
//
// It needs Linux (/proc), and nginx and wrk for the benchmark "hot". The exit status is
// 0 when every benchmark ran, 2 when one could not; with -strict a missed target is 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A bench is one benchmark. Its run returns the rows of the table, or an error when it
// could not be run or when an answer was wrong.
type bench struct {
	name, about string
	run         func(context.Context, *lab) ([]row, error)
}

func benches() []bench {
	return append([]bench{
		{"size", "the binary, idle memory, start to ready", benchSize},
		{"hot", "stored files under wrk, against a bare handler and nginx", benchHot},
		{"cold", "go mod download through an empty Modhaven, against straight from the upstream", benchCold},
		{"graph", "go mod graph over 390 .mod files, likewise", benchGraph},
		{"ahead", "both with an upstream far away, and one so near that nothing is to be gained", benchAhead},
		{"verified", "go mod download where each file is checked against a checksum database, and lookups from memory", benchVerified},
		{"range", "one cold 40 MB zip from an upstream 150 ms away, 10 MB/s a connection, against straight from there", benchRange},
		{"herd", "100 clients ask for one cold zip", benchHerd},
		{"crowd", "100 clients with 100 projects at once, with files fetched ahead and without", benchCrowd},
		{"hang", "hits while 200 fills hang on a dead upstream", benchHang},
		{"absent", "hits while one client asks for 10,000 absent names a second", benchAbsent},
	}, faultCases()...)
}

type options struct {
	run, out, modhaven, state string
	strict, quick, list       bool
	rounds                    int
	calm                      time.Duration
	scale                     float64
	seed                      uint64
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) > 0 && strings.HasPrefix(args[0], rolePrefix) {
		return runRole(ctx, args[0], args[1:], stdout, stderr)
	}
	o, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if o.list {
		for _, b := range benches() {
			fmt.Fprintf(stdout, "%-17s %s\n", b.name, b.about)
		}
		return 0
	}
	code, err := measure(ctx, o, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	return code
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.run, "run", "", "comma-separated names of the benchmarks to run (default all but the cases of faults, which are all named by faults; see -list)")
	f.StringVar(&o.out, "out", "", "also write the table to this file, as Markdown")
	f.StringVar(&o.modhaven, "modhaven", "", "measure this binary instead of building ./cmd/modhaven")
	f.StringVar(&o.state, "state", "", "directory for Modhaven's state (default below the temporary directory)")
	f.BoolVar(&o.strict, "strict", false, "exit with status 1 when a target is missed")
	f.BoolVar(&o.quick, "quick", false, "fewer and shorter rounds: a first look, not a result")
	f.BoolVar(&o.list, "list", false, "list the benchmarks and exit")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each benchmark (default each benchmark's own)")
	f.DurationVar(&o.calm, "calm", 0, "how long each benchmark may wait for other processes to leave the processor alone, and repeat rounds in which they did not")
	f.Float64Var(&o.scale, "scale", 1, "share of the runs of faults that is done")
	f.Uint64Var(&o.seed, "seed", 1, "what the faults are drawn from")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		fmt.Fprintf(stderr, "bench: %q: no arguments are taken; use -run NAME\n", f.Arg(0))
		return o, errors.New("usage")
	}
	return o, nil
}

// selected returns the benchmarks that names, a comma-separated list, asks for, in
// the order of all. A name stands for its cases too ("faults" for "faults:big"); the
// empty list for all that are no cases.
func selected(all []bench, names string) ([]bench, error) {
	var picked []bench
	if names == "" {
		for _, b := range all {
			if !strings.Contains(b.name, ":") {
				picked = append(picked, b)
			}
		}
		return picked, nil
	}
	want := make(map[string]bool) // whether it was found
	for _, n := range strings.Split(names, ",") {
		want[n] = false
	}
	for _, b := range all {
		group, _, _ := strings.Cut(b.name, ":")
		taken := false
		for _, n := range []string{b.name, group} {
			if _, ok := want[n]; ok {
				want[n], taken = true, true
			}
		}
		if taken {
			picked = append(picked, b)
		}
	}
	for n, found := range want {
		if !found {
			return nil, fmt.Errorf("%s: no such benchmark; see -list", n)
		}
	}
	return picked, nil
}

// measure runs the benchmarks one after the other. One that cannot run does not stop the others.
func measure(ctx context.Context, o options, stdout, stderr io.Writer) (int, error) {
	picked, err := selected(benches(), o.run)
	if err != nil {
		return 2, err
	}
	l, err := newLab(ctx, o, stderr)
	if err != nil {
		return 2, err
	}
	defer l.close()
	rep := report{about: l.machine(ctx)}
	code := 0
	for _, b := range picked {
		l.begin()
		l.logf("%s: %s", b.name, b.about)
		rows, err := b.run(ctx, l)
		rep.add(b.name, rows)
		rep.remark(b.name, l.remarks)
		rep.about = append(rep.about, l.end(b.name))
		if err != nil {
			code = 2
			rep.failed = append(rep.failed, fmt.Sprintf("%s could not be measured: %v", b.name, err))
			l.logf("%s: %v", b.name, err)
		}
		l.logf("%s: took %.0f s", b.name, time.Since(l.began).Seconds())
		if ctx.Err() != nil {
			return 2, context.Cause(ctx)
		}
		if o.out != "" { // after each, since all take an hour
			if err := rep.writeFile(filepath.Clean(o.out)); err != nil {
				return 2, err
			}
		}
	}
	rep.write(stdout)
	if code == 0 && o.strict && rep.missed() {
		code = 1
	}
	return code, nil
}

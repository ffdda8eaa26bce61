// Conformance runs the go command's own script tests (cmd/go/testdata/script)
// with a Modhaven between the go command and cmd/go's module test proxy, and
// compares each script with its result without Modhaven:
//
//	go run ./conformance              # short mode, one pass
//	go run ./conformance -times 2     # cold, then warm
//	go run ./conformance -tls         # HTTP/2 over TLS
//	go run ./conformance -mode long   # with version control, takes minutes
//	go run ./conformance -vcs         # version control by Modhaven (vcs.go)
//
// It builds cmd/go's test binary once per Go version (overlay.go), gives every
// script a loopback address of its own (gates.go), runs the scripts without
// Modhaven to learn which pass and which ask the proxy for anything, and then
// runs those that do through Modhaven. What a script does before its first
// request cannot depend on who answers it, so the others are not repeated
// (-all repeats them).
//
// The last line of the output is "N passed, N failed, N skipped". The exit
// status is 0 if no script regressed, 1 if one did or if too few reached
// Modhaven to mean anything, 2 if the run itself could not be made.
// Conformance tests no speed and nothing that cmd/go's scripts do not ask.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are the command line.
type options struct {
	mode     string // "short" or "long"
	pattern  string // which scripts, matched against the name without .txt
	times    int    // passes against one Modhaven
	tls      bool   // HTTP/2 over TLS all the way
	modhaven string // binary; "" builds ./cmd/modhaven
	direct   bool   // baseline only
	vcs      bool   // Modhaven in the place of direct, for scripts of version control
	quick    bool   // with vcs: without slowScript
	standin  bool   // a pass-through in Modhaven's place: tests this runner
	all      bool   // repeat also the scripts that ask no proxy
	fresh    bool   // ignore the cached baseline
	parallel int    // scripts at once; 0 is the test binary's default
	keep     string // directory for logs and state that outlives the run
}

// errFailed is a finished run with a bad result, already reported.
var errFailed = errors.New("conformance: failed")

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := conform(ctx, o, stdout); {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return 1
	default:
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("conformance", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.mode, "mode", "short", "`short`, or long: with the version control scripts")
	f.StringVar(&o.pattern, "run", defaultPattern, "run the scripts whose name matches `REGEX`")
	f.IntVar(&o.times, "times", 1, "`N` passes against the same Modhaven: the first is cold, the others warm")
	f.BoolVar(&o.tls, "tls", false, "HTTP/2 over TLS between the go command and Modhaven")
	f.StringVar(&o.modhaven, "modhaven", "", "the Modhaven binary at `PATH` (default: built from ./cmd/modhaven)")
	f.BoolVar(&o.direct, "direct", false, "run only the baseline, without Modhaven")
	f.BoolVar(&o.vcs, "vcs", false, "run the scripts of version control with Modhaven in the place of direct")
	f.BoolVar(&o.quick, "quick", false, "with -vcs: without "+slowScript+", which takes minutes")
	f.BoolVar(&o.standin, "standin", false, "put a pass-through in Modhaven's place: checks this runner")
	f.BoolVar(&o.all, "all", false, "repeat also the scripts that ask no proxy")
	f.BoolVar(&o.fresh, "fresh", false, "run the baseline even if its result is known")
	f.IntVar(&o.parallel, "p", 0, "run `N` scripts at once (default: GOMAXPROCS)")
	f.StringVar(&o.keep, "keep", "", "keep logs, results and Modhaven's state in `DIR`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.vcs {
		o.mode = "long" // in short mode these scripts are skipped
	}
	return o, o.check(f.Args())
}

// check reports every bad setting at once.
func (o options) check(rest []string) error {
	var errs []error
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q: there are only flags", rest[0]))
	}
	if o.mode != "short" && o.mode != "long" {
		errs = append(errs, fmt.Errorf("-mode %q: must be short or long", o.mode))
	}
	if _, err := regexp.Compile(o.pattern); err != nil {
		errs = append(errs, fmt.Errorf("-run: %v", err))
	}
	if o.times < 1 {
		errs = append(errs, fmt.Errorf("-times %d: must be at least 1", o.times))
	}
	if o.vcs && (o.tls || o.standin || o.times != 1) {
		errs = append(errs, errors.New("-vcs: is one pass, over HTTP, through Modhaven"))
	}
	if o.quick && !o.vcs {
		errs = append(errs, errors.New("-quick: goes with -vcs"))
	}
	if o.standin && o.modhaven != "" {
		errs = append(errs, errors.New("-standin and -modhaven: choose one"))
	}
	if o.tls && !certFileHonoured {
		errs = append(errs, errors.New("-tls: Go reads SSL_CERT_FILE only on Unix systems other than macOS"))
	}
	return errors.Join(errs...)
}

// String is the run in a few words, for the head of the report.
func (o options) String() string {
	words := []string{o.mode, "mode", "scripts", o.pattern}
	if o.tls {
		words = append(words, "over TLS")
	}
	if o.vcs {
		words = append(words, "about", vcsHost)
	}
	return strings.Join(words, " ")
}

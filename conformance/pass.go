package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A runner runs cmd/go's test binary. All passes of a run share it.
type runner struct {
	options
	tree     goTree
	binary   testBinary
	dir      string // logs, plans and state of this run
	upstream testProxy
	texts    map[string]string // the scripts of this run, by name
	say      func(format string, args ...any)
}

// A plan is what the hooks in the test binary read; see hooks/.
type plan struct {
	Proxy map[string]string // GOPROXY by script
	Env   map[string]string
	Lines map[string][]change // by script
}

// An outing is one finished run of the test binary.
type outing struct {
	results
	took time.Duration
}

// run runs the scripts of p. The error tells that the run itself went wrong,
// not that scripts failed. name names its files. A script that still runs
// shortly before limit fails then, and its log has the stacks of its go command.
func (r *runner) run(ctx context.Context, name string, p plan, limit time.Duration) (outing, error) {
	planFile := filepath.Join(r.dir, name+".plan.json")
	logFile := filepath.Join(r.dir, name+".log")
	tmp := filepath.Join(r.dir, "tmp")
	data, err := json.Marshal(p)
	if err != nil {
		return outing{}, err
	}
	if err := errors.Join(os.WriteFile(planFile, data, 0o644), os.MkdirAll(tmp, 0o755)); err != nil {
		return outing{}, err
	}
	defer removeAll(tmp)
	cmdCtx, cancel := context.WithTimeout(ctx, limit+time.Minute)
	defer cancel()
	cmd := command(cmdCtx, r.binary.path, r.flags(p, limit)...)
	cmd.Dir = r.tree.cmdgo
	cmd.Env = cleanEnv("GOTOOLCHAIN=local", "GOENV=off", "MODHAVEN_CONFORMANCE_PLAN="+planFile,
		"TMPDIR="+tmp, "TMP="+tmp, "TEMP="+tmp,
		"PATH="+filepath.Dir(r.tree.tool)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	log, err := os.Create(logFile)
	if err != nil {
		return outing{}, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	start := time.Now()
	runErr := cmd.Run()
	if err := ctx.Err(); err != nil {
		return outing{}, fmt.Errorf("%s: %w", name, err)
	}
	o := outing{took: time.Since(start).Round(100 * time.Millisecond)}
	if o.results, err = readResults(logFile); err != nil {
		return o, err
	}
	return o, errors.Join(o.explain(name, runErr), r.upstream.alive())
}

// flags select p's scripts.
func (r *runner) flags(p plan, limit time.Duration) []string {
	names := make([]string, 0, len(p.Proxy))
	for name := range p.Proxy {
		names = append(names, name)
	}
	slices.Sort(names)
	flags := []string{
		"-test.v", "-test.timeout=" + limit.String(),
		"-test.run=^TestScript$/^(" + strings.Join(names, "|") + ")$",
	}
	if r.mode == "short" {
		flags = append(flags, "-test.short")
	}
	if r.parallel > 0 {
		flags = append(flags, "-test.parallel="+strconv.Itoa(r.parallel))
	}
	return flags
}

func readResults(file string) (results, error) {
	f, err := os.Open(file)
	if err != nil {
		return results{}, err
	}
	defer f.Close()
	return parseResults(f)
}

// explain turns a bad end of the test process into an error. Status 1 is none: scripts that failed, or that have no result, are
// found one by one, and what the process could not tidy up after them is not what is looked at here.
func (o outing) explain(name string, err error) error {
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil
	}
	return fmt.Errorf("%s: the test process ended badly: %w\n%s", name, err, indent(excerpt(append(o.log["TestScript"], o.log[""]...))))
}

// removeAll removes dir even where it holds a module cache, which is read-only.
func removeAll(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}

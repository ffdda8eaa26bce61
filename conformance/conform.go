package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

const defaultPattern = "^mod_"

// errBadEnd is a target that served every pass but must not have ended, or
// logged, as it did.
var errBadEnd = errors.New("bad end")

// conform makes a whole run: baseline, then o.times passes through the target.
func conform(ctx context.Context, o options, out io.Writer) (err error) {
	r := &runner{options: o, say: sayTo(out)}
	text := allowedText
	if o.vcs {
		text = allowedVCSText
	}
	allowed, err := parseAllowed(text)
	if err != nil {
		return err
	}
	if r.tree, err = findGo(ctx); err != nil {
		return err
	}
	if r.texts, err = r.tree.scripts(regexp.MustCompile(o.pattern)); err != nil {
		return err
	}
	if o.vcs {
		onlyVCS(r.texts, o.quick)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	r.say("%s: %s (%d of them)", r.tree.version, o, len(r.texts))
	if r.binary, err = buildBinary(ctx, r.tree, filepath.Join(cache, "modhaven-conformance"), r.say); err != nil {
		return err
	}
	clean, err := r.workIn(o.keep)
	if err != nil {
		return err
	}
	defer clean()
	r.upstream, err = startTestProxy(ctx, r.tree, r.binary, filepath.Join(r.dir, "testproxy.log"))
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := r.upstream.stop(); err == nil {
			err = stopErr
		}
	}()
	base, err := r.baseline(ctx)
	if err != nil {
		return err
	}
	if o.direct {
		return r.summarise(base, nil)
	}
	pass := r.passes
	if o.vcs {
		pass = r.vcsPass
	}
	passes, err := pass(ctx, base, allowed)
	if errors.Is(err, errBadEnd) {
		r.say("%v", err)
		return errors.Join(r.summarise(base, passes), errFailed)
	}
	if err != nil {
		return err
	}
	return r.summarise(base, passes)
}

// sayTo prints lines to out.
func sayTo(out io.Writer) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
}

// workIn makes the directory of this run, and says how to remove it.
func (r *runner) workIn(keep string) (clean func(), err error) {
	if keep == "" {
		r.dir, err = os.MkdirTemp("", "modhaven-conformance-")
		return func() { removeAll(r.dir) }, err
	}
	if r.dir, err = filepath.Abs(keep); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, err
	}
	if old, err := os.ReadDir(r.dir); err != nil || len(old) > 0 {
		return nil, errors.Join(err, fmt.Errorf("-keep %s: must be an empty directory", keep))
	}
	return func() {}, nil
}

// passes runs the scripts that matter through a fresh target, times times.
func (r *runner) passes(ctx context.Context, base baseline, allowed map[string]string) ([]pass, error) {
	var cert *certificate
	if r.tls {
		var err error
		if cert, err = makeCertificate(r.dir); err != nil {
			return nil, err
		}
	}
	scripts := base.Reached
	if r.all {
		scripts = slices.Sorted(maps.Keys(r.texts))
	}
	t, err := r.startTarget(ctx, cert)
	if err != nil {
		return nil, err
	}
	var done []pass
	for i := range r.times {
		p, err := r.through(ctx, r.passName(i), t, cert, scripts, base.limit())
		if err != nil {
			_ = t.stop()
			return done, err
		}
		p.comparison = compare(base.Outcome, p.outcome, scripts, allowed)
		r.report(p, allowed)
		done = append(done, p)
	}
	if err := t.stop(); err != nil {
		return done, fmt.Errorf("%w: %w", errBadEnd, err)
	}
	return done, nil
}

func (r *runner) startTarget(ctx context.Context, cert *certificate) (target, error) {
	if r.standin {
		return startStandin(r.upstream, cert)
	}
	key, err := r.tree.sumdbKey()
	if err != nil {
		return target{}, err
	}
	bin, err := r.modhavenBinary(ctx)
	if err != nil {
		return target{}, err
	}
	return startModhaven(ctx, bin, r.dir, r.upstream, key, cert)
}

func (r *runner) passName(i int) string {
	name := "cold"
	if i > 0 {
		name = fmt.Sprintf("warm%d", i)
	}
	if r.tls {
		name += "-tls"
	}
	return name
}

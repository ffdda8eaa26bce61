// Release builds what is published: an archive for each platform, SHA256SUMS, and a CycloneDX SBOM.
//
//	go run -C tools ./release -root .. -out ../dist -version v1.2.3 -commit HASH -time 1750000000
//
// The same sources, flags and version of Go give the same bytes, wherever and whenever it runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// A release is what is to be made.
type release struct {
	root, out       string // directories
	version, commit string
	time            time.Time // of the commit; every date in the files is this one
	targets         []target
}

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = r.make(ctx, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "release:", err)
		return 1
	}
	return 0
}

func parseFlags(args []string, stderr io.Writer) (release, error) {
	var r release
	var seconds int64
	var targets string
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&r.root, "root", "..", "the root of the product's module, `DIR`")
	f.StringVar(&r.out, "out", "../dist", "the `DIR` to write to; an earlier release in it is removed")
	f.StringVar(&r.version, "version", "", "the `VERSION`, such as v1.2.3")
	f.StringVar(&r.commit, "commit", "", "the `HASH` of the commit")
	f.Int64Var(&seconds, "time", 0, "the commit's time in `SECONDS` since 1970")
	f.StringVar(&targets, "targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64", "the platforms, OS/ARCH,…")
	if err := f.Parse(args); err != nil {
		return r, err
	}
	r.time = time.Unix(seconds, 0).UTC()
	if f.NArg() > 0 {
		return r, fmt.Errorf("%s: there are only flags", f.Arg(0))
	}
	if r.version == "" || strings.ContainsAny(r.version, "/\\ '\"") {
		return r, fmt.Errorf("-version %q: it becomes a part of file names", r.version)
	}
	var err error
	r.targets, err = parseTargets(targets)
	return r, err
}

// make makes it all in a directory beside out, and puts that in its place when it is whole.
func (r release) make(ctx context.Context, stdout io.Writer) error {
	out, err := filepath.Abs(r.out)
	if err != nil {
		return err
	}
	if !replaceable(out) {
		return fmt.Errorf("%s: it holds no earlier release, so it stays as it is; remove it or give another -out", out)
	}
	work := out + ".part"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := r.fill(ctx, work); err != nil {
		return err
	}
	sums, err := writeSums(work)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(out), os.Rename(work, out)); err != nil {
		return err
	}
	_, err = io.WriteString(stdout, sums)
	return err
}

// replaceable reports whether dir is absent, empty or an earlier release.
func replaceable(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	_, err = os.Stat(filepath.Join(dir, sumsFile))
	return len(entries) == 0 || err == nil
}

func (r release) fill(ctx context.Context, dir string) error {
	bin, err := os.MkdirTemp("", "modhaven-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	var built []binary
	for _, t := range r.targets {
		b, err := r.build(ctx, t, filepath.Join(bin, t.os+"_"+t.arch))
		if err != nil {
			return err
		}
		built = append(built, b)
	}
	modules := linked(built)
	if err := r.writeSBOM(dir, modules); err != nil {
		return err
	}
	licences, err := r.licences(ctx, modules)
	if err != nil {
		return err
	}
	for _, b := range built {
		if err := r.writeArchive(dir, b, licences); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
)

// A target is a platform.
type target struct{ os, arch string }

func parseTargets(list string) ([]target, error) {
	var ts []target
	for s := range strings.SplitSeq(list, ",") {
		goos, arch, ok := strings.Cut(s, "/")
		if !ok || goos == "" || arch == "" || strings.Contains(arch, "/") {
			return nil, fmt.Errorf("-targets: %q is not OS/ARCH", s)
		}
		ts = append(ts, target{goos, arch})
	}
	return ts, nil
}

// A binary is a built one.
type binary struct {
	target
	file string
	info *debug.BuildInfo
}

// build compiles cmd/modhaven. Version and commit come by -X and not from the repository,
// so that an archive of the sources gives the same bytes as a clone.
func (r release) build(ctx context.Context, t target, file string) (binary, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "grpcnotrace",
		"-ldflags", "-s -w -X main.version="+r.version+" -X main.commit="+r.commit, "-o", file, "./cmd/modhaven")
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "GOOS="+t.os, "GOARCH="+t.arch, "CGO_ENABLED=0",
		"GOFLAGS=-mod=readonly", "GOWORK=off", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return binary{}, fmt.Errorf("go build for %s/%s: %w\n%s", t.os, t.arch, err, out)
	}
	info, err := buildinfo.ReadFile(file)
	return binary{t, file, info}, err
}

// linked returns the modules that are in any of the binaries, by path, and first Go's own packages as the module std.
func linked(built []binary) []debug.Module {
	all := map[string]debug.Module{}
	for _, b := range built {
		for _, m := range b.info.Deps {
			all[m.Path] = *m
		}
	}
	mods := slices.SortedFunc(maps.Values(all), func(a, b debug.Module) int { return cmp.Compare(a.Path, b.Path) })
	version, _, _ := strings.Cut(built[0].info.GoVersion, "-X:") // experiments
	std := debug.Module{Path: "std", Version: strings.TrimPrefix(version, "go")}
	return slices.Insert(mods, 0, std)
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// licences returns the licences of what is linked in, as one text: to hand out a binary is to hand out its parts.
func (r release) licences(ctx context.Context, modules []debug.Module) ([]byte, error) {
	dirs, err := r.directories(ctx, modules)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, "Modhaven's binary holds the packages below, under the licences that follow each.")
	for _, m := range modules {
		files, err := licenceFiles(dirs[m.Path])
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s %s: no licence in %s; what has none cannot be published", m.Path, m.Version, dirs[m.Path])
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "\n%s\n%s %s (%s)\n\n%s\n", strings.Repeat("=", 80), m.Path, m.Version, filepath.Base(file), bytes.TrimSpace(text))
		}
	}
	return b.Bytes(), nil
}

// directories returns where the sources of modules are, by path. For std that is GOROOT.
func (r release) directories(ctx context.Context, modules []debug.Module) (map[string]string, error) {
	goroot, err := r.goCommand(ctx, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	dirs := map[string]string{}
	args := []string{"mod", "download", "-json"}
	for _, m := range modules {
		if m.Path == "std" {
			dirs["std"] = strings.TrimSpace(string(goroot))
			continue
		}
		args = append(args, m.Path+"@"+m.Version)
	}
	if len(args) == 3 {
		return dirs, nil
	}
	out, err := r.goCommand(ctx, args...)
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var m struct{ Path, Dir string }
		if err := d.Decode(&m); err != nil {
			return nil, fmt.Errorf("go mod download -json: %w", err)
		}
		dirs[m.Path] = m.Dir
	}
	return dirs, nil
}

func (r release) goCommand(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|unlicense)([-.].*)?$`)

func isLicence(name string) bool {
	return licenceName.MatchString(name) && filepath.Ext(name) != ".go"
}

func licenceFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if e.Type().IsRegular() && isLicence(e.Name()) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(files)
	return files, nil
}

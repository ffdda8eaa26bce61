package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A GoEnv is what the go command of this machine would use, found without running it:
// the environment, else the file that "go env -w" writes, else GOROOT/go.env, else the
// go command's own defaults. See "go help environment".
type GoEnv struct {
	layers []goLayer // the strongest first
}

type goLayer struct {
	from string
	vars map[string]string
}

// A GoSetting is a value and where it came from, in words for people.
type GoSetting struct{ Value, From string }

// ReadGoEnv reads the settings. environ is as os.Environ. Files that are missing or
// broken count as empty, as they do for the go command.
func ReadGoEnv(environment []string) *GoEnv {
	env := environ(environment)
	e := &GoEnv{[]goLayer{{"the environment", env}}}
	file := userGoEnv(env)
	user := readGoEnvFile(file)
	e.layers = append(e.layers, goLayer{file, user})
	if file := rootGoEnv(env, user["GOROOT"]); file != "" {
		e.layers = append(e.layers, goLayer{file, readGoEnvFile(file)})
	}
	e.layers = append(e.layers, DefaultGoEnv().layers...)
	return e
}

// DefaultGoEnv returns the go command's own defaults.
func DefaultGoEnv() *GoEnv {
	return &GoEnv{[]goLayer{{"Go's defaults", map[string]string{
		"GOPROXY": goproxy.DefaultUpstreams,
		"GOSUMDB": goproxy.DefaultSumDB,
	}}}}
}

// Get returns the effective setting of GOPROXY, GOSUMDB, GOPRIVATE, GONOPROXY or
// GONOSUMDB; the last two are GOPRIVATE where they are not set. A variable that is set to
// nothing counts as not set.
func (e *GoEnv) Get(name string) GoSetting {
	if all := e.all(name); len(all) > 0 {
		return all[0]
	}
	if name == "GONOPROXY" || name == "GONOSUMDB" {
		return e.Get("GOPRIVATE")
	}
	return GoSetting{}
}

// all returns every place that sets name, the strongest first.
func (e *GoEnv) all(name string) []GoSetting {
	var all []GoSetting
	for _, l := range e.layers {
		if v := l.vars[name]; v != "" {
			all = append(all, GoSetting{v, l.from})
		}
	}
	return all
}

// userGoEnv returns the file of "go env -w"; "" when there is none.
func userGoEnv(env map[string]string) string {
	switch file := env["GOENV"]; file {
	case "":
	case "off":
		return ""
	default:
		return file
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "go", "env")
}

// rootGoEnv returns the go.env of the GOROOT; "" when none is found. The go command
// looks from its own executable, so the one in PATH is what tells.
func rootGoEnv(env map[string]string, userRoot string) string {
	for _, root := range []string{userRoot, env["GOROOT"]} {
		if root != "" {
			return filepath.Join(root, "go.env")
		}
	}
	for _, dir := range filepath.SplitList(env["PATH"]) {
		exe := filepath.Join(dir, "go"+exeSuffix())
		if info, err := os.Stat(exe); dir == "" || err != nil || info.IsDir() {
			continue
		}
		return besideExe(exe)
	}
	return ""
}

// besideExe looks from GOROOT/bin/go or GOROOT/bin/GOOS_GOARCH/go, as named and with
// symbolic links resolved.
func besideExe(exe string) string {
	exes := []string{exe}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exes = append(exes, real)
	}
	for _, exe := range exes {
		for _, up := range []string{"../..", "../../.."} {
			root := filepath.Join(exe, up)
			if info, err := os.Stat(filepath.Join(root, "pkg", "tool")); err == nil && info.IsDir() {
				return filepath.Join(root, "go.env")
			}
		}
	}
	return ""
}

func exeSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// readGoEnvFile reads lines NAME=VALUE. Values are not quoted; every other line is not read.
func readGoEnvFile(file string) map[string]string {
	if file == "" {
		return nil
	}
	data, err := readFile(file)
	if err != nil {
		return nil
	}
	return parseGoEnv(string(data))
}

func parseGoEnv(data string) map[string]string {
	vars := make(map[string]string)
	for line := range strings.Lines(data) {
		name, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if ok && name != "" && 'A' <= name[0] && name[0] <= 'Z' {
			vars[name] = v
		}
	}
	return vars
}

package config

import (
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
)

// Sources are what a Config is read from.
type Sources struct {
	Flags   map[string]string // the flags that were given, by key name, as text
	Environ []string          // as os.Environ; variables that are empty count as not set
	File    string            // the flag --config; when empty MODHAVEN_CONFIG is used
	GoEnv   *GoEnv            // nil: ReadGoEnv(Environ)
}

// Load returns the settings: a flag goes before the environment, that before the file,
// that before the preset, and that before the default. It always returns a Config; where a value is bad the default
// stays. The error joins one *Error for each thing that is wrong. Load checks values one
// by one; whether they go together is for Check.
func Load(src Sources) (*Config, error) {
	c := &Config{origin: make(map[string]Origin), goEnv: src.GoEnv}
	if c.goEnv == nil {
		c.goEnv = ReadGoEnv(src.Environ)
	}
	for _, k := range Keys() {
		if k.Default != "" {
			if m := k.set(c, k.Default); m != nil {
				panic("config: default of " + k.Name + ": " + m.String())
			}
		}
	}
	env := environ(src.Environ)
	file, errs := src.File, []error(nil)
	if file == "" {
		file = env[EnvFile]
	}
	if file != "" {
		errs = append(errs, c.loadFile(file)...)
	}
	errs = append(errs, c.loadEnv(env)...)
	errs = append(errs, c.loadFlags(src.Flags)...)
	errs = append(errs, c.loadPreset()...)
	return c, errors.Join(errs...)
}

// Default returns the settings of a machine where nothing is set and the go command has
// its own defaults.
func Default() *Config {
	c, _ := Load(Sources{GoEnv: DefaultGoEnv()})
	return c
}

// assign sets one key from one source.
func (c *Config) assign(k Key, text string, from Origin) error {
	if m := k.set(c, text); m != nil {
		return &Error{k.Name, from, m}
	}
	c.origin[k.Name] = from
	return nil
}

func (c *Config) loadEnv(env map[string]string) []error {
	var errs []error
	known := map[string]bool{EnvFile: true, EnvToken: true}
	for _, k := range Keys() {
		known[k.Env()] = true
		if v := env[k.Env()]; v != "" {
			errs = append(errs, c.assign(k, v, Origin{Kind: FromEnv, Name: k.Env()}))
		}
	}
	for _, name := range sorted(env) {
		if strings.HasPrefix(name, EnvPrefix) && !known[name] {
			errs = append(errs, unknown(Origin{Kind: FromEnv, Name: name}, append(spellings(Key.Env), EnvFile)))
		}
	}
	return errs
}

func (c *Config) loadFlags(flags map[string]string) []error {
	var errs []error
	left := maps.Clone(flags)
	for _, k := range Keys() {
		if v, ok := left[k.Name]; ok {
			delete(left, k.Name)
			errs = append(errs, c.assign(k, v, Origin{Kind: FromFlag, Name: k.Flag()}))
		}
	}
	for _, name := range sorted(left) {
		errs = append(errs, unknown(Origin{Kind: FromFlag, Name: "--" + name}, spellings(Key.Flag)))
	}
	return errs
}

// unknown is the error for a variable or a flag that there is not.
func unknown(from Origin, all []string) error {
	if near := Nearest(from.Name, all); near != "" {
		return &Error{"", from, message("there is no such key; is %s meant?", near)}
	}
	return &Error{"", from, message("there is no such key; the keys are %s", strings.Join(all, ", "))}
}

// environ returns the variables by name. Of two with one name the last counts, as in package os/exec.
func environ(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, kv := range env {
		name, v, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			continue
		}
		if runtime.GOOS == "windows" {
			name = strings.ToUpper(name)
		}
		m[name] = v
	}
	return m
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

package main

import (
	"errors"
	"slices"
	"time"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A setting is the flag of one key. It keeps the text: package config parses it, so that
// a bad value reads the same wherever it comes from.
type setting struct {
	key  config.Key
	text string
}

func (s *setting) Set(text string) error { s.text = text; return nil }
func (s *setting) String() string        { return s.text }
func (s *setting) Type() string          { return s.key.Arg }

// addSettings gives cmd a flag for each named key, and --config. Without names it is every key.
func (p *process) addSettings(cmd *cobra.Command, names ...string) {
	for _, k := range config.Keys() {
		if len(names) > 0 && !slices.Contains(names, k.Name) {
			continue
		}
		cmd.Flags().Var(&setting{key: k}, k.Name, p.msg.Text(k.Help()))
		p.completeSetting(cmd, k)
	}
	cmd.Flags().Var(&fileName{}, "config", p.msg.Text("The YAML file with settings; else the one that MODHAVEN_CONFIG names"))
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

func (p *process) completeSetting(cmd *cobra.Command, k config.Key) {
	switch {
	case k.Arg == "DIR":
		_ = cmd.MarkFlagDirname(k.Name)
	case k.Arg == "FILE":
		_ = cmd.MarkFlagFilename(k.Name)
	default:
		_ = cmd.RegisterFlagCompletionFunc(k.Name, cobra.FixedCompletions(k.OneOf, cobra.ShellCompDirectiveNoFileComp))
	}
}

// A fileName is a flag with the name of a file.
type fileName struct{ name string }

func (f *fileName) Set(name string) error { f.name = name; return nil }
func (f *fileName) String() string        { return f.name }
func (f *fileName) Type() string          { return "FILE" }

// A span is a flag with a length of time, more than none.
type span time.Duration

func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New("no duration")
	}
	*s = span(d)
	return nil
}

func (s *span) String() string { return config.FormatDuration(time.Duration(*s)) }
func (s *span) Type() string   { return "DURATION" }

// addSpan gives cmd a flag with a length of time and returns where its value is after parsing.
func addSpan(cmd *cobra.Command, name string, value time.Duration, usage string) *time.Duration {
	s := span(value)
	cmd.Flags().Var(&s, name, usage)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	return (*time.Duration)(&s)
}

// load returns the settings for cmd from its flags, the environment and the file. The
// values are good one by one; whether they go together is not yet checked.
func (p *process) load(cmd *cobra.Command) (*config.Config, error) {
	src := config.Sources{Flags: make(map[string]string), Environ: p.environ}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if s, ok := f.Value.(*setting); ok {
			src.Flags[s.key.Name] = s.text
		}
	})
	if f := cmd.Flags().Lookup("config"); f != nil {
		src.File = f.Value.String()
	}
	return config.Load(src)
}

// settings is load and the check of the whole, with warnings written to standard error.
func (p *process) settings(cmd *cobra.Command) (*config.Config, error) {
	cfg, err := p.load(cmd)
	if err := errors.Join(err, check(cfg)); err != nil {
		return nil, err
	}
	p.warn(cfg)
	return cfg, nil
}

func (p *process) warn(cfg *config.Config) {
	for _, w := range cfg.Warnings() {
		p.complain(p.msg.Sprintf("warning: %s", p.msg.Sprintf(w.Format, w.Args...)))
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/credential"
	"github.com/modhaven/modhaven/internal/gocmd"
	"github.com/modhaven/modhaven/internal/goproxy"
)

// serverDirect makes what fetches from version control for a server, with the server's own credentials. Where proxies may have
// what is asked for too, it is done without if the go command is missing.
func serverDirect(hv *haven, cfg *config.Config, alone bool) (goproxy.Fetcher, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("direct: this program does not find itself, which git and ssh have to run: %w", err)
	}
	o := gocmd.Options{Dir: filepath.Join(hv.state.Dir, "direct"), Inside: hv.inside(cfg), Helper: []string{exe, askCommand},
		Memory: directMemory(os.DirFS("/")), Log: hv.log}
	for _, f := range []struct{ key, variable, name string }{
		{"direct-netrc", "NETRC", cfg.DirectNetrc},
		{"direct-git-config", "GIT_CONFIG_GLOBAL", cfg.DirectGitConfig},
	} {
		if f.name == "" {
			continue
		}
		abs, err := filepath.Abs(f.name)
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return nil, cfg.Mistake(f.key, err)
		}
		hv.warnReadable(abs)
		o.Env = append(o.Env, f.variable+"="+abs)
	}
	if err := hv.addCredentials(cfg, &o); err != nil {
		return nil, err
	}
	f, err := gocmd.New(o)
	if err != nil && !alone {
		hv.log.Error("private modules are not fetched from version control; the proxies of the list are asked for them", "err", err)
		return nil, nil //nolint:nilnil // none
	}
	if err != nil {
		return nil, err
	}
	hv.direct = f
	return f, nil
}

// inside are patterns of modules whose hosts may have inner addresses: private ones, and those of routes that ask nobody public.
func (hv *haven) inside(cfg *config.Config) string {
	var all []string
	if cfg.Private != "" {
		all = append(all, cfg.Private)
	}
	routes, _ := cfg.Routes()
	for _, r := range routes {
		if hv.rules.Private(r.Pattern) == r.Pattern {
			all = append(all, r.Pattern)
		}
	}
	return strings.Join(all, ",")
}

func (hv *haven) warnReadable(file string) {
	if isReadable(file) {
		hv.log.Warn("others than its owner can read the credentials; chmod 600 changes that", "file", file)
	}
}

// directCredentials reads the credentials of single hosts.
func directCredentials(cfg *config.Config) ([]credential.Host, error) {
	lines, err := cfg.DirectCredentialLines()
	if err != nil {
		return nil, nil //nolint:nilerr // config.Check says it
	}
	hosts, err := credential.Parse(lines)
	if err != nil {
		return nil, cfg.Mistake("direct-credentials", err)
	}
	return hosts, nil
}

// addCredentials gives what fetches the credentials of single hosts.
func (hv *haven) addCredentials(cfg *config.Config, o *gocmd.Options) error {
	hosts, err := directCredentials(cfg)
	if err != nil || len(hosts) == 0 {
		return err
	}
	for _, h := range hosts {
		for _, file := range h.Files() {
			hv.warnReadable(file)
		}
	}
	creds, err := credential.New(hosts, credential.Options{Environ: os.Environ(), Log: hv.log})
	if err != nil {
		return cfg.Mistake("direct-credentials", err)
	}
	ssh, err := creds.SSH()
	if err != nil {
		return cfg.Mistake("direct-credentials", err)
	}
	o.SSHConfig, o.Instead = ssh.Config, ssh.Instead
	o.Credentials = wallet{creds}
	return nil
}

// wallet is credential.Hosts in the words of package gocmd.
type wallet struct{ *credential.Hosts }

// Get implements gocmd.Credentials.
func (w wallet) Get(ctx context.Context, host string) (user, password string, err error) {
	s, err := w.Hosts.Get(ctx, host)
	if errors.Is(err, credential.ErrNone) {
		return "", "", nil
	}
	return s.User, s.Password, err
}

// Refused implements gocmd.Credentials.
func (w wallet) Refused(ctx context.Context, host, user, password string) bool {
	return w.Hosts.Refused(ctx, host, credential.Secret{User: user, Password: password})
}

const askCommand = "direct-credential"

// directCredentialCommand is run by git, the go command and ssh below a server. Nobody else has a use for it.
func directCredentialCommand(p *process) *cobra.Command {
	return &cobra.Command{Use: askCommand + " git|go|ssh", Hidden: true, DisableFlagParsing: true, RunE: func(cmd *cobra.Command, args []string) error {
		return gocmd.Ask(cmd.Context(), args, p.in, p.out)
	}}
}

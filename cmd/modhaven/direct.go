package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/gocmd"
	"github.com/modhaven/modhaven/internal/goproxy"
)

// serverDirect makes what fetches from version control for a server, with the server's own credentials. Where proxies may have
// what is asked for too, it is done without if the go command is missing.
func serverDirect(hv *haven, cfg *config.Config, alone bool) (goproxy.Fetcher, error) {
	o := gocmd.Options{Dir: filepath.Join(hv.state.Dir, "direct"), Inside: hv.inside(cfg), Log: hv.log}
	for _, f := range []struct{ key, variable, name string }{
		{"direct-netrc", "NETRC", cfg.DirectNetrc},
		{"direct-git-config", "GIT_CONFIG_GLOBAL", cfg.DirectGitConfig},
		{"direct-ssh-key", "", cfg.DirectSSHKey},
		{"direct-known-hosts", "", cfg.DirectKnownHosts},
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
		if f.name != cfg.DirectKnownHosts && isReadable(abs) {
			hv.log.Warn("others than its owner can read the credentials; chmod 600 changes that", "file", f.name)
		}
		if f.variable != "" {
			o.Env = append(o.Env, f.variable+"="+abs)
		}
	}
	ssh, err := sshCommand(cfg)
	if err != nil {
		return nil, err
	}
	if ssh != "" {
		o.Env = append(o.Env, "GIT_SSH_COMMAND="+ssh)
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

// sshCommand is what git runs for SSH; "" where no hosts are known.
func sshCommand(cfg *config.Config) (string, error) {
	if cfg.DirectKnownHosts == "" {
		return "", nil
	}
	hosts, err := filepath.Abs(cfg.DirectKnownHosts)
	if err != nil {
		return "", err
	}
	command := "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o ControlMaster=no -o IdentitiesOnly=yes -o " + quoted("UserKnownHostsFile="+sshQuoted(hosts))
	key := "none"
	if cfg.DirectSSHKey != "" {
		if key, err = filepath.Abs(cfg.DirectSSHKey); err != nil {
			return "", err
		}
	}
	return command + " -o " + quoted("IdentityFile="+sshQuoted(key)), nil
}

// quoted is a word for the shell that git has run the command.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// sshQuoted is a name for the configuration of ssh, where % begins a token.
func sshQuoted(name string) string { return `"` + strings.ReplaceAll(name, "%", "%%") + `"` }

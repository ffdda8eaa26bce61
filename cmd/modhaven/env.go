package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/sumlog"
)

// forms are the ways in which env prints settings, with what stands before each and around it.
var forms = []struct{ name, head, format string }{
	{"shell", "", "export %s='%s'\n"},
	{"go", "", "go env -w %s='%s'\n"},
	{"docker", "", "ENV %s=\"%s\"\n"},
	{"github", "env:\n", "  %s: '%s'\n"},
	{"gitlab", "variables:\n", "  %s: '%s'\n"},
	{"powershell", "", "$env:%s = '%s'\n"},
}

// A clientSetting is what a client of a server should have, and why.
type clientSetting struct{ name, value, why string }

func envCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "env [URL] [OPTIONS]"}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return p.usagef("%s: one argument too many", args[1])
		}
		return nil
	}
	var names []string
	for _, f := range forms {
		names = append(names, f.name)
	}
	form := cmd.Flags().String("form", "shell", p.msg.Sprintf("How to print them: %s", strings.Join(names, ", ")))
	check := cmd.Flags().Bool("check", false, p.msg.Text("Compare them with what is set here, and explain each difference"))
	_ = cmd.RegisterFlagCompletionFunc("form", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	p.addSettings(cmd)
	p.document(cmd, manual{
		short: "print the settings that a client of this server should have",
		about: `
			Prints GOPROXY and GOSUMDB, and where modules are private GONOPROXY and GONOSUMDB, for
			clients of the server that is configured here. URL is the address under which clients
			reach it, without which it is that of listen.

			It needs the same settings as the server, and asks nobody.`,
		variables: append(settingVariables(), goVariables()...),
		exits: []exit{
			{exitOK, "they were printed; with --check, all of them are set here"},
			{exitFailed, "it failed; the reason is on standard error"},
			{exitUsage, "wrong use, or a wrong configuration"},
			{exitDegraded, "with --check: something is set otherwise here"},
		},
		examples: []example{
			{"For the shell", `eval "$(modhaven env)"`},
			{"For all developers, once", "modhaven env https://go.corp.example --config modhaven.yaml --form go"},
			{"Is this machine set up?", "modhaven env https://go.corp.example --private 'git.corp.example/*' --check"},
		},
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i := slices.Index(names, *form)
		if i < 0 {
			return p.usagef("--form %s is not one of: %s", *form, strings.Join(names, ", "))
		}
		cfg, err := p.settings(cmd)
		if err != nil {
			return err
		}
		addr := cfg.URL(cfg.Listen)
		if len(args) == 1 {
			if addr, err = serverURL(args[0]); err != nil {
				return p.usagef("%q is not the URL of a server, such as http://127.0.0.1:3000", goproxy.Redact(args[0]))
			}
		}
		all, err := p.clientSettings(cfg, addr)
		if err != nil {
			return err
		}
		if *check {
			return p.checkClient(cfg.GoEnv(), all)
		}
		for _, s := range all {
			if strings.ContainsAny(s.value, "'\"$`\\\n") {
				return p.failf("%s: %s cannot be written without harm; change the setting it comes from", s.name, s.value)
			}
		}
		fmt.Fprint(p.out, forms[i].head)
		for _, s := range all {
			fmt.Fprintf(p.out, forms[i].format, s.name, s.value)
		}
		return nil
	}
	return cmd
}

// clientSettings returns what a client of a server at addr should have.
func (p *process) clientSettings(cfg *config.Config, addr string) ([]clientSetting, error) {
	db, err := cfg.SumDatabase()
	if err != nil {
		return nil, err
	}
	all := []clientSetting{{"GOPROXY", addr, p.msg.Text("the server alone is asked, since what it refuses must not be fetched past it")}}
	sum := clientSetting{"GOSUMDB", db.Spec(), p.msg.Text("the checksum database is asked through the server")}
	if cfg.SumDBOwnKey != "" {
		signer, err := readKey(cfg.SumDBOwnKey)
		if err != nil {
			return nil, err
		}
		if sum.value, err = sumlog.VerifierOf(signer); err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.SumDBOwnKey, err)
		}
		sum.why = p.msg.Text("the server's own checksum database verifies private modules too")
	}
	all = append(all, sum)
	private, err := privatePatterns(cfg)
	if err != nil || private == "" {
		return all, err
	}
	if answersPrivate(cfg) {
		all = append(all, clientSetting{"GONOPROXY", "none", p.msg.Text("the server has private modules too")})
	} else {
		all = append(all, clientSetting{"GONOPROXY", private, p.msg.Text("the server asks nobody for private modules")})
	}
	noSum := clientSetting{"GONOSUMDB", private, p.msg.Text("no public checksum database knows private modules")}
	if cfg.SumDBOwnKey != "" {
		noSum.value, noSum.why = "none", sum.why
	}
	return append(all, noSum), nil
}

// privatePatterns returns the patterns of private modules: those that are set, and those of routes that ask nobody public.
func privatePatterns(cfg *config.Config) (string, error) {
	routes, err := cfg.Routes()
	if err != nil {
		return "", err
	}
	var all []string
	if cfg.Private != "" {
		all = append(all, cfg.Private)
	}
	rules := goproxy.NewRules(cfg.Private, routes)
	for _, r := range routes {
		if rules.Private(r.Pattern) == r.Pattern {
			all = append(all, r.Pattern)
		}
	}
	return strings.Join(all, ","), nil
}

// answersPrivate reports whether a server has anybody to ask for private modules.
func answersPrivate(cfg *config.Config) bool {
	ups, _ := cfg.UpstreamList()
	routes, _ := cfg.Routes()
	for _, r := range routes {
		ups = append(ups, r.Upstreams...)
	}
	return slices.ContainsFunc(ups, func(u goproxy.Upstream) bool { return u.URL != goproxy.Off && !u.Public })
}

// checkClient compares what a client should have with what is set here.
func (p *process) checkClient(env *config.GoEnv, all []clientSetting) error {
	wrong := 0
	for _, s := range all {
		have := env.Get(s.name)
		if have.Value == s.value || s.name == "GOPROXY" && strings.TrimSuffix(have.Value, "/") == s.value {
			continue
		}
		wrong++
		switch {
		case have.Value == "":
			fmt.Fprintln(p.out, p.msg.Sprintf("%s is not set; it should be %s: %s", s.name, s.value, s.why))
		default:
			fmt.Fprintln(p.out, p.msg.Sprintf("%s is %s (%s); it should be %s: %s", s.name, config.MaskList(have.Value), have.From, s.value, s.why))
		}
	}
	if wrong > 0 {
		return exitStatus(exitDegraded)
	}
	fmt.Fprintln(p.out, p.msg.Text("all of it is set as this server needs it"))
	return nil
}

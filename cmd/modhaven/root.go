package main

import (
	"errors"
	"strings"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func rootCommand(p *process) *cobra.Command {
	root := &cobra.Command{
		Use:           "modhaven COMMAND",
		SilenceErrors: true, // report does it
		SilenceUsage:  true,
	}
	showVersion := root.Flags().Bool("version", false, p.msg.Text("Print the version and end"))
	p.document(root, manual{
		short: "a Go module proxy",
		about: `
			Modhaven keeps Go builds downloading when the network does not. It is a module
			proxy server (serve), and a proxy around one command (exec).`,
		exits: commonExits(),
		examples: []example{
			{"Run a module proxy, and use it in another terminal", "modhaven serve\nexport GOPROXY=http://127.0.0.1:3000"},
			{"Run one command behind a proxy of its own", "modhaven exec -- go build ./..."},
		},
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(p.flagError)
	root.SetHelpCommand(helpCommand(p))
	root.AddCommand(
		serveCommand(p),
		execCommand(p),
		configCommand(p),
		healthcheckCommand(p),
		waitCommand(p),
		statusCommand(p),
		explainCommand(p),
		envCommand(p),
		doctorCommand(p),
		ledgerCommand(p),
		sumdbCommand(p),
		tokenCommand(p),
		goauthCommand(p),
		directCredentialCommand(p),
		verifyCommand(p),
		versionCommand(p),
		completionCommand(p),
	)
	p.isGroup(root)
	group := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *showVersion {
			return p.printVersion(false)
		}
		return group(cmd, args)
	}
	return root
}

// isGroup makes cmd one that only holds others: alone it prints its help.
func (p *process) isGroup(cmd *cobra.Command) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return p.noSuchCommand(cmd, args[0])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

func (p *process) noSuchCommand(parent *cobra.Command, name string) error {
	var names []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
		}
	}
	if near := config.Nearest(name, names); near != "" {
		return p.usagef("%s: there is no such command; is %s meant?", name, near)
	}
	return p.usagef("%s: there is no such command; the commands are %s", name, strings.Join(names, ", "))
}

// arguments wants exactly as many arguments as there are names.
func (p *process) arguments(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return p.usagef("%s: one argument too many", args[len(names)])
		}
		if len(args) < len(names) {
			return p.usagef("%s is missing", names[len(args)])
		}
		return nil
	}
}

// flagError says what is wrong with a flag in the words of this program.
func (p *process) flagError(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &missing):
		return p.noSuchFlag(cmd, missing)
	case errors.As(err, &empty):
		return p.usagef("--%s needs a value: %s", empty.GetFlag().Name, empty.GetFlag().Value.Type())
	case errors.As(err, &invalid):
		return p.usagef("--%s: %q is no %s", invalid.GetFlag().Name, invalid.GetValue(), invalid.GetFlag().Value.Type())
	}
	return usageError(err.Error())
}

func (p *process) noSuchFlag(cmd *cobra.Command, missing *pflag.NotExistError) error {
	if short := missing.GetSpecifiedShortnames(); short != "" {
		return p.usagef("-%s: there is no such flag", short)
	}
	name := missing.GetSpecifiedName()
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := config.Nearest(name, names); near != "" {
		return p.usagef("--%s: there is no such flag; is --%s meant?", name, near)
	}
	return p.usagef("--%s: there is no such flag", name)
}

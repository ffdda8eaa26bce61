package main

import (
	"errors"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/spf13/cobra"
)

func configCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "config COMMAND"}
	p.document(cmd, manual{
		short: "show and check the configuration",
		about: `Shows what the settings come to, and checks a file before it is used. All settings: docs/configuration.md.`,
		exits: commonExits(),
	})
	p.isGroup(cmd)
	cmd.AddCommand(configPrintCommand(p), configCheckCommand(p))
	return cmd
}

func configPrintCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "print [OPTIONS]", Args: p.arguments()}
	p.addSettings(cmd)
	p.document(cmd, manual{
		short: "print the effective configuration",
		about: `
			Prints every setting with the value that serve would use when it were called with the
			same options, and with where the value came from. The output is a configuration file.
			Users and passwords in addresses are masked.`,
		variables: append(settingVariables(), goVariables()...),
		exits:     commonExits(),
		examples: []example{
			{"See what a file and the environment come to", "modhaven config print --config /etc/modhaven.yaml"},
			{"Begin a file", "modhaven config print > modhaven.yaml"},
		},
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.settings(cmd)
		if err != nil {
			return err
		}
		return cfg.Print(p.out)
	}
	return cmd
}

func configCheckCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "check FILE", Args: p.arguments("FILE")}
	p.document(cmd, manual{
		short: "check a configuration file",
		about: `
			Checks a file alone: flags, variables of the environment and the settings of this
			machine's go command do not count. Everything that is wrong is reported, each with its
			line. Warnings do not make a file bad. Whether files that it names exist and addresses
			answer is not looked at.`,
		exits: []exit{
			{exitOK, "the file is good"},
			{exitFailed, "it failed; the reason is on standard error"},
			{exitUsage, "the file is bad or cannot be read, or wrong use"},
		},
		examples: []example{{"Before a restart", "modhaven config check /etc/modhaven.yaml && systemctl restart modhaven"}},
	})
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		cfg, err := config.Load(config.Sources{File: args[0], GoEnv: config.DefaultGoEnv()})
		if err := errors.Join(err, check(cfg)); err != nil {
			return err
		}
		p.warn(cfg)
		_, err = p.msg.Fprintf(p.out, "%s: good\n", args[0])
		return err
	}
	return cmd
}

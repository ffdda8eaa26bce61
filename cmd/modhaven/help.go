package main

import "github.com/spf13/cobra"

func helpCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "help [COMMAND]"}
	p.document(cmd, manual{
		short:    "print the manual of a command",
		about:    `Prints the manual of a command; without one, the list of commands. It is the same as COMMAND --help.`,
		exits:    commonExits(),
		examples: []example{{"The manual of the server", "modhaven help serve"}},
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		of := cmd.Root()
		for _, name := range args {
			next := child(of, name)
			if next == nil {
				return p.noSuchCommand(of, name)
			}
			of = next
		}
		return of.Help()
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		of := cmd.Root()
		for _, name := range args {
			if of = child(of, name); of == nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
		}
		var names []string
		for _, c := range of.Commands() {
			names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

func child(of *cobra.Command, name string) *cobra.Command {
	for _, c := range of.Commands() {
		if c.Name() == name && !c.Hidden {
			return c
		}
	}
	return nil
}

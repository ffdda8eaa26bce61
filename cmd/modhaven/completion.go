package main

import (
	"strings"

	"github.com/spf13/cobra"
)

func completionCommand(p *process) *cobra.Command {
	shells := map[string]func(*cobra.Command) error{
		"bash":       func(root *cobra.Command) error { return root.GenBashCompletionV2(p.out, true) },
		"zsh":        func(root *cobra.Command) error { return root.GenZshCompletion(p.out) },
		"fish":       func(root *cobra.Command) error { return root.GenFishCompletion(p.out, true) },
		"powershell": func(root *cobra.Command) error { return root.GenPowerShellCompletionWithDesc(p.out) },
	}
	names := []string{"bash", "zsh", "fish", "powershell"}
	cmd := &cobra.Command{
		Use:               "completion bash|zsh|fish|powershell",
		Args:              p.arguments("bash|zsh|fish|powershell"),
		ValidArgsFunction: cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp),
	}
	p.document(cmd, manual{
		short: "print the completion script of a shell",
		about: `
			Prints a script that teaches a shell to complete the commands, options and values
			of modhaven.`,
		exits: commonExits(),
		examples: []example{
			{"In ~/.bashrc (with the package bash-completion)", "source <(modhaven completion bash)"},
			{"In ~/.zshrc", "source <(modhaven completion zsh)"},
			{"For fish, once", "modhaven completion fish > ~/.config/fish/completions/modhaven.fish"},
			{"In the PowerShell profile", "modhaven completion powershell | Out-String | Invoke-Expression"},
		},
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if script := shells[args[0]]; script != nil {
			return script(cmd.Root())
		}
		return p.usagef("%s: there is no completion for it; there is one for %s", args[0], strings.Join(names, ", "))
	}
	return cmd
}

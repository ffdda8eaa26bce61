package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func serveCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "serve [OPTIONS]", Args: p.arguments()}
	p.addSettings(cmd)
	p.document(cmd, manual{
		short: "run a module proxy",
		about: `
			Serves Go modules at an address, fetching what it does not have from its upstreams
			and keeping it. Without any option it listens on 127.0.0.1:3000, keeps its state in
			the user's cache directory and fetches through the GOPROXY of this machine.

			The line to paste into a client's shell is printed when the server is ready.

			It ends on SIGTERM or an interrupt: new connections are refused at once, running
			answers and downloads may finish within the time of --drain. A second signal ends it
			immediately.

			All options in full, and the file: docs/configuration.md.`,
		variables: append(settingVariables(), goVariables()...),
		exits: []exit{
			{exitOK, "ended by a signal, everything finished"},
			{exitFailed, "could not start, or could not go on"},
			{exitUsage, "wrong use, or a wrong configuration"},
		},
		examples: []example{
			{"Run with the settings of this machine", "modhaven serve"},
			{"Fetch through the public proxies that serve mainland China", "modhaven serve --upstreams cn"},
			{"Serve a company, whose own proxy comes first", "modhaven serve --listen 0.0.0.0:3000 --auth none \\\n    --upstreams https://goproxy.corp.example,default \\\n    --private corp.example"},
		},
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.settings(cmd)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // the second signal kills
		return p.runServe(ctx, cfg)
	}
	return cmd
}

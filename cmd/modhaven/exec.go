package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// Exit statuses of exec, beside the command's own, with the meaning they have in shells.
const (
	exitCannotRun = 126
	exitNotFound  = 127
	exitSignal    = 128 // and the signal's number
)

// maxRuns is how often a command may be run.
const maxRuns = 10

func execCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "exec [OPTIONS] [--] CMD [ARGS...]"}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return p.usagef("%s is missing", "CMD")
		}
		return nil
	}
	p.addSettings(cmd, "state", "upstreams", "sumdb", "private", "failover", "fresh")
	quiet := cmd.Flags().BoolP("quiet", "q", false, p.msg.Text("Print no summary and no progress; what failed is printed all the same"))
	verbose := cmd.Flags().BoolP("verbose", "v", false, p.msg.Text("Log every download to standard error"))
	attempts := cmd.Flags().Int("attempts", 1, p.msg.Text("How often CMD is run at most, where it fails and downloads did too"))
	_ = cmd.RegisterFlagCompletionFunc("attempts", cobra.NoFileCompletions)
	consult := cmd.Flags().Bool("doctor", true, p.msg.Text("Ask the doctor why, when CMD fails and downloads did too"))
	cmd.Flags().SetInterspersed(false) // what follows CMD is its own
	p.document(cmd, execManual())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *attempts < 1 || *attempts > maxRuns {
			return p.usagef("--attempts is a number from 1 to %d", maxRuns)
		}
		program, err := p.lookProgram(args[0])
		if err != nil {
			return p.cannotRun(err)
		}
		s, err := p.execSettings(cmd)
		if err != nil {
			return err
		}
		e := &execution{process: p, settings: s, program: program, args: args, attempts: *attempts, quiet: *quiet, verbose: *verbose, consult: *consult}
		status, err := e.run(cmd.Context())
		if err != nil || status == exitOK {
			return err
		}
		return exitStatus(status)
	}
	return cmd
}

// cannotRun says why a program does not run, and ends with the status that shells use then.
func (p *process) cannotRun(err error) error {
	var cannot *programError
	if !errors.As(err, &cannot) {
		return err
	}
	p.complain(cannot.text)
	return exitStatus(cannot.status)
}

func execManual() manual {
	return manual{
		short: "run a command behind a module proxy of its own",
		about: `
			Runs CMD with GOPROXY set to a module proxy that lives as long as CMD does, on a free
			port of 127.0.0.1. What is downloaded is kept in the user's store, the one that serve
			uses too; any number of commands may use it at once.

			Modules come from where the caller's go command would get them: the entries of GOPROXY
			become the upstreams of the proxy, unless --upstreams names others. Where that list goes
			on to direct, CMD's does too. A file:// entry at the front of GOPROXY stays at the front;
			elsewhere it is refused. A mirror's address in GOSUMDB is asked by the proxy. Modules that
			match GOPRIVATE or GONOPROXY are fetched from version control, with the caller's own
			configuration and credentials: by the proxy where GOPROXY goes on to direct, else by CMD as
			without Modhaven.

			The environment of CMD is the caller's with two variables changed: GOPROXY is the proxy,
			and what stands before and behind it; GOSUMDB is the checksum database without an
			address, so that it is asked through the proxy. Where the proxy fetches private modules
			too, GONOPROXY is none.

			CMD has the standard streams, the terminal and the process group of Modhaven. Signals
			that are sent to Modhaven alone are passed on to it. Options behind CMD are its own.

			At the end one line on standard error says how many modules were served, how many of
			them came from the store, and what went wrong on the way. Where CMD failed and
			downloads did too, the reasons of each upstream stand before it, and what the doctor says
			about them. A terminal shows how far a large download is.

			With --attempts a CMD that fails, and whose downloads did too, is run again from the start.
			That is for what no proxy can try again. Its standard input must be a terminal, a file or
			/dev/null.

			The exit status is that of CMD, of its last run, or 128+N where signal N killed it. Where CMD was not run it
			is one of those below.`,
		variables: append([]variable{
			{"GOPRIVATE, GONOPROXY, GONOSUMDB", "What they match is private to the proxy too where --private is not given. A CMD that sets GOPRIVATE itself must set GONOPROXY too"},
		}, append(settingVariables(), goVariables()...)...),
		exits: []exit{
			{exitFailed, "the proxy could not start; the reason is on standard error"},
			{exitUsage, "wrong use, or a wrong configuration"},
			{exitCannotRun, "CMD was found and cannot be run"},
			{exitNotFound, "CMD was not found"},
		},
		examples: []example{
			{"Build", "modhaven exec -- go build ./..."},
			{"Download in a CI job, with the store in the job's cache", "modhaven exec --state .cache/modhaven -- go mod download"},
			{"Build an image; the Dockerfile needs ARG GOPROXY and ARG GOSUMDB", "modhaven exec -- docker build --network host \\\n    --build-arg GOPROXY --build-arg GOSUMDB ."},
			{"Several commands behind one proxy", "modhaven exec -- sh -c 'go vet ./... && go test ./...'"},
			{"In CI, and once more where downloads failed", "modhaven exec --attempts 2 -- go test ./..."},
			{"In mainland China, whatever GOPROXY says", "modhaven exec --upstreams cn -- go get golang.org/x/tools@latest"},
		},
	}
}

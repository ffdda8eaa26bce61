package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/msg"
	"github.com/spf13/cobra"
)

// Exit statuses that mean the same in every command.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // wrong use, or a wrong configuration
)

// A process is what a command has to do with: its standard streams, its environment, and
// the language of whoever reads.
type process struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
	msg      *msg.Printer
}

// run is the whole program. It returns the exit status.
func run(args []string, in io.Reader, out, errOut io.Writer, environ []string) int {
	p := &process{in, out, errOut, environ, msg.New(environ)}
	root := rootCommand(p)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteC()
	status := p.report(cmd, err)
	if cmd.Name() == "healthcheck" && status != exitOK {
		return exitFailed // container engines keep 2 for themselves
	}
	return status
}

// An exitStatus ends the program with this status and without another word.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// A usageError is a mistake in how a command was called. Its text is translated already.
type usageError string

func (e usageError) Error() string { return string(e) }

// failf returns an error in the reader's language.
func (p *process) failf(format string, args ...any) error {
	return errors.New(p.msg.Sprintf(format, args...))
}

// usagef returns an error in the reader's language after which the program ends with exitUsage.
func (p *process) usagef(format string, args ...any) error {
	return usageError(p.msg.Sprintf(format, args...))
}

// report writes what went wrong to standard error and returns the exit status.
func (p *process) report(cmd *cobra.Command, err error) int {
	var status exitStatus
	var usage usageError
	var bad *config.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage):
		p.complain(usage.Error())
		p.complain(p.msg.Sprintf("see: %s", strings.Replace(cmd.CommandPath(), "modhaven", "modhaven help", 1)))
		return exitUsage
	case errors.As(err, &bad):
		for _, e := range leaves(err) {
			p.complain(p.explain(e))
		}
		return exitUsage
	}
	p.complain(err.Error())
	return exitFailed
}

func (p *process) complain(text string) { fmt.Fprintf(p.err, "modhaven: %s\n", text) }

// explain returns an error of the configuration in the reader's language.
func (p *process) explain(err error) string {
	var bad *config.Error
	if errors.As(err, &bad) {
		return bad.Where() + ": " + p.msg.Sprintf(bad.Format, bad.Args...)
	}
	return err.Error()
}

// leaves returns the errors that were joined into err, however often.
func leaves(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, leaves(e)...)
	}
	return all
}

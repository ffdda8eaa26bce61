//go:build !unix

package main

import (
	"os"
	"os/signal"
)

// signals are those that would otherwise end this process before the command: an
// interrupt, which a console sends to both.
type signals struct{ caught chan os.Signal }

// catchSignals begins to catch signals, for the rest of the life of this process.
func catchSignals() *signals {
	s := &signals{make(chan os.Signal, 1)}
	signal.Notify(s.caught, os.Interrupt)
	return s
}

// heard reports whether any signal came: somebody wants an end.
func (s *signals) heard() bool { return len(s.caught) > 0 }

// relay has nothing to pass on: whoever shares the console hears of an interrupt.
func (*signals) relay(*os.Process) {}

// exitOf returns the exit status of a command.
func exitOf(s *os.ProcessState) int { return s.ExitCode() }

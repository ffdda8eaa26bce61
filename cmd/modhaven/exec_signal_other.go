//go:build !unix

package main

import (
	"os"
	"os/signal"
)

// signals are those that would otherwise end this process before the command: an
// interrupt, which a console sends to both.
type signals struct{}

// catchSignals begins to catch signals, for the rest of the life of this process.
func catchSignals() *signals {
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	return &signals{}
}

// relay has nothing to pass on: whoever shares the console hears of an interrupt.
func (*signals) relay(*os.Process) {}

// exitOf returns the exit status of a command.
func exitOf(s *os.ProcessState) int { return s.ExitCode() }

//go:build unix

package main

import (
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
)

// signals are those that would otherwise end this process and leave the command alone.
// Each is passed on to the command once. The command stands in our process group, so what a
// terminal sends (Ctrl-C), or anyone else who means the whole group, has reached it already.
type signals struct {
	caught  chan os.Signal
	witness *witness
	to      atomic.Pointer[os.Process] // who runs now
	some    atomic.Bool                // one was caught
}

// catchSignals begins to catch signals, for the rest of the life of this process: a
// Ctrl-C may be noticed after the command died of it, and must not take the end away.
// What was ignored when this process started (nohup) stays so for both.
func catchSignals() *signals {
	s := &signals{caught: make(chan os.Signal, 16)}
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(sig) {
			signal.Notify(s.caught, sig)
		}
	}
	// Whether anyone still reads our last line is no reason to lose the command's status.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return s
}

// relay passes signals on to p from now on. It is called once p runs.
func (s *signals) relay(p *os.Process) {
	if s.to.Swap(p) != nil {
		return
	}
	s.witness = newWitness()
	go func() {
		for sig := range s.caught {
			s.some.Store(true)
			if !s.reached(sig.(syscall.Signal)) {
				_ = s.to.Load().Signal(sig) // it may have ended
			}
		}
	}()
}

// heard reports whether any signal came: somebody wants an end.
func (s *signals) heard() bool { return s.some.Load() || len(s.caught) > 0 }

// reached reports whether a signal that came here was sent to the whole process group.
func (s *signals) reached(sig syscall.Signal) bool {
	died, known := s.witness.diedOf(sig)
	if died {
		s.witness = newWitness()
	}
	if known {
		return died
	}
	// Nobody to tell. A terminal's keys send these two to the group in the foreground.
	return slices.Contains([]syscall.Signal{syscall.SIGINT, syscall.SIGQUIT}, sig) && inForeground()
}

// inForeground reports whether this process group is the one that the terminal's keys reach.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	return holdsTerminal(tty)
}

// exitOf returns the exit status of a command as a shell counts it.
func exitOf(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return exitSignal + int(w.Signal())
	}
	return s.ExitCode()
}

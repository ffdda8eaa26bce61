package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// hear is a command for tests: it says on standard output that it is ready and whether its
// streams are terminals, then each signal as it comes, and ends with status 7 at a SIGTERM.
func hear() {
	c := make(chan os.Signal, 16)
	signal.Notify(c)
	fmt.Println("ready", term.IsTerminal(0), term.IsTerminal(1), term.IsTerminal(2))
	for sig := range c {
		switch sig.String() {
		case "urgent I/O condition", "child exited", "window changed", "continued":
			continue // sent by no test
		}
		fmt.Println(sig)
		if sig == syscall.SIGTERM {
			os.Exit(7)
		}
	}
}

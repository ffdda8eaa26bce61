//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// holdsTerminal reports whether this process group is in the foreground of a terminal.
func holdsTerminal(tty *os.File) bool {
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// inLines reports whether the terminal passes whole lines on, as it does until a program
// takes every key for itself.
func inLines(tty *os.File) bool {
	t, err := unix.IoctlGetTermios(int(tty.Fd()), getTermios)
	return err == nil && t.Lflag&unix.ICANON != 0
}

//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package main

import "os"

func holdsTerminal(*os.File) bool { return true }

func inLines(*os.File) bool { return true }

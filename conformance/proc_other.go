//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// ownGroup does nothing: there are no process groups here.
func ownGroup(*exec.Cmd) {}

// killGroup ends the process alone.
func killGroup(p *os.Process) error { return p.Kill() }

// terminate ends the process: there is no signal to ask with.
func terminate(p *os.Process) error { return p.Kill() }

//go:build !unix

package gocmd

import (
	"os"
	"os/exec"
)

// ownGroup does nothing: there are no process groups to kill here.
func ownGroup(*exec.Cmd) {}

// killGroup kills p alone. Its tools end when they find their pipes closed.
func killGroup(p *os.Process) error { return p.Kill() }

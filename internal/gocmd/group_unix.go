//go:build unix

package gocmd

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup has a command start a session and with it a process group, which its tools are part of: they have no terminal to ask on.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// killGroup kills what is left of the group that p started.
func killGroup(p *os.Process) error {
	err := syscall.Kill(-p.Pid, syscall.SIGKILL)
	if err == syscall.ESRCH {
		return os.ErrProcessDone
	}
	return err
}

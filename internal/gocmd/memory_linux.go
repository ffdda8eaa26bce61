package gocmd

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// boundMemory limits the memory of a command that has just begun, and of each process that it starts. What is counted is what a process may write to and
// shares with nobody (RLIMIT_DATA, getrlimit(2)): neither the files that git maps nor addresses that Go reserves. Where the system as a whole runs out of
// memory it ends them before this process.
func boundMemory(p *os.Process, bytes int64) error {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", p.Pid), []byte("500"), 0) // there may be no /proc
	limit := unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	err := unix.Prlimit(p.Pid, unix.RLIMIT_DATA, &limit, nil)
	if errors.Is(err, unix.ESRCH) {
		return nil // it has ended
	}
	return err
}

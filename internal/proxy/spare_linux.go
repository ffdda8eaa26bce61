package proxy

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// create returns an empty file in memory. Its name can be opened by this process while it is open.
func (s *spare) create() (*os.File, error) {
	fd, err := unix.MemfdCreate("modhaven-spool", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd)), nil
}

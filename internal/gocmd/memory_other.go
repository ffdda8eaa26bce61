//go:build !linux

package gocmd

import "os"

// boundMemory does nothing: other systems have no limit for a process that runs.
func boundMemory(*os.Process, int64) error { return nil }

package main

import (
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/modhaven/modhaven/internal/gocmd"
)

// tuneMemory has garbage collected when it is four times what is in use, unless GOGC says otherwise. A server of small
// files has a few MiB in use and would collect some thirty times a second under load; each time holds up the hits a little.
// Where the system limits this process's memory, 4/5 of that is a limit for all of it, unless GOMEMLIMIT says otherwise.
func tuneMemory(root fs.FS) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if n, ok := memoryLimit(root); ok && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(n / 5 * 4)
	}
}

// directMemory is what each process of direct may have: half of what this process and those may have together.
func directMemory(root fs.FS) int64 {
	n, ok := memoryLimit(root)
	if !ok {
		return gocmd.DefaultMemory
	}
	return min(max(n/2, 128<<20), gocmd.DefaultMemory) // with less the go command does not run
}

// memoryLimit returns how many bytes of memory Linux lets this process have: the least of its control groups, version 2,
// https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files.
func memoryLimit(root fs.FS) (least int64, ok bool) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(groups)) {
		group, v2 := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !v2 {
			continue
		}
		// In a container the group's name may be the host's: what is mounted is then the group itself.
		for at := path.Join("/", group); ; at = path.Dir(at) {
			b, err := fs.ReadFile(root, path.Join("sys/fs/cgroup", at, "memory.max"))
			if n, perr := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && perr == nil && n > 0 && (!ok || n < least) {
				least, ok = n, true
			}
			if at == "/" {
				break
			}
		}
	}
	return least, ok
}

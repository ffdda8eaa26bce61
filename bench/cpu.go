package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor times in /proc: USER_HZ is 100 wherever Go runs.
const tick = 10 * time.Millisecond

// A cpuClock is processor time since some moment, in ticks over all cores.
type cpuClock struct {
	busy  int64 // of every process, and what a hypervisor took
	total int64 // busy or not
	own   int64 // of this process, of all below it, and of the kernel's threads
}

// others returns the share of the processor that was used between then and now by
// processes that are not ours.
func (c cpuClock) others(then cpuClock) float64 {
	total := c.total - then.total
	if total <= 0 {
		return 0
	}
	return max(0, float64(c.busy-then.busy-(c.own-then.own))/float64(total))
}

// readCPU reads the clock from proc(5); zeros where there is no /proc.
func readCPU() cpuClock {
	var c cpuClock
	c.busy, c.total = machineTicks(firstLine("/proc/stat"))
	c.own = treeTicks(processes(), os.Getpid()) + treeTicks(processes(), kthreadd)
	return c
}

// kthreadd is the parent of the kernel's threads, which work for all of us.
const kthreadd = 2

// machineTicks reads "cpu user nice system idle iowait irq softirq steal …". Interrupts
// are no process's and count as not busy.
func machineTicks(line string) (busy, total int64) {
	for i, f := range strings.Fields(line) {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || i > 8 { // "cpu", and guests, which user and nice have in them
			continue
		}
		total += n
		if i <= 3 || i == 8 {
			busy += n
		}
	}
	return busy, total
}

// A procStat is what /proc/PID/stat says of a process.
type procStat struct {
	parent   int
	own      int64 // ticks of its own
	children int64 // ticks of its children that have ended
}

// parseProcStat reads a line of /proc/PID/stat. The second field is a name in
// parentheses that may have anything in it. What is missing is zero.
func parseProcStat(line string) procStat {
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	at := func(i int) int64 {
		if i >= len(fields) {
			return 0
		}
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return n
	}
	return procStat{parent: int(at(1)), own: at(11) + at(12), children: at(13) + at(14)}
}

func readProcStat(pid string) (procStat, error) {
	line, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	return parseProcStat(string(line)), err
}

// processes returns all processes by their ids.
func processes() map[int]procStat {
	all := make(map[int]procStat)
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if st, err := readProcStat(filepath.Base(dir)); err == nil {
			all[pid] = st
		}
	}
	return all
}

// treeTicks adds up the process root and all below it.
func treeTicks(all map[int]procStat, root int) (sum int64) {
	for pid, st := range all {
		if below(all, pid, root) {
			sum += st.own + st.children
		}
	}
	return sum
}

func below(all map[int]procStat, pid, root int) bool {
	for range len(all) {
		if pid == root {
			return true
		}
		st, ok := all[pid]
		if !ok {
			return false
		}
		pid = st.parent
	}
	return false
}

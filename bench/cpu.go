package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A cpuClock is processor time since some moment, in clock ticks over all cores.
type cpuClock struct {
	busy  int64 // of everybody
	total int64 // busy or not
	own   int64 // of this process and of its children that have ended
}

// readCPU reads the clock from proc(5); zeros where there is no /proc.
func readCPU() cpuClock {
	var c cpuClock
	c.busy, c.total = machineTicks(firstLine("/proc/stat"))
	stat, _ := os.ReadFile("/proc/self/stat")
	user, system, childUser, childSystem := ownTicks(string(stat))
	c.own = user + system + childUser + childSystem
	return c
}

// machineTicks reads "cpu user nice system idle iowait irq softirq steal …".
func machineTicks(line string) (busy, total int64) {
	for i, f := range strings.Fields(line) {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || i > 8 { // "cpu", and guests, which user and nice have in them
			continue
		}
		total += n
		if i != 4 && i != 5 {
			busy += n
		}
	}
	return busy, total
}

// tick is the unit of processor times in /proc: USER_HZ is 100 wherever Go runs.
const tick = 10 * time.Millisecond

// ownTicks reads the processor times of /proc/PID/stat: the process's and those of its
// children that have ended. The second field of the line is a name in parentheses that
// may have anything in it.
func ownTicks(stat string) (user, system, childUser, childSystem int64) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	at := func(i int) int64 {
		if i >= len(fields) {
			return 0
		}
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return n
	}
	return at(11), at(12), at(13), at(14)
}

// others returns the share of the processor that was used between then and now by
// processes that are not ours, steal included.
func (c cpuClock) others(then cpuClock) float64 {
	total := c.total - then.total
	if total <= 0 {
		return 0
	}
	return max(0, float64(c.busy-then.busy-(c.own-then.own))/float64(total))
}

const calmShare = 0.05

// calm waits until other processes use less than calmShare of the processor, but no
// longer than the user allows. Nothing of ours may be working meanwhile.
func (l *lab) calm(ctx context.Context) error {
	deadline := time.Now().Add(l.opt.calm)
	for time.Now().Before(deadline) {
		then := readCPU()
		select {
		case <-time.After(400 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if readCPU().others(then) < calmShare {
			return nil
		}
	}
	return nil
}

// disturbance says how busy others were since then.
func disturbance(name string, then cpuClock) string {
	return fmt.Sprintf("%s: other processes used %.0f %% of the processor", name, 100*readCPU().others(then))
}

// turns calls each of fs once in every round, when the machine is calm.
func (l *lab) turns(ctx context.Context, rounds int, fs ...func(round int) error) error {
	calm := make([]func(int) error, len(fs))
	for i, f := range fs {
		calm[i] = func(round int) error {
			if err := l.calm(ctx); err != nil {
				return err
			}
			return f(round)
		}
	}
	return turns(rounds, calm...)
}

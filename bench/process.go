package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a child of this one. stop ends it; it must be called.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // the file with its stderr, and its stdout where that is not read
	in   io.Closer
	done chan struct{} // closed when it has ended
}

// spawn starts a child whose stderr goes to a file, not through this process. Where
// stdout is nil that goes there too.
func (l *lab) spawn(name string, stdout *os.File, argv ...string) (*process, error) {
	log := filepath.Join(l.dir, fmt.Sprintf("%03d-%s.log", l.spawned.Add(1), name))
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr, cmd.Stdout = f, f
	if stdout != nil {
		cmd.Stdout = stdout
	}
	cmd.Env = append(os.Environ(), "GOTRACEBACK=all")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log, in: in, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // the status is in ProcessState
	}()
	return p, nil
}

// stop asks the process to end, and ends it after five seconds.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.in.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// failure is the error for a process that ended, or never became ready, with the end of its log.
func (p *process) failure(what string) error {
	log, _ := os.ReadFile(p.log)
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	tail := strings.Join(lines[max(0, len(lines)-8):], "\n\t")
	return fmt.Errorf("%s: %s:\n\t%s", p.name, what, tail)
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// memory returns the resident memory in bytes, now and at its highest.
func (p *process) memory() (rss, peak int64, err error) {
	status, err := os.ReadFile(p.proc("status"))
	if err != nil {
		return 0, 0, err
	}
	return kibField(status, "VmRSS:"), kibField(status, "VmHWM:"), nil
}

// resetPeak makes the kernel forget the highest resident memory so far (proc(5), clear_refs).
func (p *process) resetPeak() error { return os.WriteFile(p.proc("clear_refs"), []byte("5"), 0) }

// cpu returns the processor time that the process has used, without its children.
func (p *process) cpu() (time.Duration, error) {
	st, err := readProcStat(strconv.Itoa(p.cmd.Process.Pid))
	return time.Duration(st.own) * tick, err
}

func (p *process) proc(file string) string {
	return filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), file)
}

// kibField returns a field of /proc/PID/status that is given in kB, in bytes; 0 where it is missing.
func kibField(status []byte, name string) int64 {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// until calls ok every interval until it is true, the process ends, or limit has passed.
func (p *process) until(ctx context.Context, what string, interval, limit time.Duration, ok func() bool) error {
	deadline := time.Now().Add(limit)
	for !ok() {
		if p.ended() {
			return p.failure("ended before " + what)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Now().After(deadline) {
			return p.failure(fmt.Sprintf("no sign of %s within %v", what, limit))
		}
		time.Sleep(interval)
	}
	return nil
}

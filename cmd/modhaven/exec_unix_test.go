//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A transcript is what a command has written so far.
type transcript struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{} // closed and replaced at each write
}

func (tr *transcript) Write(b []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	close(tr.more)
	tr.more = make(chan struct{})
	return tr.buf.Write(b)
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.buf.String()
}

// await waits until the transcript holds a text.
func (tr *transcript) await(t *testing.T, text string) {
	t.Helper()
	guard := time.NewTimer(time.Minute)
	defer guard.Stop()
	for {
		tr.mu.Lock()
		more, has := tr.more, strings.Contains(tr.buf.String(), text)
		tr.mu.Unlock()
		if has {
			return
		}
		select {
		case <-more:
		case <-guard.C:
			t.Fatalf("no %q within a minute; got %q", text, tr)
		}
	}
}

// A hearing is a run of "modhaven exec -q -- hear" in a process group of its own.
type hearing struct {
	*transcript
	cmd *exec.Cmd
}

func startHearing(t *testing.T, prepare func(*exec.Cmd)) *hearing {
	t.Helper()
	h := &hearing{&transcript{more: make(chan struct{})}, exec.Command("modhaven", "exec", "-q", "--state", t.TempDir(), "--", "hear")}
	h.cmd.Env = append(os.Environ(), "GOENV=off", "GOPROXY=off", "LC_ALL=C")
	h.cmd.Stdout, h.cmd.Stderr = h.transcript, h.transcript
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if prepare != nil {
		prepare(h.cmd)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-h.cmd.Process.Pid, syscall.SIGKILL) })
	h.await(t, "ready")
	return h
}

// end ends the hearing with a SIGTERM to Modhaven alone, and returns the signals that were heard.
func (h *hearing) end(t *testing.T) string {
	t.Helper()
	h.kill(t, h.cmd.Process.Pid, syscall.SIGTERM)
	err := h.cmd.Wait()
	if got := h.cmd.ProcessState.ExitCode(); got != 7 {
		t.Errorf("%v, want the command's exit status 7", err)
	}
	h.await(t, syscall.SIGTERM.String()) // a terminal passes it on when it likes
	var heard []string
	for line := range strings.Lines(h.String()) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "ready") {
			heard = append(heard, line)
		}
	}
	return strings.Join(heard, ", ")
}

func (h *hearing) kill(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

// A signal reaches the command once, whoever it was sent to.
func TestExecSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1} {
		for _, to := range []string{"modhaven", "group"} {
			t.Run(fmt.Sprint(sig, " to ", to), func(t *testing.T) {
				t.Parallel()
				h := startHearing(t, nil)
				pid := h.cmd.Process.Pid
				if to == "group" {
					pid = -pid
				}
				h.kill(t, pid, sig)
				h.await(t, sig.String())
				if got, want := h.end(t), sig.String()+", terminated"; got != want {
					t.Errorf("the command heard %s, want %s", got, want)
				}
			})
		}
	}
}

// A second signal to the group is told apart too.
func TestExecSignalsAgain(t *testing.T) {
	h := startHearing(t, nil)
	const pair = "hangup\nuser defined signal 1\n"
	for n := range 3 {
		h.kill(t, -h.cmd.Process.Pid, syscall.SIGHUP)
		h.await(t, strings.Repeat(pair, n)+"hangup\n")
		h.kill(t, h.cmd.Process.Pid, syscall.SIGUSR1)
		h.await(t, strings.Repeat(pair, n+1))
	}
	want := strings.Repeat("hangup, user defined signal 1, ", 3) + "terminated"
	if got := h.end(t); got != want {
		t.Errorf("the command heard %s, want %s", got, want)
	}
}

// Two signals may come out in another order than the witness got them.
func TestWitnessRemembers(t *testing.T) {
	w := &witness{died: make(chan syscall.Signal, 1)}
	w.died <- syscall.SIGHUP
	close(w.died)
	if died, known := w.diedOf(syscall.SIGTERM); died || known {
		t.Errorf("SIGTERM: got %t, %t; it cannot tell", died, known)
	}
	for range 2 {
		if died, known := w.diedOf(syscall.SIGHUP); !died || !known {
			t.Errorf("SIGHUP: got %t, %t; it died of that", died, known)
		}
	}
	if (&signals{}).reached(syscall.SIGTERM) {
		t.Error("without a witness a SIGTERM is not passed on")
	}
}

// What the caller ignores, the command ignores: nohup.
func TestExecIgnoredSignal(t *testing.T) {
	h := startHearing(t, func(cmd *exec.Cmd) {
		cmd.Args = []string{"sh", "-c", `trap "" HUP; exec modhaven exec -q --state "$0" -- sh -c 'echo ready; read x; exit 7'`, cmd.Args[4]}
		cmd.Path = "/bin/sh"
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close() })
	})
	h.kill(t, -h.cmd.Process.Pid, syscall.SIGHUP)
	h.kill(t, h.cmd.Process.Pid, syscall.SIGHUP)
	h.kill(t, h.cmd.Process.Pid, syscall.SIGTERM)
	_ = h.cmd.Wait()
	if got := h.cmd.ProcessState.ExitCode(); got != 128+15 {
		t.Errorf("exit status %d, want that of SIGTERM", got)
	}
}

// Nothing that is left of a run lives longer than it.
func TestExecLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command("modhaven", "exec", "-q", "--state", dir, "--upstreams", "off", "--", "sh", "-c", "echo $PPID; ls "+dir+"/spool").Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, spools, _ := strings.Cut(string(out), "\n")
	if !strings.HasPrefix(spools, pid+"-") {
		t.Errorf("the spools were %q, want one of process %s", spools, pid)
	}
	left, err := os.ReadDir(dir + "/spool")
	if err != nil || len(left) > 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
}

// A summary that nobody reads any more is no reason to end otherwise than the command did.
func TestExecSummaryUnread(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("modhaven", "exec", "--state", t.TempDir(), "--upstreams", "off", "--", "sh", "-c", "read x; exit 7")
	cmd.Stderr = w
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	r.Close()
	if _, err := io.WriteString(in, "go\n"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 7 {
		t.Errorf("%v, want exit status 7", cmd.ProcessState)
	}
}

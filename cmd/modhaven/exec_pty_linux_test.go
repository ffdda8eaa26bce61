package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
	"golang.org/x/sys/unix"
)

// openPTY returns the two ends of a new terminal of 100 columns.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminal can be had: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	conn, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var failed error
	err = conn.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
		if failed == nil {
			failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100})
		}
	})
	if err != nil || failed != nil {
		t.Skipf("no terminal can be had: %v, %v", err, failed)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// onTerminal makes a terminal the streams and the controlling terminal of a command, in a
// session of its own, and returns the master's end. What is printed goes to a transcript.
func onTerminal(t *testing.T, cmd *exec.Cmd, tr *transcript) (master *os.File) {
	t.Helper()
	master, slave := openPTY(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	go io.Copy(tr, master) // ends when the terminal is closed
	return master
}

func startHearingOnTerminal(t *testing.T) (h *hearing, master *os.File) {
	t.Helper()
	h = startHearing(t, func(cmd *exec.Cmd) {
		master = onTerminal(t, cmd, cmd.Stdout.(*transcript))
	})
	h.await(t, "ready true true true")
	return h, master
}

// heardOnTerminal is end without what the terminal echoes of the keys.
func heardOnTerminal(t *testing.T, h *hearing) string {
	heard := h.end(t)
	return strings.NewReplacer("^C", "", `^\`, "").Replace(heard)
}

// A key reaches the command as without us: once. So does a signal that is sent to us alone,
// though we hold the terminal.
func TestExecOnTerminal(t *testing.T) {
	for name, test := range map[string]struct {
		send func(*hearing, *os.File) error
		want string
	}{
		"Ctrl-C":  {func(_ *hearing, tty *os.File) error { _, err := tty.Write([]byte{3}); return err }, "interrupt"},
		"Ctrl-\\": {func(_ *hearing, tty *os.File) error { _, err := tty.Write([]byte{28}); return err }, "quit"},
		"SIGINT":  {func(h *hearing, _ *os.File) error { return syscall.Kill(h.cmd.Process.Pid, syscall.SIGINT) }, "interrupt"},
	} {
		t.Run(name, func(t *testing.T) {
			h, tty := startHearingOnTerminal(t)
			if err := test.send(h, tty); err != nil {
				t.Fatal(err)
			}
			h.await(t, test.want)
			if got, want := heardOnTerminal(t, h), test.want+", terminated"; got != want {
				t.Errorf("the command heard %q, want %q", got, want)
			}
		})
	}
}

// A Ctrl-C that the command dies of is its end, and ours follows.
func TestExecInterrupted(t *testing.T) {
	tr := &transcript{more: make(chan struct{})}
	cmd := exec.Command("modhaven", "exec", "--state", t.TempDir(), "--upstreams", "off", "--", "sh", "-c", "echo ready; exec sleep 1000") // a shell may lose what comes while it forks
	tty := onTerminal(t, cmd, tr)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tr.await(t, "ready")
	if _, err := tty.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 130 {
		t.Errorf("%v, want exit status 130", cmd.ProcessState)
	}
	tr.await(t, "modhaven: nothing was asked of the proxy\r\n")
}

// A large download is shown while it lasts, and nothing is left of it.
func TestExecProgressOnTerminal(t *testing.T) {
	big := proxytest.BigModule("example.com/big", "v1.0.0", 6<<20, 1)
	u := proxytest.New(t, proxytest.NoFixtures(), proxytest.Modules(big))
	gate := u.Pause("*.zip", 5<<20)
	tr := &transcript{more: make(chan struct{})}
	cmd := exec.Command("modhaven", "exec", "--state", t.TempDir(), "--", "go", "mod", "download", "example.com/big@v1.0.0")
	cmd.Dir = proxytest.GoModule(t, "go.mod", "module example.test/main\n")
	cmd.Env = append(proxytest.GoEnv(t, u.URL, "off"), "TERM=xterm")
	onTerminal(t, cmd, tr)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-gate.Reached()
	tr.await(t, "example.com/big@v1.0.0.zip  83% [==")
	gate.Resume()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%q", err, tr)
	}
	tr.await(t, " from the store), ")
	_, end, _ := strings.Cut(tr.String(), "example.com/big@v1.0.0.zip")
	if i := strings.LastIndex(end, eraseLine); i < 0 || !strings.HasPrefix(end[i+len(eraseLine):], "modhaven: 1 module (0 from the store), ") {
		t.Errorf("the line was not taken away before the last one: %q", end)
	}
}

// A pipe gets no progress, nor does a terminal that knows no control sequences or is told to be quiet.
func TestExecNoProgress(t *testing.T) {
	big := proxytest.BigModule("example.com/big", "v1.0.0", 6<<20, 1)
	u := proxytest.New(t, proxytest.NoFixtures(), proxytest.Modules(big))
	u.Fail("*.zip", proxytest.Delay(shownAfter+2*redrawn)) // so long that there would be one
	for name, prepare := range map[string]func(*testing.T, *exec.Cmd, *transcript){
		"pipe": func(_ *testing.T, cmd *exec.Cmd, tr *transcript) { cmd.Stdout, cmd.Stderr = tr, tr },
		"dumb": func(t *testing.T, cmd *exec.Cmd, tr *transcript) {
			onTerminal(t, cmd, tr)
			cmd.Env = append(cmd.Env, "TERM=dumb")
		},
		"quiet": func(t *testing.T, cmd *exec.Cmd, tr *transcript) {
			onTerminal(t, cmd, tr)
			cmd.Env = append(cmd.Env, "TERM=xterm")
			cmd.Args[2] = "-q"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := &transcript{more: make(chan struct{})}
			cmd := exec.Command("modhaven", "exec", "--", "--state", t.TempDir(), "--", "sh", "-c", "go mod download example.com/big@v1.0.0 && echo done")
			cmd.Args[2] = "--fresh=1m"
			cmd.Dir = proxytest.GoModule(t, "go.mod", "module example.test/main\n")
			cmd.Env = proxytest.GoEnv(t, u.URL, "off")
			prepare(t, cmd, tr)
			if err := cmd.Run(); err != nil {
				t.Errorf("%v\n%q", err, tr)
			}
			tr.await(t, "done")
			if strings.Contains(tr.String(), "\x1b") || strings.Contains(tr.String(), "%") {
				t.Errorf("there was progress: %q", tr)
			}
		})
	}
}

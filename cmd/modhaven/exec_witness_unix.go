//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// hearsay is how long after a signal the witness's death is waited for. Both were sent by
// one call of kill(2), so that it is all but certain within this time. It is also how late
// the command hears of what was sent to us alone.
const hearsay = 200 * time.Millisecond

// A witness is a process in our process group that does nothing and dies of every signal.
// A signal does not say to whom else it was sent; what also killed the witness was sent to
// the group: by a terminal's Ctrl-C, by timeout(1), by a CI job that is cancelled. Passing
// such a signal on would give the command two, and many take the second for "at once".
//
// It is a shell that reads from us, so it ends with us however we end. Nil where none could be started.
type witness struct {
	cmd  *exec.Cmd
	hold *os.File            // its standard input never has anything
	died chan syscall.Signal // closed when it has ended
	of   syscall.Signal      // what it died of, once diedOf knows
}

func newWitness() *witness {
	r, hold, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer r.Close()
	w := &witness{hold: hold, died: make(chan syscall.Signal, 1)}
	w.cmd = &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", "read x"}, Env: []string{}, Stdin: r}
	if err := w.cmd.Start(); err != nil {
		hold.Close()
		return nil
	}
	go w.wait()
	return w
}

func (w *witness) wait() {
	defer close(w.died)
	defer w.hold.Close()
	_ = w.cmd.Wait() // how it ended is in ProcessState
	if s, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		w.died <- s.Signal()
	}
}

// diedOf reports whether the witness died of sig; known is false where it cannot tell. Two
// signals may be asked for in another order than the witness got them.
func (w *witness) diedOf(sig syscall.Signal) (died, known bool) {
	if w == nil {
		return false, false
	}
	late := time.NewTimer(hearsay)
	defer late.Stop()
	select {
	case of, first := <-w.died:
		if first {
			w.of = of
		}
		return w.of == sig, w.of == sig
	case <-late.C:
		return false, true
	}
}

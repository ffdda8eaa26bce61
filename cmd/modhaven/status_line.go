package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A statusLine shows on a terminal how far a command is. The cursor stays at its begin, where what comes next covers it: what the
// command writes meanwhile goes through over. Its methods may be called at once.
type statusLine struct {
	out io.Writer
	tty *terminal // nil: nothing is shown

	mu    sync.Mutex // guards the rest
	next  time.Time
	shown bool
}

// statusLine returns a line on standard error, where that is a terminal.
func (p *process) statusLine() *statusLine {
	l := &statusLine{out: p.err, next: time.Now().Add(shownAfter)}
	if f, ok := p.err.(*os.File); ok && isTerminal(f, p.environ) {
		l.tty = &terminal{f}
	}
	return l
}

// show brings the line up to date, unless it just was.
func (l *statusLine) show(text func() string) {
	if l.tty == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.next) || !l.tty.ours() {
		return
	}
	l.next, l.shown = now.Add(redrawn), true
	fmt.Fprint(l.out, eraseLine, text(), "\r")
}

// erase takes the line away.
func (l *statusLine) erase() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.eraseLocked()
}

func (l *statusLine) eraseLocked() {
	if l.shown && l.tty.ours() {
		fmt.Fprint(l.out, eraseLine)
	}
	l.shown = false
}

// over returns w for one write at a time, before each of which the line is taken away.
func (l *statusLine) over(w io.Writer) io.Writer { return &overLine{l, w} }

type overLine struct {
	line *statusLine
	w    io.Writer
}

func (o *overLine) Write(b []byte) (int, error) {
	o.line.mu.Lock()
	defer o.line.mu.Unlock()
	o.line.eraseLocked()
	return o.w.Write(b)
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// The roles are servers and clients of the benchmarks that need a process of their own.
// This program starts itself again as "bench role:NAME SETTINGS" with its settings as
// JSON. A role writes one line of JSON when it is ready and ends when its stdin does.
const rolePrefix = "role:"

// hello is the first line that a role writes.
type hello struct {
	Addr    string // where it serves
	Control string // where it tells what it saw; "" when nowhere
}

// runRole is the other side of startRole.
func runRole(ctx context.Context, name string, args []string, stdout, stderr io.Writer) int {
	roles := map[string]func(context.Context, []byte, io.Writer) error{
		"role:upstream": runUpstream,
		"role:bare":     runBare,
		"role:faulty":   runFaulty,
		"role:flood":    runFlood,
		"role:pass":     runPass,
	}
	role, ok := roles[name]
	if !ok || len(args) != 1 {
		fmt.Fprintf(stderr, "bench: %s: no such role\n", name)
		return 2
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := role(ctx, []byte(args[0]), stdout); err != nil {
		fmt.Fprintf(stderr, "bench: %s: %v\n", name, err)
		return 1
	}
	return 0
}

// startRole starts a role and returns what it said first. lines is the rest of its stdout. before are words
// that stand before the command: "nice".
func (l *lab) startRole(name string, settings any, before ...string) (s *server, h hello, lines *bufio.Reader, err error) {
	args, err := json.Marshal(settings)
	if err != nil {
		return nil, h, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, h, nil, err
	}
	p, err := l.spawn(name, w, append(before, l.self, rolePrefix+name, string(args))...)
	w.Close()
	if err != nil {
		r.Close()
		return nil, h, nil, err
	}
	_ = r.SetReadDeadline(time.Now().Add(10 * time.Second))
	lines = bufio.NewReader(r)
	line, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &h)
	}
	if err != nil {
		p.stop()
		return nil, h, nil, p.failure("did not start")
	}
	_ = r.SetReadDeadline(time.Time{})
	return &server{p, h.Addr}, h, lines, nil
}

// sayHello tells the parent that the role is ready.
func sayHello(w io.Writer, serve, control net.Listener) error {
	var h hello
	if serve != nil {
		h.Addr = serve.Addr().String()
	}
	if control != nil {
		h.Control = control.Addr().String()
	}
	return json.NewEncoder(w).Encode(h)
}

// Tests runs go test and says how it ended in few words:
//
//	go run -C tools ./tests -C .. -race ./...
//
// It prints what go test prints for a package that passed or failed, the whole output of each
// failed test and of it alone, why tests were skipped, and at last "N passed, N failed, N skipped",
// which counts tests and subtests. The flag -C DIR, where it comes first, is the directory
// to run in. The exit status is that of go test.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	dir := ""
	if len(args) > 1 && args[0] == "-C" {
		dir, args = args[1], args[2:]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its tests
	cmd.Dir = dir
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0"}, os.Environ()...) // processes of tests would wait a second before they exit
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(stderr, "tests:", err)
		return 2
	}
	s := summary{out: stdout, kept: map[place][]string{}, failedIn: map[string]bool{}}
	s.read(out)
	if err = cmd.Wait(); err != nil && s.failed+s.broken == 0 {
		s.broken++ // it was killed, or could not begin
	}
	s.close()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(stderr, "tests: go test:", err)
		return 2
	}
	return 0
}

// An event is one of go doc test2json; the output of a build names ImportPath in place of Package.
type event struct {
	Action, Package, Test, Output, ImportPath string
}

type place struct{ pkg, test string }

// A summary is made of events.
type summary struct {
	out                     io.Writer
	kept                    map[place][]string // output of what runs
	failedIn                map[string]bool    // packages with a failed test
	skips                   []string
	passed, failed, skipped int
	broken                  int // packages, or whole runs, that failed outside of their tests
}

// read takes all events. What is no event is printed as it is.
func (s *summary) read(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		var e event
		if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
			s.add(e)
		} else {
			fmt.Fprint(s.out, line)
		}
		if err != nil {
			return
		}
	}
}

func (s *summary) add(e event) {
	at := place{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		s.kept[at] = append(s.kept[at], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e)
		} else {
			s.endTest(e)
		}
		delete(s.kept, at)
	}
}

func (s *summary) endTest(e event) {
	kept := s.kept[place{e.Package, e.Test}]
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed++
		s.failedIn[e.Package] = true
		fmt.Fprint(s.out, strings.Join(kept, ""))
	case "skip":
		s.skipped++
		s.skips = append(s.skips, fmt.Sprintf("skipped: %s %s: %s", e.Package, e.Test, reason(kept)))
	}
}

// reason is the line that t.Skip logged.
func reason(output []string) string {
	for _, line := range output {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return line
		}
	}
	return "no reason given"
}

func (s *summary) endPackage(e event) {
	if e.Action == "fail" && !s.failedIn[e.Package] {
		s.broken++
	}
	for _, line := range s.kept[place{e.Package, ""}] {
		if e.Action == "fail" && line != "FAIL\n" || strings.HasPrefix(line, "ok  \t") {
			fmt.Fprint(s.out, line)
		}
	}
}

// close prints the end. A package that cannot be built, or that ends outside of a test, counts as one failed test.
func (s *summary) close() {
	for _, line := range s.skips {
		fmt.Fprintln(s.out, line)
	}
	fmt.Fprintf(s.out, "%d passed, %d failed, %d skipped\n", s.passed, s.failed+s.broken, s.skipped)
}

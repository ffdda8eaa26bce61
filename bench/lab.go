package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// A lab is what the benchmarks of one run share: directories, binaries, and ways to
// start the servers. It is used by one goroutine, but for starting processes and clients.
type lab struct {
	self     string // this program, started again for each role
	modhaven string // the binary under test
	dir      string // logs and small things of this run; removed by close
	state    string // Modhaven's state directories are made here
	fast     string // client caches: tmpfs where there is one
	fixtures string // kept between runs
	opt      options
	log      io.Writer
	spawned  atomic.Int64
	command  string
	remarks  []string // of the benchmark that runs now

	began     time.Time // the benchmark that runs now; see turns
	clock     cpuClock
	watched   bool // turns were taken
	disturbed float64
	repeated  int
}

// fixtureVersion names the kept fixtures; a change of what they hold changes it.
const fixtureVersion = "v1"

func newLab(ctx context.Context, o options, log io.Writer) (*lab, error) {
	l := &lab{opt: o, log: log, command: "go run ./bench"}
	if len(os.Args) > 1 {
		l.command += " " + strings.Join(os.Args[1:], " ")
	}
	var err error
	if l.self, err = os.Executable(); err != nil {
		return nil, err
	}
	base := filepath.Join(os.TempDir(), "modhaven-bench")
	l.fixtures = filepath.Join(base, "fixtures-"+fixtureVersion)
	if err := os.MkdirAll(l.fixtures, 0o755); err != nil {
		return nil, err
	}
	if l.dir, err = os.MkdirTemp(base, "run-"); err != nil {
		return nil, err
	}
	if err := l.makeRoom(); err != nil {
		l.close()
		return nil, err
	}
	if err := l.findModhaven(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// makeRoom makes the directories that are measured: the state's and the clients'.
func (l *lab) makeRoom() error {
	state := l.opt.state
	if state == "" {
		state = l.dir
	}
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	var err error
	if l.state, err = os.MkdirTemp(state, "state-"); err != nil {
		return err
	}
	fast := "/dev/shm"
	if _, err := os.Stat(fast); err != nil {
		fast = l.dir
	}
	l.fast, err = os.MkdirTemp(fast, "modhaven-bench-")
	return err
}

// close removes what newLab made, but for the fixtures.
func (l *lab) close() {
	for _, dir := range []string{l.state, l.fast, l.dir} {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
}

// findModhaven builds the binary as it is released, unless one was given.
func (l *lab) findModhaven(ctx context.Context) error {
	if l.opt.modhaven != "" {
		var err error
		l.modhaven, err = filepath.Abs(l.opt.modhaven)
		return err
	}
	l.modhaven = filepath.Join(l.dir, "modhaven")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags=grpcnotrace", "-ldflags=-s -w", "-o", l.modhaven, "./cmd/modhaven")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/modhaven: %w; run this in the repository's root:\n%s", err, out)
	}
	return nil
}

func (l *lab) logf(format string, args ...any) { fmt.Fprintf(l.log, format+"\n", args...) }

// remark adds what is said below the table.
func (l *lab) remark(format string, args ...any) {
	l.remarks = append(l.remarks, fmt.Sprintf(format, args...))
}

// rounds is how often a benchmark repeats: as asked for, else normal, or quick with -quick.
func (l *lab) rounds(normal, quick int) int {
	switch {
	case l.opt.rounds > 0:
		return l.opt.rounds
	case l.opt.quick:
		return quick
	}
	return normal
}

// lasting is how long one measurement takes, in whole seconds; a third of it with -quick.
func (l *lab) lasting(d time.Duration) time.Duration {
	if l.opt.quick {
		return max(time.Second, (d / 3).Round(time.Second))
	}
	return d
}

// fixture returns a directory that make filled, in this run or in an earlier one.
func (l *lab) fixture(name string, make func(dir string) error) (string, error) {
	dir := filepath.Join(l.fixtures, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	l.logf("making the fixture %s", dir)
	tmp, err := os.MkdirTemp(l.fixtures, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	if err := make(tmp); err != nil {
		return "", fmt.Errorf("fixture %s: %w", name, err)
	}
	return dir, os.Rename(tmp, dir)
}

// emptyState returns a new directory for --state.
func (l *lab) emptyState() (string, error) { return os.MkdirTemp(l.state, "s") }

// machine describes what the figures depend on, one fact a line.
func (l *lab) machine(ctx context.Context) []string {
	facts := []string{
		"command: `" + l.command + "`",
		fmt.Sprintf("machine: %s, %d cores, %s/%s, Linux %s", cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH,
			firstLine("/proc/sys/kernel/osrelease")),
		"load average at the start: " + firstLine("/proc/loadavg"),
		"Go: " + runtime.Version(),
	}
	if out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output(); err == nil && l.opt.modhaven == "" {
		facts = append(facts, "commit: "+strings.TrimSpace(string(out)))
	}
	if l.opt.quick {
		facts = append(facts, "-quick: a first look, not a result")
	}
	if l.opt.scale != 1 {
		facts = append(facts, fmt.Sprintf("-scale %v: not the full number of runs", l.opt.scale))
	}
	return facts
}

func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown processor"
}

func firstLine(file string) string {
	b, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// freeAddr returns a loopback address that was free a moment ago.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

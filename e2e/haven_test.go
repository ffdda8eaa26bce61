package e2e_test

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// A haven is a running "modhaven serve".
type haven struct {
	t     *testing.T
	URL   string
	state string
	cmd   *exec.Cmd
	out   buffer
	done  chan struct{} // closed when the process has ended
	err   error         // of the process, once it has
}

// A buffer can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// nobody is where everything goes that a test did not mean to send: loopback is never asked through it.
const nobody = "http://127.0.0.1:1"

// brisk spares a program that is built with the race detector the second that it waits before it exits.
const brisk = "GORACE=atexit_sleep_ms=0"

// environ is the environment of a server: none of the user's settings, and no way out but loopback.
func environ(t *testing.T, more ...string) []string {
	home := t.TempDir()
	config := filepath.Join(home, "config")
	proxytest.NoTelemetry(t, config)
	env := []string{
		"HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "XDG_CONFIG_HOME=" + config,
		"GOENV=off", "GOROOT=" + home, "LC_ALL=C", "HTTP_PROXY=" + nobody, "HTTPS_PROXY=" + nobody, brisk, "MODHAVEN_PATIENCE=0s",
	}
	for _, key := range []string{"PATH", "TMPDIR", "SYSTEMROOT"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return append(env, more...)
}

// serve starts a server over a new state directory with those upstreams and no checksum database. Later arguments win.
func serve(t *testing.T, upstreams string, args ...string) *haven {
	t.Helper()
	return serveOver(t, filepath.Join(t.TempDir(), "state"), upstreams, args...)
}

func serveOver(t *testing.T, state, upstreams string, args ...string) *haven {
	t.Helper()
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--state", state, "--upstreams", upstreams, "--sumdb", "off"}, args...)
	return start(t, state, environ(t), args...)
}

// start runs the program until the test ends, and waits until it says where it listens.
func start(t *testing.T, state string, env []string, args ...string) *haven {
	t.Helper()
	hv := &haven{t: t, state: state, cmd: exec.Command(program, args...), done: make(chan struct{})}
	hv.cmd.Env, hv.cmd.Stderr = env, &hv.out
	stdout, err := hv.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hv.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hv.stop)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, stdout)
		hv.err = hv.cmd.Wait()
		close(hv.done)
	}()
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "export GOPROXY=")
	if !ok {
		<-hv.done
		t.Fatalf("modhaven %q printed %q (%v, %v)\n%s", args, line, err, hv.err, hv.out.String())
	}
	hv.URL = url
	proxytest.Register(url[strings.LastIndex(url, "/")+1:])
	return hv
}

// signal sends a signal to the process.
func (hv *haven) signal(s os.Signal) {
	hv.t.Helper()
	if err := hv.cmd.Process.Signal(s); err != nil {
		hv.t.Errorf("signal: %v", err)
	}
}

// stop ends the server as an administrator does, and wants it to end well: status 0, no race, no panic. It may be
// called twice.
func (hv *haven) stop() {
	hv.t.Helper()
	select {
	case <-hv.done:
	default:
		hv.signal(syscall.SIGTERM)
		hv.wait()
	}
	if hv.err != nil {
		hv.t.Errorf("modhaven ended with %v\n%s", hv.err, hv.out.String())
	}
	hv.err = nil
	if log := hv.out.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
		hv.t.Errorf("modhaven:\n%s", log)
	}
	if spools, err := os.ReadDir(filepath.Join(hv.state, "spool")); err == nil {
		for _, s := range spools {
			if strings.HasPrefix(s.Name(), hv.pid()+"-") {
				hv.t.Errorf("the spool %s was left", s.Name())
			}
		}
	}
}

func (hv *haven) pid() string { return strconv.Itoa(hv.cmd.Process.Pid) }

// wait waits for the end of the process.
func (hv *haven) wait() {
	hv.t.Helper()
	guard := time.NewTimer(time.Minute)
	defer guard.Stop()
	select {
	case <-hv.done:
	case <-guard.C:
		_ = hv.cmd.Process.Kill()
		<-hv.done
		hv.t.Errorf("modhaven did not end within a minute\n%s", hv.out.String())
	}
}

// fails runs the program, which must end by itself with that status, and returns what it wrote to standard error.
func fails(t *testing.T, status int, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env, cmd.WaitDelay = env, 10*time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the status says it
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("modhaven %q: status %d, want %d\n%s%s", args, got, status, out.String(), errs.String())
	}
	if out.Len() != 0 {
		t.Errorf("modhaven %q printed %q", args, out.String())
	}
	return errs.String()
}

// files are the names below a directory of the state.
func (hv *haven) files(dir string) []string {
	hv.t.Helper()
	var all []string
	root := filepath.Join(hv.state, dir)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, filepath.ToSlash(path[len(root)+1:]))
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		hv.t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// An answer is one that was read whole.
type answer struct {
	*http.Response
	body string
}

// get asks the server by hand; headers are given as key and value in turn.
func (hv *haven) get(path string, headers ...string) answer {
	hv.t.Helper()
	a, err := hv.try(http.MethodGet, path, headers...)
	if err != nil {
		hv.t.Fatalf("%s: %v", path, err)
	}
	return a
}

func (hv *haven) try(method, path string, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(hv.t.Context(), method, hv.URL+"/"+path, nil)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	tr := &http.Transport{DialContext: proxytest.Dialer{}.DialContext, DisableKeepAlives: true, DisableCompression: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp, string(b)}, err
}

// goOK is the go command in a new empty module, which must succeed; it returns what that printed.
func goOK(t *testing.T, env []string, args ...string) string {
	t.Helper()
	out, errs, err := goIn(t, env, args...)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	return out
}

func goIn(t *testing.T, env []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return proxytest.Go(t, proxytest.GoModule(t, "go.mod", "module example.test/main\n\ngo 1.21\n"), env, args...)
}

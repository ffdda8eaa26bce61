// Package gocmd fetches modules from version control: it has the go command do it, as GOPROXY=direct does, in a
// sandbox of its own, so that a module has the same versions and hashes as without a proxy.
//
// It does not decide which modules may be fetched, does not check them against a checksum database, and remembers
// answers only for as long as requests for them come together: lists are kept fresh by who asks. What it bounds is
// time, disk, output, the number of commands, and on Linux the memory of each process.
package gocmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/mod/module"
	"golang.org/x/sync/semaphore"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// From is what answers name as the upstream they came from.
const From = goproxy.Direct

// DefaultMemory is that of Options. A zip has 500 MiB at most, which the go command has in memory twice.
const DefaultMemory = 2 << 30

// Options are what a Fetcher is made of. Dir alone must be set.
type Options struct {
	// Go is the go command; default: "go" in PATH. It should be as new as the modules are: of a module whose go.mod names
	// a newer Go it gives no zip.
	Go string
	// Dir holds the kept clones and what the go command caches. It is made where it is missing, must not lie in a Go
	// module, and may be used by several processes: each takes a numbered directory in it.
	Dir string
	// Concurrent is how many go commands run at once; default 4. Others wait for their turn. Modules whose paths begin with the same two elements
	// get half of the turns at most.
	Concurrent int64
	// Time is the longest that a command may run; default 10 minutes. One that waits for a silent host is killed after a minute.
	Time time.Duration
	// Disk is how many bytes may be kept in a process's directory; default 10 GiB. Where there is more, what was not used for longest
	// and is not in use goes first. A command that needs more for itself is killed.
	Disk int64
	// Memory is how many bytes of it each process of a command may have, on Linux; default DefaultMemory.
	Memory int64
	// VCS says which version control tools may be used for which modules, as in GOVCS; default: git and hg, and for those of Inside all.
	VCS string
	// Insecure are patterns as in GOINSECURE of modules that may come over http or from hosts with unknown certificates; default none.
	Insecure string
	// Inside are patterns as in GOPRIVATE; the hosts they begin with may have loopback and private addresses. Other
	// hosts may not, so that no public module has this server ask hosts of the inside. Link-local addresses, where clouds
	// give out credentials, are never connected to. This does not hold where HTTPS_PROXY or HTTP_PROXY is set, but for SSH: that
	// proxy makes the connections then. SSH needs Helper for it, and a system other than Windows.
	Inside string
	// Env are further variables, NAME=value, for the go command and its tools: credentials (NETRC, GIT_CONFIG_GLOBAL, GIT_SSH_COMMAND,
	// GOAUTH), certificates. Of this process's own environment only PATH, the proxies and SSL_CERT_FILE and _DIR are handed on.
	Env []string
	// Credentials are those of hosts; nil for none but those that Env leads to. They need Helper.
	Credentials Credentials
	// Helper is the command line of a program that calls Ask, with what git, the go command and ssh add to it.
	Helper []string
	// SSHConfig is the configuration of ssh (ssh_config(5)), "" for one that trusts no host.
	SSHConfig string
	// Instead maps beginnings of addresses to those that git asks in their place (url.ADDRESS.insteadOf). Their hosts may have the addresses
	// that those of Inside may have.
	Instead map[string]string
	// Caller, where set, is the environment of a person for whom modules are fetched on his own machine, as his go command would: with
	// his HOME, configuration and credentials, from any host, over whatever he lets git use. There is no sandbox then: Env, Memory, VCS, Insecure and Inside are not used.
	Caller []string
	// Log hears of what is removed and of commands that were killed; default: nobody.
	Log *slog.Logger
}

// A Fetcher fetches from version control. Its answers are From; its methods may be called at once.
//
// A version stays as it was first seen for as long as it is kept: a tag that was moved later changes nothing until then.
type Fetcher struct {
	o       Options
	goTool  string // absolute
	dir     string // this process's own below Options.Dir
	scratch string // where commands have their directories; they are empty and gone afterwards
	lock    *flock.Flock
	env     []string // of every command, but for what is its own
	guarded bool     // connections go through a guard
	ca      *authority
	named   []string // hosts that the options name as addresses
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)

	patience time.Duration // with a silent host

	turns   *semaphore.Weighted
	shelves shelves
	files   flights[struct{}] // by module, version and whether a .mod is enough
	queries flights[[]byte]   // by module and query
	surveys flights[survey]   // by module

	life context.Context // ends with Close
	end  context.CancelFunc
	wg   sync.WaitGroup // commands and the sweep
}

var _ goproxy.Fetcher = (*Fetcher)(nil)

// remember is how long a list answers for "latest" of the same module too, and the other way round: a client asks for both.
const remember = time.Second

// New returns a Fetcher over o.Dir. The caller closes it. Version control tools are not looked for here: only what needs one fails without it.
func New(o Options) (*Fetcher, error) {
	if o.Dir == "" {
		return nil, fmt.Errorf("direct: no directory is configured for clones")
	}
	o = defaults(o)
	tool, err := findGo(o.Go)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", o.Dir, err)
	}
	scratch := ""
	if mod := moduleAbove(dir); mod != "" && o.Caller != nil {
		scratch = os.TempDir() // his store may well lie in his module
	}
	if mod := moduleAbove(cmp.Or(scratch, dir)); mod != "" {
		return nil, fmt.Errorf("%s: lies in the Go module of %s, whose go.mod would decide what is fetched; choose a directory outside of it", dir, mod)
	}
	f := &Fetcher{o: o, goTool: tool, turns: semaphore.NewWeighted(o.Concurrent), patience: patience}
	f.shelves.turns = (o.Concurrent + 1) / 2
	f.surveys.keep = remember
	if err := f.take(dir); err != nil {
		return nil, err
	}
	f.named = hostsOf(o.Instead)
	f.life, f.end = context.WithCancel(context.Background())
	f.dial = f.dialChecked
	f.scratch = cmp.Or(scratch, filepath.Join(f.dir, "run"))
	if o.Caller != nil {
		f.env = callerEnvironment(o.Caller)
	} else {
		f.env, f.guarded = environment(o, f.dir)
	}
	err = f.prepare()
	if err == nil && o.Caller == nil {
		f.ca, err = newAuthority(filepath.Join(f.dir, "trust"))
	}
	if err == nil && o.Caller == nil {
		err = writeSSHConfig(f.dir, sshSettings(o))
	}
	if err != nil {
		f.end()
		f.lock.Close()
		return nil, err
	}
	return f, nil
}

func defaults(o Options) Options {
	if o.Go == "" {
		o.Go = "go"
	}
	if o.Concurrent <= 0 {
		o.Concurrent = 4
	}
	if o.Time <= 0 {
		o.Time = 10 * time.Minute
	}
	if o.Disk <= 0 {
		o.Disk = 10 << 30
	}
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	if o.VCS == "" {
		o.VCS = anyForInside(o.Inside)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// anyForInside is what the go command does where nothing is said, but with patterns in place of the words private and public: GOPRIVATE is empty.
func anyForInside(inside string) string {
	var all, seen []string
	for p := range strings.SplitSeq(inside, ",") {
		p = strings.TrimSpace(p)
		if p != "" && !slices.Contains(seen, p) { // a pattern may be there once
			all, seen = append(all, p+":all"), append(seen, p)
		}
	}
	if !slices.Contains(seen, "*") {
		all = append(all, "*:git|hg")
	}
	return strings.Join(all, ",")
}

func findGo(name string) (string, error) {
	tool, err := exec.LookPath(name)
	if err == nil {
		tool, err = filepath.Abs(tool)
	}
	if err != nil {
		return "", fmt.Errorf("direct: the go command is missing (%v); install Go from https://go.dev/dl/, or say where it is", err)
	}
	return tool, nil
}

// moduleAbove returns the directory with a go.mod that dir lies in, "" where there is none.
func moduleAbove(dir string) string {
	for {
		if info, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && !info.IsDir() {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// maxProcesses is how many processes may share Options.Dir.
const maxProcesses = 64

// take makes the first numbered directory that no other process holds this process's own, with the clones that are in it.
func (f *Fetcher) take(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("direct: %v", err)
	}
	for n := range maxProcesses {
		own := filepath.Join(dir, fmt.Sprint(n))
		lock := flock.New(own + ".lock")
		ok, err := lock.TryLock()
		if err != nil {
			return fmt.Errorf("%s.lock: %v", own, err)
		}
		if ok {
			f.dir, f.lock = own, lock
			return nil
		}
	}
	return fmt.Errorf("%s: %d processes use it already; choose another directory", dir, maxProcesses)
}

// prepare makes the directories, removes what a dead process left, and learns which clones are kept.
func (f *Fetcher) prepare() error {
	for _, left := range []string{"run", "trash"} {
		if err := removeAll(filepath.Join(f.dir, left)); err != nil {
			return fmt.Errorf("direct: %v", err)
		}
	}
	for _, d := range []string{"run", "trash", "home", "kept"} {
		if err := os.MkdirAll(filepath.Join(f.dir, d), 0o700); err != nil {
			return fmt.Errorf("direct: %v", err)
		}
	}
	if f.o.Caller == nil {
		home := filepath.Join(f.dir, "home")
		if err := errors.Join(linkNetrc(home, f.env), noTelemetry(home)); err != nil {
			return fmt.Errorf("direct: %v", err)
		}
	}
	return f.shelves.open(filepath.Join(f.dir, "kept"))
}

// noTelemetry keeps the go command from counting, and from starting a process of its own for that, which would outlive it:
// https://go.dev/doc/telemetry. Its mode is a file in the user's configuration directory.
func noTelemetry(home string) error {
	for _, config := range []string{".config", filepath.Join("Library", "Application Support")} {
		dir := filepath.Join(home, config, "go", "telemetry")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "mode"), []byte("off"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Close kills the commands that run and waits for their end. Calls that wait get an error; clones stay for the next process.
func (f *Fetcher) Close() error {
	f.shelves.mu.Lock() // so that no sweep starts any more
	f.end()
	f.shelves.mu.Unlock()
	f.files.close()
	f.queries.close()
	f.surveys.close()
	f.wg.Wait()
	return f.lock.Close()
}

// checkPath refuses what can be no module to fetch, before it is on any command line.
func checkPath(path string) error {
	if err := module.CheckPath(path); err != nil {
		return goproxy.Absent("not found: %v", err)
	}
	host, _, _ := strings.Cut(path, "/")
	if net.ParseIP(host) != nil {
		return refused(path, "an address is no host name; modules are fetched from named hosts only")
	}
	return nil
}

func checkFile(file goproxy.File) error {
	if err := checkPath(file.Path); err != nil {
		return err
	}
	if !goproxy.Fits(file.Path, file.Version.Version) {
		return goproxy.Absent("not found: %s: the version is not canonical or does not fit the path", file)
	}
	return nil
}

// checkQuery refuses what cannot be a revision. Unlike in a proxy's address a branch may have slashes.
func checkQuery(path, query string) error {
	if err := checkPath(path); err != nil {
		return err
	}
	switch query {
	case "upgrade", "patch", "none":
		return goproxy.Absent("not found: %s@%s: the go command answers this query itself, from the list", path, query)
	}
	for elem := range strings.SplitSeq(query, "/") {
		if _, err := module.EscapeVersion(elem); err != nil || strings.HasPrefix(elem, "-") {
			return goproxy.Absent("not found: %s: %.100q cannot be a version, a branch or a commit", path, query)
		}
	}
	return nil
}

func refused(thing, format string, args ...any) *goproxy.Refused {
	return &goproxy.Refused{Status: http.StatusForbidden, Reason: thing + ": " + fmt.Sprintf(format, args...), From: From}
}

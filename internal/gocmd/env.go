package gocmd

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// handedOn are the variables of this process that reach the commands.
var handedOn = []string{
	"PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"SYSTEMROOT", "PATHEXT", "COMSPEC", // nothing starts on Windows without them
}

// callerEnvironment is that of a person, with what has his go command fetch into another module cache. GOPRIVATE stays: GOVCS depends on it.
func callerEnvironment(caller []string) []string {
	env := append(caller[:len(caller):len(caller)],
		"LC_ALL=C", // what tools print is read
		"GOWORK=off", "GO111MODULE=on", "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GOPROXY=direct", "GOSUMDB=off",
	)
	return withGitConfig(env, gitConfig[:2])
}

var proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}

// gitConfig is added to the configuration of git.
var gitConfig = [][2]string{
	{"gc.autoDetach", "false"}, // else it leaves the process group and outlives the command
	{"maintenance.autoDetach", "false"},
	{"http.version", "HTTP/1.1"},     // a guard tells from it who waits for whom
	{"http.lowSpeedLimit", "1"},      // bytes a second, for
	{"http.lowSpeedTime", "60"},      // so many seconds: a silent server
	{"fetch.unpackLimit", "1"},       // a fetch that is cut off leaves nothing, not half of a commit
	{"core.bigFileThreshold", "64m"}, // larger files go through memory piece by piece
	{"pack.windowMemory", "64m"},
	{"pack.threads", "2"}, // each has memory of its own
}

// environment returns what all commands have in common, and whether their connections go through a guard: they do where no proxy is configured.
// Of two values of a variable the last counts.
func environment(o Options, dir string) (env []string, guarded bool) {
	for _, key := range handedOn {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	home := filepath.Join(dir, "home")
	protocols := "https:ssh"
	if o.Insecure != "" {
		protocols += ":http"
	}
	env = append(env,
		"LC_ALL=C", "USER=modhaven", "HOME="+home, // fossil must know who it is
		"USERPROFILE="+home, "XDG_CONFIG_HOME="+filepath.Join(home, ".config"),
		"GODEBUG=http2client=0",                           // as http.version of gitConfig
		"GOMEMLIMIT="+strconv.FormatInt(o.Memory/4*3, 10), // it collects garbage rather than reach the limit
		"GOAUTH=off", "GIT_TERMINAL_PROMPT=0", "GCM_INTERACTIVE=never", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_ALLOW_PROTOCOL="+protocols, "GIT_LFS_SKIP_SMUDGE=1",
		"GIT_SSH_COMMAND="+sshCommand(dir), "SVN_SSH="+sshCommand(dir), "HGRCPATH="+filepath.Join(home, "hgrc"),
	)
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		env = append(env, "GIT_SSL_CAINFO="+file)
	}
	if dir := os.Getenv("SSL_CERT_DIR"); dir != "" {
		env = append(env, "GIT_SSL_CAPATH="+dir)
	}
	var through []string
	for _, key := range proxies {
		if v := os.Getenv(key); v != "" {
			through = append(through, key+"="+v)
		}
	}
	env = append(env, through...)
	if value(o.Env, "NETRC") != "" {
		env = append(env, "GOAUTH=netrc")
	}
	env = withGitConfig(append(env, o.Env...), gitConfig)
	for _, from := range slices.Sorted(maps.Keys(o.Instead)) {
		env = withGitConfig(env, [][2]string{{"url." + o.Instead[from] + ".insteadOf", from}})
	}
	guarded = !slices.ContainsFunc(proxies, func(key string) bool { return !strings.EqualFold(key, "NO_PROXY") && value(env, key) != "" })
	return append(env,
		"GOENV=off", "GOWORK=off", "GO111MODULE=on", "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "CGO_ENABLED=0",
		"GOPATH="+filepath.Join(home, "go"), "GOCACHE="+filepath.Join(home, "gocache"), "GOTELEMETRY=off",
		"GOPROXY=direct", "GONOPROXY=", "GOPRIVATE=", "GOSUMDB=off", "GONOSUMDB=*", "GOVCS="+o.VCS, "GOINSECURE="+o.Insecure,
	), guarded
}

// withGitConfig appends settings to what is configured in env that way already.
func withGitConfig(env []string, settings [][2]string) []string {
	n, err := strconv.Atoi(value(env, "GIT_CONFIG_COUNT"))
	if err != nil {
		n = 0
	}
	for _, kv := range settings {
		i := strconv.Itoa(n)
		env = append(env, "GIT_CONFIG_KEY_"+i+"="+kv[0], "GIT_CONFIG_VALUE_"+i+"="+kv[1])
		n++
	}
	return append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(n))
}

// value returns the last value of a variable.
func value(env []string, key string) (v string) {
	for _, kv := range env {
		if k, val, _ := strings.Cut(kv, "="); k == key {
			v = val
		}
	}
	return v
}

// linkNetrc puts the file that NETRC names into home: git looks for it there alone. It is a link, so that what changes in the file counts.
func linkNetrc(home string, env []string) error {
	name := filepath.Join(home, ".netrc")
	if runtime.GOOS == "windows" {
		name = filepath.Join(home, "_netrc")
	}
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	netrc := value(env, "NETRC")
	if netrc == "" {
		return nil
	}
	netrc, err := filepath.Abs(netrc)
	if err != nil {
		return err
	}
	return os.Symlink(netrc, name)
}

// sshConfig is the name of the file with sshSettings.
func sshConfig(dir string) string { return filepath.Join(dir, "home", "ssh_config") }

// sshCommand is how tools run ssh. The user's own keys and configuration are not the server's: ssh finds them without HOME.
func sshCommand(dir string) string { return "ssh -F " + quotedWords([]string{sshConfig(dir)}) }

// noHost is the configuration of ssh where there is none: no host is trusted.
const noHost = "BatchMode yes\nStrictHostKeyChecking yes\nUserKnownHostsFile none\nIdentityFile none\nControlMaster no\nServerAliveInterval 20\nServerAliveCountMax 3\n"

// sshSettings is the configuration of ssh, whose connections go through the guard where there is a helper. The first value of a word counts.
// A shell gets the command: what can be no host, and would end the quotes around it, must not be in that.
func sshSettings(o Options) string {
	settings := cmp.Or(o.SSHConfig, noHost)
	if len(o.Helper) == 0 || runtime.GOOS == "windows" { // where the shell has other quotes
		return settings
	}
	return "Host \"*'*\"\n\tProxyCommand false\nHost *\n\tProxyCommand " + strings.ReplaceAll(quotedWords(o.Helper), "%", "%%") + " ssh '%h' '%p'\n" + settings
}

// writeSSHConfig writes what ssh, and hg so that it runs ssh that way, are to know.
func writeSSHConfig(dir, settings string) error {
	return errors.Join(
		os.WriteFile(sshConfig(dir), []byte(settings), 0o600),
		os.WriteFile(filepath.Join(dir, "home", "hgrc"), []byte("[ui]\nssh = "+sshCommand(dir)+"\n"), 0o600))
}

// ownHome makes the HOME of one command, whose variables are env: that of all, with a file for svn, which looks for a proxy nowhere else.
func (f *Fetcher) ownHome(scratch string, env []string) (string, error) {
	home, common := filepath.Join(scratch, "home"), filepath.Join(f.dir, "home")
	if err := os.MkdirAll(filepath.Join(home, ".subversion"), 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(common)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Name() == ".subversion" {
			continue
		}
		if err := os.Symlink(filepath.Join(common, e.Name()), filepath.Join(home, e.Name())); err != nil {
			return "", err
		}
	}
	return home, os.WriteFile(filepath.Join(home, ".subversion", "servers"), []byte(svnServers(env)), 0o600)
}

// svnServers is svn's file for what HTTPS_PROXY and NO_PROXY are to others.
func svnServers(env []string) string {
	u, err := url.Parse(cmp.Or(value(env, "https_proxy"), value(env, "HTTPS_PROXY")))
	if err != nil || u.Host == "" {
		return ""
	}
	settings := []string{"[global]", "http-proxy-host = " + u.Hostname(), "http-proxy-port = " + cmp.Or(u.Port(), "80")}
	if u.User != nil {
		password, _ := u.User.Password()
		settings = append(settings, "http-proxy-username = "+u.User.Username(), "http-proxy-password = "+password)
	}
	var without []string
	for host := range strings.SplitSeq(cmp.Or(value(env, "no_proxy"), value(env, "NO_PROXY")), ",") {
		if host = strings.TrimPrefix(strings.TrimSpace(host), "."); host != "" {
			without = append(without, host, "*."+host)
		}
	}
	if len(without) > 0 {
		settings = append(settings, "http-proxy-exceptions = "+strings.Join(without, ", "))
	}
	return strings.Join(settings, "\n") + "\n"
}

package credential

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Host is what is set for one host. Names of files are as they were given.
type Host struct {
	Name string // HOST, or HOST:PORT where the port is not that of https; lower case
	User string // beside a token

	// At most one of them is set.
	File    string // with the token
	Env     string // the variable with the token
	Command string // prints the token
	Helper  string // a git credential helper, as git's credential.helper without a shell
	App     string // the identity of a GitHub App

	Every        time.Duration // how long what Command or Helper has printed is remembered
	Installation string        // of the App
	AppKey       string        // the file with the App's private key
	API          string        // where GitHub's API is; "" for what follows from Name

	SSHKey     string // the file with the private key
	KnownHosts string // the file with the host's keys
	SSHAddress string // ssh://USER@HOST[:PORT], without a path; "" for git at Name
}

const (
	defaultUser  = "x-access-token" // GitHub wants it beside an App's token; others take any
	defaultEvery = 5 * time.Minute
)

// names are the options of a host, in the order of the manual.
const names = "user, token-file, token-env, token-command, helper, every, github-app, installation, app-key, api, ssh-key, known-hosts, ssh-address"

// Parse reads the setting direct_credentials, cut into lines and words: a host, and options NAME=VALUE. Everything that is
// wrong is in the error, with its host; values are not, since they may be secrets in the wrong place.
func Parse(lines [][]string) ([]Host, error) {
	var all []Host
	var errs []error
	seen := map[string]bool{}
	for _, words := range lines {
		h, err := parseHost(words[0], words[1:])
		if err == nil && seen[h.Name] {
			err = errors.New("it stands twice; write all of its options in one line")
		}
		if err != nil {
			// Before an @ a password may stand.
			errs = append(errs, fmt.Errorf("%.80q: %w", words[0][strings.LastIndexByte(words[0], '@')+1:], err))
		}
		seen[h.Name] = true
		all = append(all, h)
	}
	return all, errors.Join(errs...)
}

func parseHost(name string, options []string) (Host, error) {
	h := Host{Name: canonical(name), User: defaultUser, Every: defaultEvery}
	if u, err := url.Parse("https://" + name); err != nil || u.Host != name || u.Hostname() == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, "*?[]\"'\\ ") {
		return h, errors.New("it is no host, such as git.corp.example or git.corp.example:8443, without https:// and without a path")
	}
	given := map[string]bool{}
	for _, word := range options {
		option, value, _ := strings.Cut(word, "=")
		switch {
		case given[option]:
			return h, fmt.Errorf("the option %s stands twice", option)
		case value == "":
			return h, errors.New("an option is not NAME=VALUE, such as token-file=/run/secrets/git; the options are " + names)
		}
		given[option] = true
		if err := h.set(option, value); err != nil {
			return h, err
		}
	}
	return h, h.check(given)
}

func (h *Host) set(option, value string) error {
	fields := map[string]*string{
		"user": &h.User, "token-file": &h.File, "token-env": &h.Env, "token-command": &h.Command, "helper": &h.Helper, "github-app": &h.App,
		"installation": &h.Installation, "app-key": &h.AppKey, "api": &h.API, "ssh-key": &h.SSHKey, "known-hosts": &h.KnownHosts, "ssh-address": &h.SSHAddress,
	}
	switch field, ok := fields[option]; {
	case ok:
		*field = value
	case option == "every":
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return errors.New("every is no duration; write a number and a unit (s, m, h), such as 10m")
		}
		h.Every = d
	default:
		return fmt.Errorf("%.40q is no option; the options are %s", option, names)
	}
	return nil
}

// check says whether the options go together.
func (h *Host) check(given map[string]bool) error {
	sources := 0
	for _, s := range []string{"token-file", "token-env", "token-command", "helper", "github-app"} {
		if given[s] {
			sources++
		}
	}
	switch {
	case sources > 1:
		return errors.New("more than one option says where its token is; one of token-file, token-env, token-command, helper and github-app can stand")
	case sources == 0 && h.SSHKey == "":
		return errors.New("no option says where its credential is; write token-file, token-env, token-command, helper, github-app or ssh-key")
	case given["user"] && (h.File == "" && h.Env == "" && h.Command == ""):
		return errors.New("user belongs to a token; set token-file, token-env or token-command too")
	case strings.ContainsAny(h.User, ":\x00\n"):
		return errors.New("user has a colon, which HTTP cannot carry")
	case given["every"] && h.Command == "" && h.Helper == "":
		return errors.New("every belongs to token-command or helper, which stand not there")
	case (h.App != "") != (h.Installation != "") || (h.App != "") != (h.AppKey != ""):
		return errors.New("a GitHub App needs all of github-app, installation and app-key")
	case h.API != "" && (h.App == "" || !isHTTPS(h.API)):
		return errors.New("api is the address of a GitHub App's API, such as https://github.corp.example/api/v3")
	case strings.Trim(h.Installation, "0123456789") != "":
		return errors.New("installation is a number, which stands at the end of the address of its settings")
	case (h.SSHKey != "") != (h.KnownHosts != ""):
		return errors.New("ssh-key and known-hosts belong together: a key is shown to no host that is not known")
	case h.SSHAddress != "" && h.SSHKey == "":
		return errors.New("ssh-address belongs to ssh-key, which stands not there")
	}
	if h.SSHKey == "" {
		return nil
	}
	return h.checkSSH()
}

func isHTTPS(addr string) bool {
	u, err := url.Parse(addr)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// checkSSH completes the address. What is in it stands in a configuration of ssh.
func (h *Host) checkSSH() error {
	if h.SSHAddress == "" {
		host, _, _ := strings.Cut(h.Name, ":")
		h.SSHAddress = "ssh://git@" + host
	}
	u, err := url.Parse(h.SSHAddress)
	plain := func(s string) bool {
		return s != "" && s[0] != '-' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
	}
	if err != nil || u.Scheme != "ssh" || !plain(u.User.Username()) || !plain(u.Hostname()) || u.Path != "" || h.SSHAddress != "ssh://"+u.User.Username()+"@"+u.Host {
		return errors.New("ssh-address is not ssh://USER@HOST or ssh://USER@HOST:PORT, without a password and a path")
	}
	for _, name := range []string{h.SSHKey, h.KnownHosts} {
		if strings.ContainsAny(filepath.ToSlash(name), "\"\\\n") || strings.Contains(name, "${") {
			return errors.New("the name of a file has a character that ssh cannot be told: one of \" \\ ${")
		}
	}
	return nil
}

// Files returns the names of the files whose content is secret.
func (h *Host) Files() []string {
	var files []string
	for _, name := range []string{h.File, h.AppKey, h.SSHKey} {
		if name != "" {
			files = append(files, name)
		}
	}
	return files
}

// checkFiles has a mistake in a name be seen at the start.
func (h *Host) checkFiles() error {
	var errs []error
	for _, name := range append(h.Files(), h.KnownHosts) {
		if name == "" {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", h.Name, err))
			continue
		}
		_ = f.Close()
	}
	if h.AppKey != "" && errs == nil {
		_, err := readKey(h.AppKey)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

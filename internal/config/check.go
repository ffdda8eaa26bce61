package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// problem is an *Error about a key, at the place its value came from.
func (c *Config) problem(key, format string, args ...any) error {
	return &Error{key, c.origin[key], message(format, args...)}
}

// Check says whether the settings go together and a server can be started with them. The
// error joins one *Error for each thing that is wrong. It opens nothing: whether files
// exist and addresses answer is seen at the start.
func (c *Config) Check() error {
	return errors.Join(c.checkListen(), c.checkAuth(), c.checkTLS(), c.checkUpstreams(), c.checkRoutes(), c.checkPrivate(), c.checkOwnDomains(), c.checkDirect(), c.checkOptions(),
		c.checkSumDB(), c.checkBypass(), c.checkState(), c.checkDNS(), c.checkOTLP())
}

func (c *Config) checkListen() error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return c.problem("listen", "%q is not HOST:PORT, such as 127.0.0.1:3000 or [::1]:3000", c.Listen)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return c.problem("listen", "%q has no port from 0 to 65535, as in 127.0.0.1:3000", c.Listen)
	}
	if !isHost(host) {
		return c.problem("listen", "%q has no address or name of this machine before the port, as in 127.0.0.1:3000", c.Listen)
	}
	switch {
	case isLoopback(host):
		return nil
	case c.Auth == "":
		return c.problem("listen", "%s is reachable from other machines; say who may ask with `auth`, or write `auth: none` (flag --auth none, MODHAVEN_AUTH=none) if anyone may", c.Listen)
	case c.Auth != "none" && !c.TLS() && c.TLSElsewhere != "on":
		return c.problem("auth", "credentials would come over the network in the clear; set tls_cert and tls_key, tls_acme or tls_self_signed, or tls_elsewhere: on where another server ends TLS")
	}
	return nil
}

// checkAuth wants somebody to be known where rules are about him. What the settings say is read at the start.
func (c *Config) checkAuth() error {
	if c.Access != "" && (c.Auth == "" || c.Auth == "none") {
		return c.problem("access", "rules need to know who asks; set auth")
	}
	return nil
}

// Mistake is the error of a key whose value somebody else has read.
func (c *Config) Mistake(key string, err error) error {
	return c.problem(key, "%s", err.Error())
}

// isHost takes what net.Listen can be given: nothing, an address or a name.
func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return true
	}
	return !strings.ContainsFunc(host, func(r rune) bool {
		return !(r == '-' || r == '.' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	})
}

func (c *Config) checkTLS() error {
	switch {
	case c.TLSCert != "" && c.TLSKey == "":
		return c.problem("tls-cert", "a certificate needs its private key; set tls_key too")
	case c.TLSKey != "" && c.TLSCert == "":
		return c.problem("tls-key", "a private key needs its certificate; set tls_cert too")
	case c.TLSCert != "" && (c.TLSACME != "" || c.SelfSigned()):
		return c.problem("tls-cert", "there is more than one source of certificates; set one of tls_cert, tls_acme and tls_self_signed")
	case c.TLSACME != "" && c.SelfSigned():
		return c.problem("tls-acme", "there is more than one source of certificates; set one of tls_cert, tls_acme and tls_self_signed")
	}
	_, err := c.ACME()
	return err
}

func (c *Config) checkUpstreams() error {
	if err := c.checkMask("upstreams", c.Upstreams, entries(c.Upstreams)); err != nil {
		return err
	}
	if c.Upstreams == "" && (c.isOffline() || c.everyRoute() != "") {
		return nil // what the go command of this machine would ask is not asked; a route has a check of its own
	}
	_, err := c.effectiveUpstreams()
	return err
}

func (c *Config) checkDirect() error {
	_, err := c.DirectCredentialLines()
	return err
}

// DirectCredentialLines returns the lines of direct-credentials, each cut into words without quotes.
func (c *Config) DirectCredentialLines() ([][]string, error) {
	var lines [][]string
	for _, l := range readOptions(c.DirectCredentials) {
		if l.broken {
			return nil, c.problem("direct-credentials", "a double quote stands only around a whole value, as in token-command=\"/usr/bin/vault read git\"")
		}
		lines = append(lines, append([]string{l.addr}, l.words...))
	}
	return lines, nil
}

func (c *Config) checkOptions() error {
	_, err := c.UpstreamOptions()
	return err
}

func (c *Config) checkSumDB() error {
	if err := c.checkMask("sumdb", c.SumDB, strings.Fields(c.SumDB)); err != nil {
		return err
	}
	db, err := c.SumDatabase()
	if err != nil {
		return err
	}
	return c.checkOwn(db)
}

func (c *Config) checkOwn(public goproxy.SumDB) error {
	switch {
	case c.SumDBOwn == "" && c.SumDBOwnKey == "":
		return nil
	case c.SumDBOwnKey == "":
		return c.problem("sumdb-own", "a checksum database of one's own needs its signer key; make one with `modhaven sumdb key %s` and set sumdb_own_key to its file", c.SumDBOwn)
	case c.SumDBOwn == "":
		return c.problem("sumdb-own-key", "a signer key needs the name of its checksum database; set sumdb_own too")
	case c.SumDBOwn == public.Name:
		return c.problem("sumdb-own", "%s is the public checksum database that sumdb names; give your own another name", c.SumDBOwn)
	}
	if module.CheckPath(c.SumDBOwn) != nil {
		return c.problem("sumdb-own", "%q is no name of a checksum database; one looks like sum.corp.example", c.SumDBOwn)
	}
	return nil
}

// checkMask refuses what has no user and password where it should, before other errors
// could show a part of a password.
func (c *Config) checkMask(key, text string, entries []string) error {
	if strings.Contains(text, mask+"@") {
		return c.problem(key, "the user and the password are masked, as config print shows them; write the real ones")
	}
	if strings.Contains(text, "@") && !maskable(entries) {
		return c.problem(key, "%q cannot be read; in a user or a password everything but letters, digits, - . _ ~ is written as %%XX", maskAll(text))
	}
	return nil
}

func (c *Config) checkState() error {
	_, err := c.StateDir()
	return err
}

// StateDir returns the absolute path of the directory that holds all state. It does not make it.
func (c *Config) StateDir() (string, error) {
	dir := c.State
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", c.problem("state", "there is no cache directory for this user (%s); set state to a directory", err.Error())
		}
		dir = filepath.Join(cache, "modhaven")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", c.problem("state", "%q cannot be made absolute: %s", dir, err.Error())
	}
	return abs, nil
}

// URL returns the address at which this machine reaches a server that listens on addr
// (HOST:PORT, as Listen or as a listener says): "http://127.0.0.1:3000".
func (c *Config) URL(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, ""
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() && a.Is4() {
		host = "127.0.0.1"
	} else if err == nil && a.IsUnspecified() {
		host = "::1"
	}
	scheme := "http"
	if c.TLS() {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, port))
}

package config

import (
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"
)

// ACME is what tls-acme says. The zero value is where nothing is set.
type ACME struct {
	Hosts     []string
	Email     string
	Directory string // "" for the default
	HTTP      string // the address to listen on for http-01; "" for none
}

// ACME returns how certificates are got.
func (c *Config) ACME() (ACME, error) {
	var a ACME
	words := strings.Fields(c.TLSACME)
	if len(words) == 0 {
		return a, nil
	}
	for host := range strings.SplitSeq(words[0], ",") {
		if !isDomain(host) {
			return a, c.problem("tls-acme", "%q is no name of a host, such as go.corp.example; an authority of ACME knows no addresses and no names with *", host)
		}
		a.Hosts = append(a.Hosts, strings.ToLower(host))
	}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		ok := false
		switch name {
		case "email":
			_, err := mail.ParseAddress(value)
			a.Email, ok = value, err == nil
		case "directory":
			u, err := url.Parse(value)
			a.Directory, ok = value, err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
		case "http":
			_, port, err := net.SplitHostPort(value)
			a.HTTP, ok = value, err == nil && port != ""
		}
		if !ok {
			return a, c.problem("tls-acme", "%q is none of email=ADDRESS, directory=URL (https) and http=HOST:PORT", w)
		}
	}
	return a, nil
}

// SelfSignedNames returns the names that are given to tls-self-signed.
func (c *Config) SelfSignedNames() []string {
	if !c.SelfSigned() || c.TLSSelfSigned == "on" {
		return nil
	}
	names := strings.FieldsFunc(c.TLSSelfSigned, func(r rune) bool { return r == ',' || r == ' ' })
	return slices.DeleteFunc(names, func(n string) bool { return n == "on" })
}

// isDomain takes what has at least two labels.
func isDomain(name string) bool {
	return strings.Contains(name, ".") && net.ParseIP(name) == nil && isHost(name) &&
		!strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".") && !strings.Contains(name, "..")
}

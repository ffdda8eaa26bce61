package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Resolvers returns the DNS servers to ask, each as HOST:PORT; none for the system's. The
// error joins one *Error for each that cannot be one.
func (c *Config) Resolvers() ([]string, error) {
	if c.DNS == "" {
		return nil, nil
	}
	var all []string
	var errs []error
	for entry := range strings.SplitSeq(c.DNS, ",") {
		addr, ok := resolver(strings.TrimSpace(entry))
		if !ok {
			errs = append(errs, c.problem("dns", "%q is not HOST or HOST:PORT, such as 192.0.2.53 or [2001:db8::53]:53", strings.TrimSpace(entry)))
		}
		all = append(all, addr)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}

// resolver returns a DNS server as HOST:PORT.
func resolver(entry string) (addr string, ok bool) {
	host, port := strings.TrimSuffix(strings.TrimPrefix(entry, "["), "]"), "53"
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(entry, ":") {
		if host, port, err = net.SplitHostPort(entry); err != nil {
			return "", false
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return "", false
	}
	return net.JoinHostPort(host, port), host != "" && isHost(host)
}

func (c *Config) checkDNS() error {
	_, err := c.Resolvers()
	return err
}

// checkOTLP refuses credentials in the address: it is shown by more programs than one.
func (c *Config) checkOTLP() error {
	if c.OTLP == "" {
		return nil
	}
	u, err := url.Parse(c.OTLP)
	switch shown := maskURL(c.OTLP); {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return c.problem("otlp", "%q is not an address that begins with http:// or https://, such as http://127.0.0.1:4318", shown)
	case u.User != nil:
		return c.problem("otlp", "%q has a user or a password; credentials are headers and go into the variable OTEL_EXPORTER_OTLP_HEADERS", shown)
	case strings.ContainsAny(c.OTLP, "?#"):
		return c.problem("otlp", "%q: an address has no query and no fragment", shown)
	}
	return nil
}

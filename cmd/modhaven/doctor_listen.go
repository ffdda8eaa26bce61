package main

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// checkListen says what does not go together with --listen, and what is no address for it.
func (f *captureFlags) checkListen(p *process, module string) error {
	switch {
	case module != "":
		return p.usagef("%s: --listen looks at this machine, without a module", module)
	case len(f.pcaps) > 0 || f.record > 0 || f.filter != "" || f.from != "":
		return p.usagef("--listen looks at this machine, and judges no capture: give it alone")
	}
	host, _, err := f.listen.parse()
	if err != nil {
		return p.usagef("%q is not HOST:PORT, such as proxy.example.com:443", string(f.listen))
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		return p.usagef("%q has no host that clients use: give the name or the address that is in their GOPROXY", string(f.listen))
	}
	return nil
}

// parse reads a host and a port.
func (h hostPort) parse() (host string, port uint16, err error) {
	host, digits, err := net.SplitHostPort(string(h))
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("%s: no port", digits)
	}
	return host, uint16(n), nil
}

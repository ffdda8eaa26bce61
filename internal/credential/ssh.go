package credential

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// SSH is what ssh and git need to use the keys.
type SSH struct {
	// Config is a configuration of ssh (ssh_config(5)): each key is shown to its own host alone, and no other host is trusted.
	Config string
	// Instead maps beginnings of addresses, https://HOST/, to those that git asks in their place.
	Instead map[string]string
}

// SSH returns it for the hosts that have keys; the zero value where none has.
func (h *Hosts) SSH() (SSH, error) {
	s := SSH{Instead: map[string]string{}}
	var b strings.Builder
	for _, host := range h.all {
		if host.SSHKey == "" {
			continue
		}
		u, err := url.Parse(host.SSHAddress)
		if err != nil {
			return SSH{}, err
		}
		key, err := filepath.Abs(host.SSHKey)
		if err != nil {
			return SSH{}, err
		}
		known, err := filepath.Abs(host.KnownHosts)
		if err != nil {
			return SSH{}, err
		}
		fmt.Fprintf(&b, "Host %s\n\tIdentityFile %s\n\tUserKnownHostsFile %s\n", u.Hostname(), word(key), word(known))
		s.Instead["https://"+host.Name+"/"] = host.SSHAddress + "/"
	}
	if b.Len() == 0 {
		return SSH{}, nil
	}
	// The first value of a word counts, but for IdentityFile, where each does.
	b.WriteString("Host *\n\tUserKnownHostsFile none\n\tGlobalKnownHostsFile none\n\tIdentitiesOnly yes\n\tIdentityAgent none\n\tStrictHostKeyChecking yes\n" +
		"\tBatchMode yes\n\tPasswordAuthentication no\n\tKbdInteractiveAuthentication no\n\tForwardAgent no\n\tForwardX11 no\n\tClearAllForwardings yes\n" +
		"\tControlMaster no\n\tControlPath none\n\tPermitLocalCommand no\n\tUpdateHostKeys no\n\tConnectTimeout 30\n\tServerAliveInterval 20\n\tServerAliveCountMax 3\n\tIdentityFile none\n")
	s.Config = b.String()
	return s, nil
}

// word is a name of a file in the configuration of ssh, where % begins a token.
func word(name string) string {
	return `"` + strings.ReplaceAll(filepath.ToSlash(name), "%", "%%") + `"`
}

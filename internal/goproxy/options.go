package goproxy

import "time"

// UpstreamOptions are what is set for one upstream. A zero value means the default, which package upstream has; the
// options are described in docs/upstreams.md, by the names in the comments.
type UpstreamOptions struct {
	CA         string // ca: file with further certificate authorities, PEM
	Cert, Key  string // cert, key: files with a client certificate and its key, PEM
	Proxy      string // proxy: address of an HTTP proxy, "direct" for none; "" as the environment says
	BearerFile string // bearer-file: file with a token
	Headers    string // headers-file: file with lines "Name: value", added to each request
	Netrc      Switch // netrc: whether credentials come from netrc where there are none else

	Weight int // weight: percent of the questions that this upstream of a |-list is asked first; 0 as it stands in the list

	Dial, TLS, First, Zip, Idle time.Duration // dial, tls, first, zip, idle: deadlines of progress
	MinSpeed                    int           // min-speed: bytes a second below which a body hangs; negative: none
	Attempts                    int           // attempts: most of one question, with the first
	Retries                     int           // retries: percent of the questions that may be asked again; negative: none
	Hedge                       Switch        // hedge: whether slow answers are asked of the next upstream too
	HedgeAfter                  time.Duration // hedge-after: in place of the upstream's own p95
	Concurrency                 int           // concurrency: most requests at once
	Segments                    int           // segments: most streams that a large zip comes in at once; 0 for the default
	Breaker                     Switch        // breaker: whether it is left alone while it fails
	Ahead                       Switch        // ahead: whether files are fetched from it before anybody asks for them
	Check                       time.Duration // check: time between health checks; negative: none
}

// A Switch is on, off, or as by default.
type Switch int8

// The values of a Switch.
const (
	Default Switch = iota
	On
	NotOn
)

// Is reports whether it is on, with what it is by default.
func (s Switch) Is(byDefault bool) bool {
	if s == Default {
		return byDefault
	}
	return s == On
}

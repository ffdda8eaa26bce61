package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhaven/modhaven/internal/doctor"
)

// A captureFlags is what the doctor is told about captures.
type captureFlags struct {
	pcaps  fileNames
	filter hostPort
}

// fileNames is a flag with the name of a file that may be given several times.
type fileNames []string

func (f *fileNames) Set(name string) error { *f = append(*f, name); return nil }
func (f *fileNames) String() string        { return strings.Join(*f, ",") }
func (f *fileNames) Type() string          { return "FILE" }

// A hostPort is a flag with a host, a port, or both.
type hostPort string

func (h *hostPort) Set(text string) error { *h = hostPort(text); return nil }
func (h *hostPort) String() string        { return string(*h) }
func (h *hostPort) Type() string          { return "HOST:PORT" }

func addCaptureFlags(p *process, cmd *cobra.Command) *captureFlags {
	f := &captureFlags{}
	cmd.Flags().Var(&f.pcaps, "pcap", p.msg.Text("Judge a capture of tcpdump, and probe nothing; twice for the client's and the server's side"))
	cmd.Flags().Var(&f.filter, "filter", p.msg.Text("Of a capture, look at this host and port only"))
	return f
}

// check says what of the flags does not go together.
func (f *captureFlags) check(p *process, module string) error {
	switch {
	case len(f.pcaps) > 2:
		return p.usagef("%s: two captures can be compared, and no more", f.pcaps[2])
	case len(f.pcaps) > 0 && module != "":
		return p.usagef("%s: a capture is judged without a module", module)
	case len(f.pcaps) == 0 && f.filter != "":
		return p.usagef("--filter is for captures: give --pcap too")
	}
	return nil
}

// judge returns the report about captures.
func (f *captureFlags) judge() (*doctor.Report, error) {
	return doctor.JudgeCaptures(f.pcaps, doctor.CaptureOptions{Filter: string(f.filter)})
}

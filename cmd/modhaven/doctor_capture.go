package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/doctor"
)

// A captureFlags is what the doctor is to look at in place of probes.
type captureFlags struct {
	pcaps  fileNames
	filter hostPort
	record span
	from   interfaceName
	bundle fileName
	listen hostPort
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

// An interfaceName is a flag with an interface of this machine.
type interfaceName string

func (i *interfaceName) Set(text string) error { *i = interfaceName(text); return nil }
func (i *interfaceName) String() string        { return string(*i) }
func (i *interfaceName) Type() string          { return "NAME" }

func addCaptureFlags(p *process, cmd *cobra.Command) *captureFlags {
	f := &captureFlags{}
	cmd.Flags().Var(&f.pcaps, "pcap", p.msg.Text("Judge a capture of tcpdump, and probe nothing; twice for the client's and the server's side"))
	cmd.Flags().Var(&f.record, "capture", p.msg.Text("Record what passes this machine for so long, keep the file, and judge it; on Linux, with root or CAP_NET_RAW"))
	cmd.Flags().Var(&f.from, "interface", p.msg.Text("The interface to record from; without it all of them"))
	cmd.Flags().Var(&f.filter, "filter", p.msg.Text("Of a capture, look at this host and port only"))
	cmd.Flags().Var(&f.listen, "listen", p.msg.Text("On the server's machine: who listens on this address, and why clients may be refused; Linux only, and root sees more"))
	cmd.Flags().Var(&f.bundle, "bundle", p.msg.Text("Write a zip file for whoever is asked for help: the report, the settings and the captures, without what is secret"))
	return f
}

// check says what of the flags does not go together.
func (f *captureFlags) check(p *process, module string) error {
	if f.listen != "" {
		return f.checkListen(p, module)
	}
	switch captures := len(f.pcaps) > 0 || f.record > 0; {
	case len(f.pcaps) > 2:
		return p.usagef("%s: two captures can be compared, and no more", f.pcaps[2])
	case len(f.pcaps) > 0 && f.record > 0:
		return p.usagef("--pcap and --capture: only one of them can be given")
	case len(f.pcaps) > 0 && module != "":
		return p.usagef("%s: a capture is judged without a module", module)
	case f.record > 0 && module != "" && f.bundle.name == "":
		return p.usagef("%s: a capture is judged without a module", module)
	case !captures && f.filter != "":
		return p.usagef("--filter is for captures: give --pcap or --capture too")
	case f.record == 0 && f.from != "":
		return p.usagef("--interface is for recording: give --capture too")
	}
	return nil
}

// consult does what the doctor is asked for: it probes, looks at what listens here, or judges captures. Where both the probes and a bundle are wanted with
// --capture, it is the probes' traffic that is recorded.
func (f *captureFlags) consult(ctx context.Context, p *process, o doctor.Options) (*doctor.Report, error) {
	var r *doctor.Report
	probe := func() { r = doctor.Examine(ctx, o) }
	var err error
	switch {
	case f.listen != "":
		host, port, err := f.listen.parse()
		if err != nil {
			return nil, err
		}
		return doctor.ExamineListening(ctx, host, port)
	case f.record > 0 && f.bundle.name != "":
		err = f.recordNow(ctx, p, probe)
		return r, err
	case f.record > 0:
		err = f.recordNow(ctx, p, nil)
	case len(f.pcaps) == 0:
		probe()
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	return doctor.JudgeCaptures(f.pcaps, doctor.CaptureOptions{Filter: string(f.filter)})
}

// recordNow records a file that is judged or packed then. With meanwhile it ends some time after that has returned.
func (f *captureFlags) recordNow(ctx context.Context, p *process, meanwhile func()) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(f.record))
	defer cancel()
	name := "modhaven-" + time.Now().UTC().Format("20060102T150405Z") + ".pcap"
	done := make(chan struct{})
	ready := func() {
		if meanwhile == nil {
			close(done)
			p.note(p.msg.Sprintf("recording for %s; let what fails fail now, and end it earlier with Ctrl-C", config.FormatDuration(time.Duration(f.record))))
			return
		}
		go func() {
			defer close(done)
			meanwhile()
		}()
	}
	packets, dropped, err := doctor.Record(ctx, doctor.RecordOptions{File: name, Interface: string(f.from), CaptureOptions: doctor.CaptureOptions{Filter: string(f.filter)}, Ready: ready})
	if err != nil {
		return err
	}
	<-done
	p.note(p.msg.Sprintf("%s: %d packets, and %d that came too fast to be written", name, packets, dropped))
	f.pcaps = fileNames{name}
	return nil
}

// pack writes the bundle, where one is wanted.
func (f *captureFlags) pack(ctx context.Context, p *process, o doctor.Options, r *doctor.Report) error {
	if f.bundle.name == "" {
		return nil
	}
	err := p.writeBundle(ctx, f, o, r)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s: it is there already; name another file", f.bundle.name)
	}
	if err != nil {
		return fmt.Errorf("%s: %v", f.bundle.name, err)
	}
	p.note(p.msg.Sprintf("%s is written: look through it before you give it away", f.bundle.name))
	return nil
}

// note tells a person what goes on, beside the report.
func (p *process) note(text string) { fmt.Fprintln(p.err, text) }

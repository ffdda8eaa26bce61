package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/modhaven/modhaven/internal/pcap"
)

// maxRecorded is how large a file that is recorded gets.
const maxRecorded = 512 << 20

// A RecordOptions says what is recorded.
type RecordOptions struct {
	File      string // it must not be there yet
	Interface string // "" for all
	CaptureOptions
	Ready func() // called once when it begins; nil for nothing
}

// Record writes what passes this machine's interfaces into a file until ctx is done: with a filter, connections that it lets
// through, look-ups, and routers' messages. It says how many packets there are, and how many came too fast to be written.
func Record(ctx context.Context, o RecordOptions) (packets, dropped int64, err error) {
	only, err := o.only()
	if err != nil {
		return 0, 0, err
	}
	f, err := os.OpenFile(o.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // others' traffic may be in it
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %s", o.File, reasonOf(err))
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(o.File)
		}
	}()
	w, err := pcap.NewWriter(f, pcap.SLL2)
	if err != nil {
		return 0, 0, err
	}
	r := pcap.Recording{Interface: o.Interface, Most: maxRecorded}
	if only != nil {
		r.Keep = func(l *pcap.Layers) bool {
			return l.Kind != pcap.TCP && l.Kind != pcap.Other && l.Kind != pcap.Part || l.Kind == pcap.TCP && only(l.Src, l.Dst)
		}
	}
	ready := o.Ready
	if ready == nil {
		ready = func() {}
	}
	s, err := pcap.Record(ctx, r, w, ready)
	switch {
	case errors.Is(err, pcap.ErrNotAllowed):
		err = fmt.Errorf("%v: run it with sudo, or allow it with: sudo setcap cap_net_raw+ep $(command -v modhaven)", err)
	case errors.Is(err, pcap.ErrNotHere):
		err = fmt.Errorf("%v: record with tcpdump -i any -s 0 -w FILE, and give the file with --pcap", err)
	}
	return s.Packets, s.Dropped, err
}

// Scrub copies a capture without what was said in the clear on it, so that it can be given away. What comes behind a place
// where the capture is damaged or cut off is left out.
func Scrub(w io.Writer, r io.Reader) error {
	in, err := pcap.NewReader(r)
	if err != nil {
		return err
	}
	var out *pcap.Writer
	var link pcap.Link
	s := pcap.NewScrubber()
	for {
		p, err := in.Next()
		var damaged *pcap.FormatError
		if errors.Is(err, io.EOF) || errors.As(err, &damaged) {
			break
		}
		if err != nil {
			return err
		}
		if !p.Link.Known() {
			continue
		}
		if out == nil {
			if out, err = pcap.NewWriter(w, p.Link); err != nil {
				return err
			}
			link = p.Link
		}
		if p.Link != link {
			continue // one file of this format has one link
		}
		s.Scrub(p)
		if err := out.Write(p); err != nil {
			return err
		}
	}
	if out == nil {
		_, err = pcap.NewWriter(w, pcap.Raw)
	}
	return err
}

// Settings returns the settings of the go command that matter, without passwords.
func Settings(ctx context.Context, o Options) map[string]string {
	e := &examination{Options: &o, m: readMachine(ctx, &o)}
	return e.shown()
}

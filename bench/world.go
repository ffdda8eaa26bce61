package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A faulty is a running upstream with faults, seen from the benchmark.
type faulty struct {
	*server
	controlURL string
}

func (l *lab) startFaulty(s faultySettings) (*faulty, error) {
	s.Seed = l.opt.seed
	srv, h, _, err := l.startRole("faulty", s)
	if err != nil {
		return nil, err
	}
	return &faulty{srv, "http://" + h.Control + "/"}, nil
}

// tell has the upstream do what: "refuse", "accept", "sick", "well", "forget", or "" for
// nothing. It returns the counts until then.
func (f *faulty) tell(what string) (faultyStats, error) {
	var st faultyStats
	resp, err := http.Post(f.controlURL+what, "", nil)
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return st, fmt.Errorf("upstream %s: %s", f.addr, text)
	}
	return st, json.NewDecoder(resp.Body).Decode(&st)
}

// refusing is an address where nobody ever listens: faulty upstreams are elsewhere.
func refusing() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.3:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return "http://" + ln.Addr().String(), nil
}

// A world is the upstreams of one run.
type world struct {
	list  string    // GOPROXY of plain go, --upstreams of Modhaven
	flags []string  // of Modhaven
	env   []string  // of the go command
	ups   []*faulty // whose requests are counted
	ends  []func()  // what else ends with it
}

func (w *world) close() {
	for _, u := range w.ups {
		u.stop()
	}
	for _, f := range w.ends {
		f()
	}
}

// seen adds up what all upstreams saw.
func (w *world) seen() (faultyStats, error) {
	sum := faultyStats{Faults: map[string]int{}}
	for _, u := range w.ups {
		st, err := u.tell("")
		if err != nil {
			return sum, err
		}
		sum.Requests += st.Requests
		sum.Conns += st.Conns
		sum.Bytes += st.Bytes
		for kind, n := range st.Faults {
			sum.Faults[kind] += n
		}
	}
	return sum, nil
}

// alone is a world of one upstream.
func (l *lab) alone(s faultySettings) (*world, error) {
	u, err := l.startFaulty(s)
	if err != nil {
		return nil, err
	}
	return &world{list: u.url(), ups: []*faulty{u}}, nil
}

// behind is a world of an upstream that is asked first, and a faulty one after it.
func (l *lab) behind(first string, s faultySettings) (*world, error) {
	w, err := l.alone(s)
	if err == nil {
		w.list = first + "|" + w.list
	}
	return w, err
}

// A haven is a new Modhaven before a world's upstreams.
type haven struct {
	*server
	state string
}

// startHaven starts one with an empty state, on tmpfs: what the disk costs is measured elsewhere.
func (l *lab) startHaven(ctx context.Context, w *world, flags ...string) (*haven, error) {
	state, err := os.MkdirTemp(l.fast, "state-")
	if err != nil {
		return nil, err
	}
	flags = slices.Concat([]string{"--log-level", "warn"}, flags, w.flags)
	s, err := l.startModhaven(ctx, state, w.list, flags...)
	if err != nil {
		os.RemoveAll(state)
		return nil, err
	}
	return &haven{s, state}, nil
}

func (h *haven) close() {
	h.stop()
	_ = os.RemoveAll(h.state)
	_ = os.Remove(h.log)
}

// faultsProject is what the real go command downloads: 107 modules, 321 requests, small
// zips (2–60 KB, and four of 300 KB) of text.
func (l *lab) faultsProject() (project, error) { return l.project("faults", faultsRecipes) }

// bigProject needs one module, whose zip has 40 MB.
func (l *lab) bigProject() (project, error) { return l.project("faults-big", bigRecipes) }

const (
	// plainLimit is how long a command of plain go may take: it would wait for a silent upstream for ever.
	plainLimit   = 30 * time.Second
	throughLimit = 3 * plainLimit // as three tries of plain go have
)

// An outcome is what became of one client.
type outcome struct {
	ok       bool
	took     float64 // seconds
	requests float64 // that the upstreams saw
	bytes    float64 // that the upstreams sent
	faults   map[string]int
	why      string // it failed
	wrong    bool   // the go command was given a wrong file, and refused it
}

// try has a client run the go command, and again until it succeeds, at most tries times.
func (c client) try(ctx context.Context, proxy string, env []string, limit time.Duration, tries int, args ...string) outcome {
	var o outcome
	for range tries {
		one, cancel := context.WithTimeout(ctx, limit)
		r, err := c.run(one, proxy, env, args...)
		if one.Err() != nil {
			err = fmt.Errorf("given up after %v", limit)
		}
		cancel()
		o.took += r.took.Seconds()
		o.wrong = o.wrong || saysWrong(r.stderr)
		if o.ok = err == nil; o.ok || ctx.Err() != nil {
			break
		}
		o.why = strings.TrimSpace(err.Error())
		if _, said, ok := strings.Cut(o.why, "\n"); ok {
			o.why = said // by the go command
		}
	}
	return o
}

// saysWrong reports whether the go command found that a file which came whole is not the
// right one: by go.sum, or before that by what is in a zip.
func saysWrong(stderr string) bool {
	for _, s := range []string{"checksum mismatch", "zip: checksum error", "zip: not a valid zip file", "flate: corrupt input"} {
		if strings.Contains(stderr, s) {
			return true
		}
	}
	return false
}

// certFile is where the certificate of a TLS upstream goes.
func (l *lab) certFile() string {
	return filepath.Join(l.dir, fmt.Sprintf("upstream-%d.pem", l.spawned.Add(1)))
}

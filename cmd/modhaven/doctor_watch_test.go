package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/doctor"
	"github.com/modhaven/modhaven/internal/msg"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// TestWatch looks at a server that fails after some looks, and works again after others.
func TestWatch(t *testing.T) {
	sum := proxytest.NewSumDB(t, "sum.example.com")
	up := proxytest.New(t, proxytest.WithSumDB(sum))
	home := t.TempDir()
	proxytest.NoTelemetry(t, home+"/.config")
	o := doctor.Options{Dir: home, Module: "example.com/plain", Version: "v1.2.0", Environ: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GOPROXY=" + up.URL, "GOSUMDB=" + sum.Key, "GOENV=off", "GOFLAGS=", "GOTOOLCHAIN=local", "GOMODCACHE=" + home + "/mod", "GOCACHE=" + home + "/cache",
	}}
	changes := []func(){
		func() {},
		func() { up.Fail("*", proxytest.Status(500, "")) },
		func() {},
		func() { up.Heal() },
	}
	watched := func(asJSON bool) (string, error) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var out bytes.Buffer
		now := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
		looks := 0
		p := &process{out: &out, err: &out, msg: msg.For("C")}
		w := &vigil{
			consultation: &consultation{process: p, plain: true}, asJSON: asJSON,
			look: func(ctx context.Context) (*doctor.Report, error) { return doctor.Examine(ctx, o), nil },
			now:  func() time.Time { return now },
		}
		w.pause = func(context.Context) {
			now = now.Add(time.Minute)
			if looks == len(changes) {
				stop()
				return
			}
			changes[looks]()
			looks++
		}
		err := w.run(ctx)
		return out.String(), err
	}

	text, err := watched(false)
	want := regexp.MustCompile(`(?s)^ok MH0001 \(certain\): .*took [\d.]+ s
15:06:05  origin-sick MH1901 \(certain\): [^\n]* answers 500[^\n]*
15:08:05  ok MH0001 \(certain\): [^\n]*
15:09:05  it was so long: ok 3m0s, origin-sick 2m0s
$`)
	if err != nil || !want.MatchString(text) {
		t.Errorf("%v\n%s", err, text)
	}

	text, err = watched(true)
	var classes []string
	for line := range strings.Lines(text) {
		var r doctor.Report
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Schema != doctor.Schema {
			t.Errorf("%v: %s", err, line)
		}
		classes = append(classes, string(r.Verdict.Class))
	}
	if err != nil || strings.Join(classes, " ") != "ok origin-sick ok" {
		t.Errorf("%v, %q", err, classes)
	}
}

// TestWatchEnds says what became of it: a look that was cut off does not count, and a failure of the doctor ends it.
func TestWatchEnds(t *testing.T) {
	var out bytes.Buffer
	sick := &doctor.Report{Verdict: doctor.Verdict{Class: doctor.OriginSick, Code: "MH1901"}, Exit: doctor.OriginSick.Exit()}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	looks := 0
	w := &vigil{consultation: &consultation{process: &process{out: &out, msg: msg.For("C")}}, now: time.Now, pause: func(context.Context) {}}
	w.look = func(context.Context) (*doctor.Report, error) {
		if looks++; looks > 1 {
			stop()
			return &doctor.Report{Verdict: doctor.Verdict{Class: doctor.DNS, Code: "MH1205"}}, nil
		}
		return sick, nil
	}
	if err := w.run(ctx); !errors.Is(err, exitStatus(doctor.OriginSick.Exit())) || strings.Contains(out.String(), "MH1205") {
		t.Errorf("%v\n%s", err, out.String())
	}
	broken := errors.New("the doctor is ill")
	w.look = func(context.Context) (*doctor.Report, error) { return nil, broken }
	if err := w.run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}

package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/time/rate"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// How often a Desk examines.
const (
	deskFresh = 10 * time.Second // how long a report is given to others who ask the same
	deskPause = 5 * time.Second  // between two examinations, after the first few
	deskBurst = 4
	deskQueue = 8 // who may wait for their turn
)

// A Desk examines for whoever asks over the network: one examination at a time, and not too often. Who asks what was just found out
// gets the same report. Its methods may be called at once.
type Desk struct {
	examine func(ctx context.Context, path, version string) *Report
	turn    chan struct{} // holds one value while somebody examines
	waiting atomic.Int32
	limit   *rate.Limiter

	last     []byte // with what follows, of who has the turn
	question string
	made     time.Time
}

// NewDesk returns one. examine has path and version "" for no module; it ends with its context.
func NewDesk(examine func(ctx context.Context, path, version string) *Report) *Desk {
	return &Desk{examine: examine, turn: make(chan struct{}, 1), limit: rate.NewLimiter(rate.Every(deskPause), deskBurst)}
}

// Ask returns the report about MODULE, MODULE@VERSION or "" in JSON. Its errors are those of goproxy.Source. An examination ends with
// ctx, and who waits behind it then leads one.
func (d *Desk) Ask(ctx context.Context, question string) ([]byte, error) {
	path, version, err := ReadQuestion(question)
	if err != nil {
		return nil, err
	}
	if d.waiting.Add(1) > deskQueue {
		d.waiting.Add(-1)
		return nil, busy("too many wait for the doctor", deskPause)
	}
	select {
	case d.turn <- struct{}{}:
		d.waiting.Add(-1)
	case <-ctx.Done():
		d.waiting.Add(-1)
		return nil, ctx.Err()
	}
	defer func() { <-d.turn }()
	if d.last != nil && d.question == question && time.Since(d.made) < deskFresh {
		return d.last, nil
	}
	if !d.limit.Allow() {
		return nil, busy("the doctor was asked too often", deskPause)
	}
	b, err := json.Marshal(d.examine(ctx, path, version))
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // it is of nobody's use: what was not probed in time looks like a fault
		return nil, ctx.Err()
	}
	d.last, d.question, d.made = b, question, time.Now()
	return b, nil
}

func busy(why string, after time.Duration) error {
	return &goproxy.Refused{Status: http.StatusTooManyRequests, Reason: why + "; ask again in " + after.String(), RetryAfter: after}
}

// ReadQuestion reads MODULE, MODULE@VERSION or "". The error is a *goproxy.Refused.
func ReadQuestion(question string) (path, version string, err error) {
	if question == "" {
		return "", "", nil
	}
	path, version, versioned := strings.Cut(question, "@")
	const most = 200
	if module.CheckPath(path) != nil || versioned && !plainVersion(version) || len(question) > most {
		return "", "", &goproxy.Refused{Status: http.StatusBadRequest, Reason: "the module is not MODULE or MODULE@VERSION, such as golang.org/x/text@v0.14.0"}
	}
	return path, version, nil
}

// plainVersion reports whether a version or query has nothing but what these have: it goes into addresses.
func plainVersion(v string) bool {
	_, err := module.EscapeVersion(v)
	return v != "" && err == nil
}

package upstream

import (
	"context"
	"time"
)

// A Class is a kind of questions with a breaker of its own: a broken checksum database must not close the way of zips.
type Class string

// The classes.
const (
	Small Class = "small" // .info, .mod, lists and queries
	Zip   Class = "zip"
	Sum   Class = "sumdb"
)

// An Attempt is one request to one upstream that is over. A question may take several.
type Attempt struct {
	Upstream string // its name: the address without credentials
	Class    Class
	Name     string // what was asked for: "m/@v/v1.0.0.zip"
	Cause    string // why it was made: "first", "next", "retry", "hedge", "resume", "segment", "check"
	Status   int    // of HTTP; 0 where none came
	// Failure is what went wrong, "" for nothing: "refused" (connection), "dns", "tls", "timeout", "reset", "eof",
	// "html", "wrong", "throttled" (429), "status" (another), "absent" (404, 410), "forbidden",
	// "canceled", "lost" (another upstream was faster by far), "network" for the rest.
	Failure string
	Err     error         // the same for people; nil for nothing
	First   time.Duration // to the first byte of the answer; 0 where none came
	Took    time.Duration
	Bytes   int64 // of the body
}

// Failed reports whether the upstream is to blame: it did not give what it could have given.
func (a Attempt) Failed() bool {
	switch a.Failure {
	case "", "absent", "forbidden", "canceled":
		return false
	}
	return true
}

// An Observer hears what happens with upstreams. Its methods return at once and may be called at once by many.
type Observer interface {
	// Asking is called when an attempt begins, with the upstream's name and what is asked for.
	Asking(upstream, name string)
	// Attempted is called when an attempt is over, with the context of the question.
	Attempted(ctx context.Context, a Attempt)
	// Changed is called when an upstream's breaker opens ("open") or closes ("closed"), why in words.
	Changed(upstream string, c Class, state, why string)
}

// Status is what is known of all upstreams at one moment. Degraded means that some group of upstreams, each of which
// can stand in for the others, has none that works.
type Status struct {
	Upstreams []UpstreamStatus `json:"upstreams"`
	Held      int              `json:"held"`               // questions that wait for an upstream to come back
	Degraded  bool             `json:"degraded"`           // some group of upstreams has none that works
	Since     time.Time        `json:"since,omitzero"`     // when that began
	LastError string           `json:"lastError,omitzero"` // what was wrong last
}

// UpstreamStatus is what is known of one upstream at one moment.
type UpstreamStatus struct {
	Name     string                `json:"name"`
	Classes  map[Class]ClassStatus `json:"classes"`
	Healthy  bool                  `json:"healthy"` // the last check passed, or there was none yet
	Checked  time.Time             `json:"checked,omitzero"`
	InFlight int                   `json:"inFlight"`
	Waiting  int                   `json:"waiting"` // for their turn
	Limit    int                   `json:"limit"`   // of requests at once, as adapted
	Paused   time.Time             `json:"paused,omitzero"`
	Retries  float64               `json:"retries"` // left in the budget
}

// ClassStatus is what is known of one class of questions to one upstream.
type ClassStatus struct {
	State     string        `json:"state"` // "closed", "open", "half-open"
	Since     time.Time     `json:"since,omitzero"`
	Attempts  int64         `json:"attempts"`
	Failures  int64         `json:"failures"`
	LastError string        `json:"lastError,omitzero"`
	P50       time.Duration `json:"p50"` // of the first byte, in nanoseconds; 0 while too few are known
	P95       time.Duration `json:"p95"`
	P99       time.Duration `json:"p99"`
}

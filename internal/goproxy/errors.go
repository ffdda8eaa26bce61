package goproxy

import (
	"fmt"
	"net/http"
	"time"
)

// NotFound is absence, with the upstream's status (404 or 410) and words. Nothing
// else is absence: an outage, a refusal or a missing git binary is not.
type NotFound struct {
	Status int    // http.StatusNotFound or http.StatusGone
	Body   string // the upstream's text, repeated to clients as it came
	From   string // who said so; "" when nobody was asked
}

func (e *NotFound) Error() string {
	if e.Body == "" {
		return "not found"
	}
	return e.Body
}

// Absent returns a NotFound with status 404 and the given reason.
func Absent(format string, args ...any) *NotFound {
	return &NotFound{Status: http.StatusNotFound, Body: fmt.Sprintf(format, args...)}
}

// Refused is a refusal that a client must not route around: 401, 403 and such.
type Refused struct {
	Status     int
	Reason     string // for people; may have several lines
	From       string
	RetryAfter time.Duration // of a 429
}

func (e *Refused) Error() string { return e.Reason }

// Wrong is a file or an answer that is not what it must be: a zip that is no zip, an
// .info of another version, an HTML page. It is never stored. Another upstream may do better.
type Wrong struct {
	From   string
	Reason string
	HTML   bool // a page came in place of it, of a portal or a login: trouble on the way, which may pass
}

func (e *Wrong) Error() string {
	if e.From == "" {
		return e.Reason
	}
	return e.From + ": " + e.Reason
}

// Unavailable is trouble that may pass: an outage, a timeout, too much load.
type Unavailable struct {
	From       string
	Reason     string
	RetryAfter time.Duration // 0 when nobody said
	Err        error         // the cause, for errors.As; may be nil
}

func (e *Unavailable) Error() string {
	if e.From == "" {
		return e.Reason
	}
	return e.From + ": " + e.Reason
}

func (e *Unavailable) Unwrap() error { return e.Err }

// Package upstream asks other proxies: a Chain of them with the meaning of GOPROXY, each an HTTP source.
//
// It stores nothing and remembers no answers.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// An Entry is one upstream of a Chain.
type Entry struct {
	Name     string // for people: the address without credentials
	Fetcher  goproxy.Fetcher
	AnyError bool // the next entry is asked after any failure, not only after absence
	Public   bool // never asked for a private module
}

// A Chain is a Fetcher that asks one upstream after the other, with the meaning that a list in
// GOPROXY has for the go command: https://go.dev/ref/mod#environment-variables.
type Chain struct {
	Entries []Entry
	// End is goproxy.Direct or goproxy.Off where the list ends in it, else "". Direct repeats the
	// absence that led there, so that a client whose own list goes on to direct does so.
	End string
	// Private are patterns as in GOPRIVATE of modules that no public entry is asked for.
	Private string
	// Failover makes each entry of a module that is not private AnyError.
	Failover bool
}

// List implements goproxy.Fetcher.
func (c *Chain) List(ctx context.Context, path string) (content *goproxy.Content, err error) {
	err = c.walk(ctx, path, func(f goproxy.Fetcher) (err error) {
		content, err = f.List(ctx, path)
		return err
	})
	return content, err
}

// Query implements goproxy.Fetcher.
func (c *Chain) Query(ctx context.Context, path, query string) (content *goproxy.Content, err error) {
	err = c.walk(ctx, path, func(f goproxy.Fetcher) (err error) {
		content, err = f.Query(ctx, path, query)
		return err
	})
	return content, err
}

// Stat implements goproxy.Fetcher.
func (c *Chain) Stat(ctx context.Context, f goproxy.File) (meta goproxy.Meta, err error) {
	err = c.walk(ctx, f.Path, func(from goproxy.Fetcher) (err error) {
		meta, err = from.Stat(ctx, f)
		return err
	})
	return meta, err
}

// Fetch implements goproxy.Fetcher.
func (c *Chain) Fetch(ctx context.Context, f goproxy.File, dst goproxy.Sink) (meta goproxy.Meta, err error) {
	first := true
	err = c.walk(ctx, f.Path, func(from goproxy.Fetcher) (err error) {
		if !first {
			if err := dst.Reset(); err != nil {
				return err
			}
		}
		first = false
		meta, err = from.Fetch(ctx, f, dst)
		return err
	})
	return meta, err
}

// walk asks entry after entry until one answers or the list says to stop.
func (c *Chain) walk(ctx context.Context, path string, ask func(goproxy.Fetcher) error) error {
	private := c.Private != "" && goproxy.MatchesAny(c.Private, path)
	var absent *goproxy.NotFound
	var failures []error
	skipped := false
	for _, e := range c.Entries {
		if private && e.Public {
			skipped = true
			continue
		}
		err := ask(e.Fetcher)
		if err == nil || ctx.Err() != nil {
			return err
		}
		var nf *goproxy.NotFound
		if errors.As(err, &nf) {
			if absent == nil {
				absent = nf
			}
			continue
		}
		failures = append(failures, err)
		if !e.AnyError && (private || !c.Failover) {
			break
		}
	}
	switch {
	case len(failures) > 0:
		return join(failures)
	case c.End == goproxy.Off:
		return &goproxy.Refused{Status: http.StatusForbidden, Reason: fmt.Sprintf("%s: not stored here, and upstreams: off asks nobody for it", path)}
	case skipped && absent == nil && c.End == goproxy.Direct:
		return goproxy.Absent("not found: %s is private (%s): no public upstream is asked for it; fetch it directly", path, c.Private)
	case skipped && absent == nil:
		return &goproxy.Refused{Status: http.StatusForbidden, Reason: fmt.Sprintf("%s is private (%s): no public upstream is asked for it, and no other is configured; end upstreams in ,direct or name the proxy that has it", path, c.Private)}
	case absent == nil: // the list is direct alone
		return goproxy.Absent("not found: %s: no proxy is configured here, only direct", path)
	}
	return absent
}

// join makes one error of what several upstreams said, the most hopeful kind of them: trouble may pass, a
// wrong file may be put right, a refusal stands.
func join(failures []error) error {
	if len(failures) == 1 {
		return failures[0]
	}
	var lines []string
	var unavailable, wrong bool
	var retry time.Duration
	var causes []error // of the trouble alone: errors.As must not find a refusal in it
	for _, err := range failures {
		lines = append(lines, line(err))
		var u *goproxy.Unavailable
		var r *goproxy.Refused
		switch {
		case errors.As(err, &u):
			unavailable, retry = true, max(retry, u.RetryAfter)
			causes = append(causes, u.Err)
		case !errors.As(err, &r):
			wrong = true
		}
	}
	reason := strings.Join(lines, "\n")
	switch {
	case unavailable:
		return &goproxy.Unavailable{Reason: reason, RetryAfter: retry, Err: errors.Join(causes...)}
	case wrong:
		return &goproxy.Wrong{Reason: reason}
	}
	return &goproxy.Refused{Status: http.StatusForbidden, Reason: reason}
}

// line puts an error on one line that names the upstream.
func line(err error) string {
	from := ""
	var r *goproxy.Refused
	if errors.As(err, &r) && r.From != "" && !strings.HasPrefix(r.Reason, r.From) {
		from = r.From + ": "
	}
	return from + strings.Join(strings.Fields(err.Error()), " ")
}

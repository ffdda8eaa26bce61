// Package upstream asks other proxies: a Chain of them with the meaning of GOPROXY, which goes on from one to the next,
// tries again, resumes, and waits for one that is away.
//
// It stores nothing and remembers no answers, only how upstreams have done.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// An Entry is one upstream of a Chain.
type Entry struct {
	Upstream *Upstream
	AnyError bool // the next entry is asked after any failure, not only after absence
	Public   bool // never asked for a private module
}

// ChainOptions are what a Chain is made of, but for its upstreams.
type ChainOptions struct {
	// End is goproxy.Direct or goproxy.Off where the list ends in it, else "". Without a Direct it repeats the
	// absence that led there, so that a client whose own list goes on to direct does so.
	End string
	// Direct, where set, is asked at a list's End of that name, for private modules and where the list has no other entry. For
	// other modules the absence is repeated: whoever asks for a name that nobody has does not send this machine
	// to where that name points.
	Direct goproxy.Fetcher
	// Rules say for which modules no public entry is asked: those that are private.
	Rules *goproxy.Rules
	// Failover makes each entry of a module that is not private AnyError.
	Failover bool
}

// A Chain is a Fetcher that asks one upstream after the other, with the meaning that a list in
// GOPROXY has for the go command: https://go.dev/ref/mod#environment-variables. Entries joined by AnyError stand in
// for each other; the next ones are asked only after all of them have said that a thing does not exist.
type Chain struct {
	pool    *Pool
	o       ChainOptions
	all     []*group // for modules that are not private
	private []*group // for those that are
	public  bool     // some entry is: private ones are not asked of it
}

var _ goproxy.Fetcher = (*Chain)(nil)

// Chain returns a Chain of upstreams of the pool.
func (p *Pool) Chain(entries []Entry, o ChainOptions) *Chain {
	c := &Chain{pool: p, o: o, all: p.groups(entries, o.Failover)}
	inside := slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Public })
	c.private, c.public = p.groups(inside, false), len(inside) < len(entries)
	return c
}

// groups joins entries that stand in for each other.
func (p *Pool) groups(entries []Entry, any bool) (gs []*group) {
	joined := false
	for _, e := range entries {
		if !joined {
			if len(gs) > 0 {
				gs[len(gs)-1].onward = true
			}
			gs = append(gs, &group{pool: p})
		}
		g := gs[len(gs)-1]
		g.add(e.Upstream, Small)
		joined = e.AnyError || any
	}
	return gs
}

// Upstreams returns those of the list, in its order.
func (c *Chain) Upstreams() (ups []*Upstream) {
	for _, g := range c.all {
		ups = append(ups, g.members...)
	}
	return ups
}

// End returns goproxy.Direct or goproxy.Off where the list ends in it.
func (c *Chain) End() string { return c.o.End }

// List implements goproxy.Fetcher.
func (c *Chain) List(ctx context.Context, path string) (*goproxy.Content, error) {
	return walk(c, path, func(g *group, private bool) (*goproxy.Content, error) {
		list, by, err := g.list(ctx, path, private)
		return content(list, by, err)
	}, func(direct goproxy.Fetcher) (*goproxy.Content, error) { return direct.List(ctx, path) })
}

// list returns a module's versions as one upstream has them.
func (g *group) list(ctx context.Context, path string, private bool) ([]byte, *Upstream, error) {
	var clean []byte
	rep, err := g.ask(ctx, request{
		method: http.MethodGet, class: Small, name: goproxy.ListName(path), max: goproxy.MaxList,
		check: func(b []byte) error {
			_, err := goproxy.CleanList(b, path)
			return err
		},
	}, private).run(ctx)
	if err != nil {
		return nil, nil, err
	}
	clean, err = goproxy.CleanList(rep.body, path)
	return clean, rep.by, err
}

// Query implements goproxy.Fetcher. Where there is no answer to "latest", it is found in the list, as the go command does.
func (c *Chain) Query(ctx context.Context, path, query string) (*goproxy.Content, error) {
	return walk(c, path, func(g *group, private bool) (*goproxy.Content, error) {
		b, by, err := g.query(ctx, path, query, private)
		var absent *goproxy.NotFound
		if query == "latest" && errors.As(err, &absent) {
			list, _, lerr := g.list(ctx, path, private)
			if lerr != nil {
				return nil, lerr
			}
			version := goproxy.Latest(list)
			if version == "" {
				return nil, absent
			}
			b, by, err = g.query(ctx, path, version, private)
		}
		return content(b, by, err)
	}, func(direct goproxy.Fetcher) (*goproxy.Content, error) { return direct.Query(ctx, path, query) })
}

func (g *group) query(ctx context.Context, path, query string, private bool) ([]byte, *Upstream, error) {
	rep, err := g.ask(ctx, request{
		method: http.MethodGet, class: Small, name: goproxy.QueryName(path, query), max: goproxy.MaxInfo,
		check: func(b []byte) error { return goproxy.CheckInfo(b, path, "") },
	}, private).run(ctx)
	if err != nil {
		return nil, nil, err
	}
	return rep.body, rep.by, nil
}

func content(b []byte, by *Upstream, err error) (*goproxy.Content, error) {
	if err != nil {
		return nil, err
	}
	return goproxy.InMemory(goproxy.Meta{Size: int64(len(b)), From: by.base, Checked: time.Now()}, b), nil
}

// Stat implements goproxy.Fetcher.
func (c *Chain) Stat(ctx context.Context, f goproxy.File) (goproxy.Meta, error) {
	return walk(c, f.Path, func(g *group, private bool) (goproxy.Meta, error) {
		rep, err := g.ask(ctx, request{method: http.MethodHead, class: class(f.Kind), name: f.Name()}, private).run(ctx)
		if err != nil {
			return goproxy.Meta{}, err
		}
		return goproxy.Meta{Size: rep.size, From: rep.by.base}, nil
	}, func(direct goproxy.Fetcher) (goproxy.Meta, error) { return direct.Stat(ctx, f) })
}

// Fetch implements goproxy.Fetcher.
func (c *Chain) Fetch(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	first := true
	again := func() error {
		if first {
			first = false
			return nil
		}
		return dst.Reset()
	}
	return walk(c, f.Path, func(g *group, private bool) (goproxy.Meta, error) {
		if err := again(); err != nil {
			return goproxy.Meta{}, err
		}
		return g.fetch(ctx, fileRequest(f), private, dst)
	}, func(direct goproxy.Fetcher) (goproxy.Meta, error) {
		if err := again(); err != nil {
			return goproxy.Meta{}, err
		}
		return direct.Fetch(ctx, f, dst)
	})
}

func class(k goproxy.Kind) Class {
	if k == goproxy.Zip {
		return Zip
	}
	return Small
}

func fileRequest(f goproxy.File) request {
	rq := request{method: http.MethodGet, class: class(f.Kind), name: f.Name(), max: f.Kind.MaxSize(), constant: true}
	switch f.Kind {
	case goproxy.Info:
		rq.check = func(b []byte) error { return goproxy.CheckInfo(b, f.Path, f.Version.Version) }
	case goproxy.Mod:
		rq.check = goproxy.CheckMod
	default:
		rq.stream = true
	}
	return rq
}

// walk asks group after group until one answers or the list says to stop, and at its end direct.
func walk[T any](c *Chain, path string, ask func(g *group, private bool) (T, error), direct func(goproxy.Fetcher) (T, error)) (T, error) {
	var none T
	rule := c.o.Rules.Of(path)
	private := rule.Private != ""
	groups := c.all
	if private {
		groups = c.private
	}
	var absent *goproxy.NotFound
	var failures []error
	for _, g := range groups {
		got, err := ask(g, private)
		var on goingOn
		switch {
		case errors.As(err, &on):
			failures = append(failures, on.error)
			continue
		case err == nil, len(failures) == 0 && !errors.As(err, new(*goproxy.NotFound)):
			return got, err
		case !errors.As(err, new(*goproxy.NotFound)):
			return got, join(append(failures, err))
		}
		if absent == nil {
			errors.As(err, &absent)
		}
	}
	skipped := private && c.public
	switch {
	case len(failures) > 0:
		return none, join(failures)
	case c.direct(rule):
		return direct(c.o.Direct)
	case c.o.End == goproxy.Off:
		return none, &goproxy.Refused{Status: http.StatusForbidden, Reason: fmt.Sprintf("%s: not stored here, and upstreams: off asks nobody for it", path)}
	case rule.Above && absent == nil:
		return none, goproxy.Absent("not found: %s stands above the private %s: nobody is asked for it; a route for %s says where it is", path, rule.Private, path)
	case skipped && absent == nil && c.o.End == goproxy.Direct:
		return none, goproxy.Absent("not found: %s is private (%s): no public upstream is asked for it; fetch it directly", path, rule.Private)
	case skipped && absent == nil:
		return none, &goproxy.Refused{Status: http.StatusForbidden, Reason: fmt.Sprintf("%s is private (%s): no public upstream is asked for it, and no other is configured; end the list of upstreams in ,direct or name the proxy that has it", path, rule.Private)}
	case absent == nil: // the list is direct alone
		return none, goproxy.Absent("not found: %s: no proxy is configured here, only direct", path)
	}
	return none, absent
}

// direct reports whether version control may be asked for a module once nobody else is left.
func (c *Chain) direct(r goproxy.Rule) bool {
	return c.o.End == goproxy.Direct && c.o.Direct != nil && (r.Private != "" && !r.Above || len(c.all) == 0)
}

// degraded notes in s where some group of the chain has no upstream that works.
func (c *Chain) degraded(s *Status) {
	for _, g := range c.all {
		if g.usable(Small) {
			continue
		}
		from, why := g.outage(Small)
		if !s.Degraded || from.Before(s.Since) {
			s.Degraded, s.Since, s.LastError = true, from, why.Error()
		}
	}
}

// outage returns since when none of the group is usable, and why the last of them is not.
func (g *group) outage(c Class) (last time.Time, why error) {
	for _, u := range g.members {
		if from, err := u.outage(c); !from.Before(last) {
			last, why = from, err
		}
	}
	return last, why
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

// Ahead reports whether files of a module may be fetched before anybody asks for them: it is not private, and no upstream that is
// asked for it is set not to.
func (c *Chain) Ahead(path string) bool {
	if c.o.Rules.Private(path) != "" {
		return false
	}
	for _, g := range c.all {
		for _, u := range g.members {
			if !u.o.Ahead.Is(true) {
				return false
			}
		}
	}
	return len(c.all) > 0
}

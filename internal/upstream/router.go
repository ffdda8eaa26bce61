package upstream

import (
	"context"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A Router is a Fetcher that asks, for each module, the Chain of the route that the module takes. What is known of an upstream
// belongs to the pool, so one that stands in several chains has one breaker.
type Router struct {
	rules  *goproxy.Rules
	rest   *Chain   // for modules that match no route
	routes []*Chain // as the routes of rules
	leaks  *LeakGuard
}

var _ goproxy.Fetcher = (*Router)(nil)

// NewRouter returns a Router over chains of one pool: one for each route of rules, and rest. What no rule covers is shown to leaks,
// which may be nil, before a public upstream is asked for it.
func NewRouter(rules *goproxy.Rules, rest *Chain, routes []*Chain, leaks *LeakGuard) *Router {
	return &Router{rules, rest, routes, leaks}
}

// chain returns whom to ask, or why nobody is asked.
func (r *Router) chain(ctx context.Context, path string) (*Chain, error) {
	rule := r.rules.Of(path)
	if rule.Route >= 0 {
		return r.routes[rule.Route], nil
	}
	if rule.Private == "" && r.rest.public {
		if err := r.leaks.Admit(ctx, path); err != nil {
			return nil, err
		}
	}
	return r.rest, nil
}

// List implements goproxy.Fetcher.
func (r *Router) List(ctx context.Context, path string) (*goproxy.Content, error) {
	c, err := r.chain(ctx, path)
	if err != nil {
		return nil, err
	}
	return c.List(ctx, path)
}

// Query implements goproxy.Fetcher.
func (r *Router) Query(ctx context.Context, path, query string) (*goproxy.Content, error) {
	c, err := r.chain(ctx, path)
	if err != nil {
		return nil, err
	}
	return c.Query(ctx, path, query)
}

// Stat implements goproxy.Fetcher.
func (r *Router) Stat(ctx context.Context, f goproxy.File) (goproxy.Meta, error) {
	c, err := r.chain(ctx, f.Path)
	if err != nil {
		return goproxy.Meta{}, err
	}
	return c.Stat(ctx, f)
}

// Fetch implements goproxy.Fetcher.
func (r *Router) Fetch(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	c, err := r.chain(ctx, f.Path)
	if err != nil {
		return goproxy.Meta{}, err
	}
	return c.Fetch(ctx, f, dst)
}

// Ahead reports whether files of a module may be fetched before anybody asks for them. What looks internal is asked for when a client
// does, or not at all.
func (r *Router) Ahead(path string) bool {
	if rule := r.rules.Of(path); rule.Route >= 0 {
		return r.routes[rule.Route].Ahead(path)
	}
	return r.leaks.Looks(path) == "" && r.rest.Ahead(path)
}

// Status returns what is known of all upstreams of the pool.
func (r *Router) Status() Status {
	s := r.rest.pool.status()
	r.rest.degraded(&s)
	for _, c := range r.routes {
		c.degraded(&s)
	}
	return s
}

// A Route is who is asked for a module, in order.
type Route struct {
	goproxy.Rule
	Groups  [][]*Upstream // those of one group stand in for each other
	Direct  bool          // version control comes last
	Skipped int           // how many entries are not asked, since they are public
}

// Route says who is asked for a module. It asks nobody.
func (r *Router) Route(path string) Route {
	route := Route{Rule: r.rules.Of(path)}
	c := r.rest
	if route.Rule.Route >= 0 {
		c = r.routes[route.Rule.Route]
	}
	groups := c.all
	if route.Private != "" {
		groups = c.private
		route.Skipped = len(c.Upstreams())
	}
	for _, g := range groups {
		route.Groups = append(route.Groups, g.members)
		if route.Private != "" {
			route.Skipped -= len(g.members)
		}
	}
	route.Direct = c.direct(route.Rule)
	return route
}

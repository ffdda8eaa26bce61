package config

import (
	"path"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// everyModule is the pattern of the line in the key routes that takes the place of upstreams.
const everyModule = "*"

// A routeLine is a line of the key routes, as it was written.
type routeLine struct {
	patterns string // with commas between
	list     string
	more     []string
}

// readRoutes cuts the text of the key into lines and words. Lines end with a newline or a ';'.
func readRoutes(text string) []routeLine {
	var all []routeLine
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == ';' }) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0][0] == '#':
		case len(words) == 1:
			all = append(all, routeLine{patterns: words[0]})
		default:
			all = append(all, routeLine{words[0], words[1], words[2:]})
		}
	}
	return all
}

// maskRoutes returns the text without users and passwords, one route a line.
func maskRoutes(text string) string {
	var lines []string
	for _, l := range readRoutes(text) {
		if !maskable(entries(l.list)) || strings.Contains(l.patterns+strings.Join(l.more, ""), "@") {
			return maskAll(text)
		}
		lines = append(lines, strings.TrimSpace(strings.Join(append([]string{l.patterns, MaskList(l.list)}, l.more...), " ")))
	}
	return strings.Join(lines, "\n")
}

// Routes returns the routes, but for the one of every module, which is in UpstreamList; none where offline is on. The error is an *Error.
func (c *Config) Routes() ([]goproxy.Route, error) {
	if c.isOffline() {
		return nil, nil
	}
	return c.routes()
}

func (c *Config) routes() ([]goproxy.Route, error) {
	if err := c.checkRouteMask(); err != nil {
		return nil, err
	}
	var all []goproxy.Route
	for _, l := range readRoutes(c.RouteLines) {
		routes, err := c.readRoute(l)
		if err != nil {
			return nil, err
		}
		if l.patterns != everyModule {
			all = append(all, routes...)
		}
	}
	return all, nil
}

func (c *Config) checkRouteMask() error {
	for _, l := range readRoutes(c.RouteLines) {
		if err := c.checkMask("routes", l.list, entries(l.list)); err != nil {
			return err
		}
		if strings.Contains(l.patterns+strings.Join(l.more, ""), "@") {
			return c.problem("routes", "%q cannot be read; in a user or a password everything but letters, digits, - . _ ~ is written as %%XX", maskAll(c.RouteLines))
		}
	}
	return nil
}

// readRoute returns a route for each pattern of a line.
func (c *Config) readRoute(l routeLine) ([]goproxy.Route, error) {
	public := len(l.more) == 1 && l.more[0] == "public"
	if l.list == "" || len(l.more) > 0 && !public {
		return nil, c.problem("routes", "%q is not PATTERNS LIST or PATTERNS LIST public, such as `git.corp.example/* direct`", maskRoutes(l.patterns+" "+l.list+" "+strings.Join(l.more, " ")))
	}
	ups, err := goproxy.ParseUpstreams(l.list)
	if err != nil {
		return nil, c.problem("routes", "%s: %s", l.patterns, err.Error())
	}
	for _, u := range ups {
		if c.isSelf(u.URL) {
			return nil, c.problem("routes", "%s is this very server, which would ask itself without end", goproxy.Redact(u.URL))
		}
	}
	var all []goproxy.Route
	for p := range strings.SplitSeq(l.patterns, ",") {
		switch {
		case goproxy.BadPattern(p) != "":
			return nil, c.problem("routes", "%q is no pattern of module paths", p)
		case p == everyModule && (l.patterns != everyModule || public):
			return nil, c.problem("routes", "the line of %s, for all other modules, has that pattern and a list alone", everyModule)
		}
		all = append(all, goproxy.Route{Pattern: p, Upstreams: ups, Public: public})
	}
	return all, nil
}

// everyRoute returns the list of the route of every module; "" where there is none.
func (c *Config) everyRoute() string {
	for _, l := range readRoutes(c.RouteLines) {
		if l.patterns == everyModule {
			return l.list
		}
	}
	return ""
}

// NamesUpstreams reports whether the settings say where modules come from, and not the GOPROXY of this machine.
func (c *Config) NamesUpstreams() bool { return c.Upstreams != "" || c.everyRoute() != "" }

// allUpstreams returns the upstreams of all lists that are in place, each once.
func (c *Config) allUpstreams() ([]goproxy.Upstream, error) {
	e, err := c.effectiveUpstreams()
	if err != nil {
		return nil, err
	}
	routes, err := c.routes()
	seen := make(map[string]bool)
	var all []goproxy.Upstream
	for _, list := range append([]goproxy.Route{{Upstreams: e.ups}}, routes...) {
		for _, u := range list.Upstreams {
			if !seen[u.URL] {
				all = append(all, u)
			}
			seen[u.URL] = true
		}
	}
	return all, err
}

func (c *Config) checkRoutes() error {
	routes, err := c.routes()
	if err != nil {
		return err
	}
	n := 0
	for _, l := range readRoutes(c.RouteLines) {
		if l.patterns == everyModule {
			n++
		}
	}
	if n > 1 || n == 1 && c.Upstreams != "" {
		return c.problem("routes", "the list for all other modules stands twice; it is upstreams, or one line that begins with %s", everyModule)
	}
	if a, b, found := goproxy.Ambiguous(c.Private, routes); found {
		return c.problem("routes", "%s and %s may match the same module, and neither is more specific; write one of them more exactly", a, b)
	}
	return nil
}

// checkPrivate refuses what could match nothing: a name that was meant would leave.
func (c *Config) checkPrivate() error {
	if !c.IsSet("private") {
		return nil
	}
	for p := range strings.SplitSeq(c.Private, ",") {
		if _, err := path.Match(p, ""); err != nil {
			return c.problem("private", "%q is no pattern of module paths", p)
		}
	}
	return nil
}

func (c *Config) checkOwnDomains() error {
	for _, d := range c.OwnDomainList() {
		if !isHost(d) || strings.HasPrefix(d, ".") || d == "" {
			return c.problem("own-domains", "%q is no domain; one looks like corp.example", d)
		}
	}
	return nil
}

// OwnDomainList returns the domains of the key own-domains.
func (c *Config) OwnDomainList() []string {
	if c.OwnDomains == "" {
		return nil
	}
	all := strings.Split(c.OwnDomains, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

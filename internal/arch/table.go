package arch

// The table of DESIGN.md, "The layout". What is in no row may import internal/goproxy
// alone, and the package it lies in, if any.
var table = map[string][]string{
	"internal/goproxy": {},
	"internal/config":  {"internal/goproxy", "internal/msg"},
	"internal/msg":     {},
	"internal/proxy":   {"internal/goproxy", "internal/store"},

	// It hears what all of these tell, in their words, and hands each what it needs as an interface of others.
	"internal/telemetry": {"internal/goproxy", "internal/proxy", "internal/server", "internal/upstream"},

	"internal/doctor":       {"internal/goproxy", "internal/store", "internal/audit", "internal/doctor/trace"},
	"internal/doctor/trace": {},

	"internal/server":    over,
	"internal/dashboard": over,
	"internal/mirror":    over,

	"internal/proxytest": {}, // so that a mistake of goproxy cannot hide itself in a test
	"internal/storetest": {"internal/goproxy", "internal/store"},
	"internal/arch":      {},
	"internal/inflate":   {},
	"internal/lru":       {},
	"internal/pcap":      {},
}

// over is for what stands on types and interfaces only.
var over = []string{"internal/goproxy", "internal/store", "internal/audit"}

// leaves know nothing of modules and may be imported from everywhere but the bottom.
var leaves = []string{"internal/inflate", "internal/lru", "internal/pcap"}

// bottom is what lies below the leaves or beside them.
var bottom = []string{"internal/goproxy", "internal/config", "internal/msg", "internal/inflate", "internal/lru", "internal/pcap", "internal/proxytest", "internal/arch"}

// tests are the packages that only tests and tools use.
var tests = []string{"internal/proxytest", "internal/storetest", "internal/arch"}

// tools are the programs for developers. They and cmd may import everything.
var tools = []string{"bench", "conformance"}

// modules says who may import which other module, beside the common ones.
var modules = map[string][]string{
	"bench":                 {"golang.org/x/tools"},
	"cmd/modhaven":          {"go.opentelemetry.io/otel/trace", "github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/schollz/progressbar/v3", "golang.org/x/term", "golang.org/x/text"},
	"conformance":           {"golang.org/x/tools"},
	"internal/certs":        {"golang.org/x/crypto/acme", "github.com/gofrs/flock"},
	"internal/config":       {"github.com/goccy/go-yaml"},
	"internal/access":       {"golang.org/x/crypto/bcrypt", "golang.org/x/time/rate", "github.com/gofrs/flock"},
	"internal/ledger":       {"modernc.org/sqlite"},
	"internal/msg":          {"golang.org/x/text"},
	"internal/doctor":       {"golang.org/x/net", "golang.org/x/time/rate"}, // DNS messages, and which requests an HTTP proxy is for; how often a server is examined
	"internal/doctor/trace": {"golang.org/x/net", "golang.org/x/crypto"},    // DNS messages; TLS ones
	"internal/gocmd":        {"github.com/gofrs/flock"},
	"internal/proxy":        tracing,
	"internal/server":       append([]string{"go.opentelemetry.io/otel/propagation"}, tracing...),
	"internal/telemetry":    {"github.com/prometheus/client_golang", "github.com/prometheus/client_model", "go.opentelemetry.io/otel", "go.opentelemetry.io/contrib/bridges/prometheus"},
	"internal/upstream":     tracing,
	"internal/store":        {"github.com/gofrs/flock"},
	"internal/sumlog":       {"github.com/gofrs/flock"},
	"internal/proxytest":    {"go.uber.org/goleak", "golang.org/x/tools"},
}

// tracing is the part of OpenTelemetry that says what to trace. How, is known to internal/telemetry alone.
var tracing = []string{"go.opentelemetry.io/otel/trace", "go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes"}

// common returns the modules that dir may import without being named: the Go project's
// own small ones, of which the bottom takes golang.org/x/mod alone.
func common(dir string) []string {
	if dir == "internal/goproxy" {
		return []string{"golang.org/x/mod"}
	}
	return []string{"golang.org/x/mod", "golang.org/x/sync", "golang.org/x/sys"}
}

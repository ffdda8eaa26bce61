// Package config is what a person can set: one struct, read from flags, the
// environment and one YAML file, checked whole, and printed again.
//
// It opens no connection and writes nothing. The comments of Config's fields are the
// manual: the flags' help and docs/configuration.md are made from them
// (go generate ./internal/config).
package config

import "time"

//go:generate go test -run ^TestGenerated$ -update .

// A Config is every setting, with its effective value after Load. A comment's first
// sentence is the help of the flag; the whole of it stands in docs/configuration.md.
type Config struct {
	// A set of defaults for a kind of use. Whatever else is set goes before it, and
	// `modhaven config print` shows all of it; docs/hardening.md says what each is for.
	Preset string `key:"preset" arg:"NAME" oneof:"laptop ci team enterprise" optional:"true"`

	// The address to listen on, HOST:PORT. Port 0 takes any free port. An empty host
	// means every address of the machine.
	//
	// Beyond loopback (127.0.0.0/8, ::1, localhost) the server starts only where `auth` says who
	// may ask.
	Listen string `key:"listen" arg:"HOST:PORT" default:"127.0.0.1:3000"`

	// The directory that holds all state: modules, lists, checksums and the files being
	// downloaded. It is made where it is missing. When empty it is `modhaven` in the
	// user's cache directory; a relative one is below the working directory. Several
	// processes may use one directory.
	State string `key:"state" arg:"DIR" empty:"modhaven in the user's cache directory"`

	// Where modules come from: a list with the syntax and the meaning of GOPROXY.
	// Entries are addresses, `direct` or `off`. After `,` the next entry is asked only when
	// this one answers 404 or 410, after `|` on any failure. An entry may also be the name
	// of a list:
	//
	//   - `default`: proxy.golang.org.
	//   - `cn`: the public proxies that serve mainland China, the default one last. The
	//     checksum database is then also asked at its mirror sum.golang.google.cn.
	//
	// When empty it is the GOPROXY that the go command of this machine would use
	// (environment, `go env -w`, GOROOT/go.env), without entries that are this very server.
	//
	// A `,` guards private names: a company's proxy before it is the only one that ever
	// hears of a module it knows. The price is that its outage stops public modules too;
	// see `failover`.
	//
	// At the end of the list `direct` fetches straight from version control, for which the go
	// command and git must be installed: modules that match `private`, and all modules where
	// the list has no other entry. A public module that no proxy has stays absent, so that
	// nobody sends this machine to hosts of his choice; a client whose own list ends in
	// `direct` goes there itself.
	Upstreams string `key:"upstreams" arg:"LIST" empty:"the GOPROXY of this machine"`

	// Options of single upstreams, one upstream a line. A line is the upstream's address as
	// it stands in `upstreams`, without the user and the password if you like, or `*` for all
	// of them; then options NAME=VALUE with blanks between. In a file:
	//
	//	upstream_options: |
	//	  https://goproxy.corp.example ca=/etc/ssl/corp.pem bearer-file=/run/secrets/goproxy
	//	  https://proxy.golang.org proxy=http://proxy.corp.example:3128
	//	  * attempts=3
	//
	// In a flag or a variable `;` stands for the end of a line. A value with blanks or a `;`
	// stands in double quotes. Lines that begin with `#` are comments. What is set for an
	// upstream itself goes before what is set for `*`. An upstream that stands in the list by
	// the name of a list (`default`, `cn`) is meant by its address. Relative files are below
	// the working directory. The options:
	//
	//   - `ca=FILE`: further certificate authorities to trust, in PEM.
	//   - `cert=FILE`, `key=FILE`: a client certificate and its private key, in PEM.
	//   - `proxy=URL`: the HTTP proxy to go through, http:// or https://, where it needs them
	//     with user and password; `direct` for none. Else HTTPS_PROXY and its like count.
	//   - `bearer-file=FILE`: a file with a token that is sent as `Authorization: Bearer`.
	//   - `headers-file=FILE`: a file with lines `Name: value`, added to each request.
	//   - `netrc=on|off`: whether a user and a password come from netrc where there are none else.
	//   - `weight=0..100`: percent of the questions that this upstream is asked first, of those
	//     that `|` joins. With 0 the order of the list alone counts.
	//   - `dial`, `tls`, `first`, `zip`, `idle`: durations; how long may pass until the connection,
	//     until its encryption, until the first byte of an answer, until that of a zip, and
	//     between the bytes of a body.
	//   - `min-speed=SIZE|off`: bytes a second below which a download counts as hanging.
	//   - `attempts=1..100`: how often one question is asked of it at most, the first time included.
	//   - `retries=0..1000`: percent of the questions that may be asked again.
	//   - `hedge=on|off`: whether a slow answer is asked of the next upstream too, and the first
	//     one taken.
	//   - `hedge-after=DURATION`: when an answer counts as slow, in place of what is usual for
	//     the upstream.
	//   - `ahead=on|off`: whether files are fetched from it before anybody asks for them
	//     (`read_ahead`).
	//   - `concurrency=4..1024`: how many requests are under way at once at most.
	//   - `segments=1..32`: in how many streams at once a large zip comes at most, where one is slow
	//     and several are faster; 8 by default, 1 for never more than one.
	//   - `check=DURATION|off`: the time between two health checks.
	//   - `breaker=on|off`: whether it is left alone while it fails, until a check finds it well.
	Options string `key:"upstream-options" arg:"OPTIONS" lines:"true"`

	// The netrc file with users and passwords (or tokens) for `direct`: for git over HTTPS and for
	// the pages that say where a module's repository is. Nothing else is read from it.
	DirectNetrc string `key:"direct-netrc" arg:"FILE"`

	// The git configuration for `direct`, in place of the user's: credential helpers, headers,
	// certificates, an `insteadOf` that has hosts fetched by SSH.
	DirectGitConfig string `key:"direct-git-config" arg:"FILE"`

	// Credentials for `direct`, one host a line: the host, with its port where that is not 443,
	// and options NAME=VALUE. In a file:
	//
	//	direct_credentials: |
	//	  git.corp.example user=robot token-file=/run/secrets/git
	//	  gitlab.corp.example:8443 token-command="/usr/bin/vault kv get -field=token git" every=10m
	//	  gerrit.corp.example ssh-key=/etc/modhaven/id known-hosts=/etc/modhaven/known_hosts
	//	  github.com github-app=12345 installation=678 app-key=/etc/modhaven/app.pem
	//
	// In a flag or a variable `;` stands for the end of a line. A value with blanks or a `;`
	// stands in double quotes. Each goes to its own host and port alone, over https or ssh. One of
	// these says where a token or a password is:
	//
	//   - `token-file=FILE`: in a file, which is read each time.
	//   - `token-env=NAME`: in a variable of this process.
	//   - `token-command=COMMAND`: printed by a command, which is run without a shell, with this process's
	//     environment, and for at most 30 seconds.
	//   - `helper=HELPER`: from a git credential helper: the name behind `git credential-`, or the
	//     whole path of a program, with arguments.
	//   - `github-app=ID`, `installation=ID`, `app-key=FILE`: a token of a GitHub App, renewed before
	//     it ends. `api=URL` is needed where GitHub's API is not at its usual address.
	//
	// and beside it, or alone:
	//
	//   - `user=NAME`: the user that belongs to the token; default x-access-token.
	//   - `every=DURATION`: how long what the command or the helper gave is used before it is asked
	//     again; default 5m. It is asked at once where the host refuses it.
	//   - `ssh-key=FILE`, `known-hosts=FILE`: the host's repositories are fetched by SSH with this key,
	//     from a host with one of these keys (as `ssh-keyscan` prints them).
	//   - `ssh-address=ssh://USER@HOST:PORT`: where SSH is, if not at git@ and the host itself.
	DirectCredentials string `key:"direct-credentials" arg:"CREDENTIALS" lines:"true"`

	// Whether nothing but what is stored is served. With `on` it is as if `upstreams` were
	// `off`, while the list and its options may stay in place.
	Offline string `key:"offline" arg:"SWITCH" default:"off" oneof:"off on"`

	// The checksum database to serve and to ask, with the syntax of GOSUMDB. It is a
	// name, or a verifier key, either followed by an address; or `off`. When empty it is the
	// GOSUMDB that the go command of this machine would use.
	SumDB string `key:"sumdb" arg:"SPEC" empty:"the GOSUMDB of this machine"`

	// The name of a checksum database of one's own to keep and to serve, as sum.corp.example.
	// Private modules are recorded in it as they were first served, public ones as the public
	// database has them. The go command then verifies private modules too. It needs
	// `sumdb_own_key`; docs/own-checksum-database.md says how to set it up.
	SumDBOwn string `key:"sumdb-own" arg:"NAME"`

	// The file with the signer key of `sumdb_own`, which `modhaven sumdb key` makes.
	SumDBOwnKey string `key:"sumdb-own-key" arg:"FILE"`

	// What happens to a public module's file while the checksum database cannot be asked. With
	// `serve` it is served and stored as unverified: counted, listed by
	// `modhaven ledger show --unverified`, verified when the database is back, and taken out of the
	// store if it is wrong. With `refuse` clients get 503 and the reason. A file that the database
	// contradicts is never served.
	Unreachable string `key:"checksum-unreachable" arg:"POLICY" default:"serve" oneof:"serve refuse"`

	// Modules that are not verified for a while, one exception a line: patterns with the syntax of
	// GONOSUMDB, the last day of the exception (in UTC), and why. In a file:
	//
	//	checksum_bypass: |
	//	  github.com/example/moved 2026-12-31 the tag v1.2.0 was moved, see ticket 4711
	//
	// In a flag or a variable `;` stands for the end of a line. Each use is logged. After its last
	// day an exception does nothing. There is no other way round verification for a public module.
	Bypass string `key:"checksum-bypass" arg:"EXCEPTIONS" lines:"true"`

	// Patterns of module paths that are private, with the syntax of GOPRIVATE. What matches
	// is never asked of a well-known public proxy nor of a public checksum database. Upper and
	// lower case are the same.
	Private string `key:"private" arg:"PATTERNS"`

	// Where modules of some paths come from, in place of `upstreams`. It is one route a line: patterns
	// with the syntax of GOPRIVATE, and a list as in `upstreams`. In a file:
	//
	//	routes: |
	//	  git.corp.example/*       direct
	//	  corp.example             https://goproxy.corp.example,direct
	//	  github.com/our-org/open  default public
	//	  *                        default
	//
	// In a flag or a variable `;` stands for the end of a line. The most specific pattern counts. The
	// line `*` stands for `upstreams`, for all modules that no other line names. Modules of a route
	// that has no well-known public proxy in its list are private, as if they stood in
	// `private`, unless the line ends in `public`. That word also takes modules out of a `private` pattern that
	// is less specific.
	RouteLines string `key:"routes" arg:"ROUTES" lines:"true"`

	// What happens to a module whose host looks internal and that no rule covers. It is looked at before a
	// public server is asked for it. With `warn` it is logged once a host and counted, with the setting to add; with `refuse` clients get 403 and the reason. A host looks internal by its
	// name (.internal, .corp, .lan, .local and such, or below `own_domains`), or where DNS has only
	// private addresses for it.
	LeakGuard string `key:"leak-guard" arg:"RULE" default:"warn" oneof:"warn refuse off"`

	// The domains of the organisation, with commas between, as corp.example. Modules on hosts
	// of theirs look internal to `leak_guard`.
	OwnDomains string `key:"own-domains" arg:"DOMAINS"`

	// What a `,` in `upstreams` means for modules that match no private pattern. With
	// `strict` it means what it means to the go command. With `any` it means `|`: the next
	// entry is asked after any failure, so that one dead entry does not stop public modules.
	Failover string `key:"failover" arg:"RULE" default:"strict" oneof:"strict any"`

	// Who may ask. Without it nobody is asked for a credential, and the server listens on
	// loopback alone. With `none` it is anyone who reaches the address. Else it is the kinds of
	// credentials that are taken, one a line:
	//
	//   - `token [FILE]`: tokens that `modhaven token` makes, in STATE/tokens or another file.
	//   - `htpasswd FILE`: users and passwords, hashed by bcrypt.
	//   - `oidc URL audience=TEXT [name=CLAIM] [groups=CLAIM,…] [require=CLAIM=VALUE,…]`: tokens of an
	//     OpenID Connect provider, such as that of a CI.
	//   - `certificate FILE`: client certificates, signed by an authority in the file.
	//   - `anonymous`: requests without a credential too, for what no rule of `access` protects.
	//
	// In a flag or a variable `;` stands for the end of a line. Health checks need none.
	Auth string `key:"auth" arg:"KINDS" lines:"true"`

	// Who may read which modules, one rule a line: a group, patterns with the syntax of
	// GOPRIVATE, and `hide` where others are told that there is no such module. In a file:
	//
	//	access: |
	//	  dev git.corp.example,corp.example/*
	//	  token:ci git.corp.example/deploy hide
	//
	// Instead of a group it may be `everyone` (with a credential), `anonymous`, or one identity as
	// KIND:NAME. What a rule names may be read by those groups alone, what none names by all.
	Access string `key:"access" arg:"RULES" lines:"true"`

	// How many requests an identity, or an address without one, may make: as `50/s` or
	// `600/m burst 5000`. What is more gets 429 and the time to wait.
	RateLimit string `key:"rate-limit" arg:"RATE" empty:"no limit"`

	// Whether another server in front of this one ends TLS, so that credentials may come in
	// without it.
	TLSElsewhere string `key:"tls-elsewhere" arg:"SWITCH" default:"off" oneof:"off on"`

	// The file with the certificate chain, in PEM, to answer over TLS. It needs `tls_key`.
	// Both files are read again when they change.
	TLSCert string `key:"tls-cert" arg:"FILE"`

	// The file with the private key, in PEM, that belongs to `tls_cert`.
	TLSKey string `key:"tls-key" arg:"FILE"`

	// Hosts for which certificates are got by ACME (RFC 8555), and options. The hosts stand with
	// commas between; then there may be:
	//
	//   - `email=ADDRESS`: where the authority writes to.
	//   - `directory=URL`: the authority; default Let's Encrypt, https://acme-v02.api.letsencrypt.org/directory.
	//   - `http=HOST:PORT`: an address to listen on for challenges of type http-01, and to send all
	//     else that comes there to https. The authority asks at port 80.
	//
	// Without `http` the challenge is tls-alpn-01, for which the authority asks port 443 of the host: it
	// must lead to `listen`. The terms of service of the authority are agreed to. Account and
	// certificates are kept in STATE/acme, and renewed 30 days before they end.
	TLSACME string `key:"tls-acme" arg:"HOSTS"`

	// Whether to answer over TLS with a certificate of an authority of one's own. With `on` that is
	// made once, in STATE/tls, and gives out a certificate for the host of `listen`, the name of this
	// machine and loopback; a list of names and addresses with commas between adds these. The
	// authority can vouch for these names alone. How to trust it is printed at the start; its
	// certificate is also at /ca.pem.
	TLSSelfSigned string `key:"tls-self-signed" arg:"NAMES" empty:"off"`

	// How long lists of versions and @latest are answered without asking upstream again.
	Fresh time.Duration `key:"fresh" arg:"DURATION" default:"1m" min:"0s"`

	// How long a request waits for upstream when there is an older answer. After that
	// the older answer is given and marked stale; the question to upstream goes on.
	RefreshBudget time.Duration `key:"refresh-budget" arg:"DURATION" default:"3s" min:"1ms"`

	// How often lists of versions and @latest that are in use are asked again in the
	// background. So clients need not wait for those; 0 means never.
	ListRefresh time.Duration `key:"list-refresh" arg:"DURATION" default:"30s" min:"0s"`

	// Whether files are fetched before they are asked for, as the go command goes through a
	// module's requirements. What clients have asked for goes first; private modules are never
	// fetched so.
	ReadAhead string `key:"read-ahead" arg:"SWITCH" default:"on" oneof:"on off"`

	// How long a request may wait for an upstream to come back, counted from the start of
	// the outage. Within this time the client sees a slow answer in place of a failure; 0
	// means that nothing waits. `modhaven exec` waits for 5 minutes where this is not set.
	Patience time.Duration `key:"patience" arg:"DURATION" default:"45s" min:"0s"`

	// How many files are fetched from upstream at once. Further ones wait their turn;
	// files that are stored never wait.
	Fills int `key:"fills" arg:"N" default:"128" min:"1" max:"65536"`

	// How long a download may stand still. One that has received no byte for this long is
	// broken off and tried again; there is no limit on its whole time.
	Idle time.Duration `key:"idle" arg:"DURATION" default:"15s" min:"1ms"`

	// How much memory keeps small files at hand. 0 keeps none.
	Memory Size `key:"memory" arg:"SIZE" default:"16MiB" min:"0B"`

	// How many connections from clients are open at once. Further ones wait in the
	// system's queue.
	Connections int `key:"connections" arg:"N" default:"10000" min:"1" max:"1000000"`

	// How long the end is held back after SIGTERM or an interrupt. New connections are
	// refused at once; running answers and downloads may finish within this time.
	Drain time.Duration `key:"drain" arg:"DURATION" default:"30s" min:"0s"`

	// The DNS servers to ask for the addresses of upstreams. Each is HOST or HOST:PORT, with
	// commas between; the port is 53 where there is none. When empty they are the system's.
	DNS string `key:"dns" arg:"LIST" empty:"the system's"`

	// Whether /metrics is served. It is open to whoever reaches the address.
	Metrics string `key:"metrics" arg:"SWITCH" default:"on" oneof:"on off"`

	// Where traces and metrics are sent. It is an address that takes OTLP over HTTP, such as
	// http://127.0.0.1:4318; credentials go into the variable OTEL_EXPORTER_OTLP_HEADERS.
	// When empty no telemetry leaves this machine.
	OTLP string `key:"otlp" arg:"URL" empty:"nowhere"`

	// What share of the traces is kept, in percent. It counts where `otlp` is set.
	OTLPSample int `key:"otlp-sample" arg:"PERCENT" default:"100" min:"0" max:"100"`

	// The least severe events that are logged. The log goes to standard error.
	LogLevel string `key:"log-level" arg:"LEVEL" default:"info" oneof:"debug info warn error"`

	// The form of the log: lines for people or JSON for programs.
	LogFormat string `key:"log-format" arg:"FORMAT" default:"text" oneof:"text json"`

	// Whether each request is logged when it is answered, one line at level info. The line
	// has the id of the trace; it is JSON where `log_format` says so.
	AccessLog string `key:"access-log" arg:"SWITCH" default:"off" oneof:"off on"`

	origin map[string]Origin // by key name; a missing one is the default
	goEnv  *GoEnv
}

// Origin returns where the value of the named key came from.
func (c *Config) Origin(name string) Origin { return c.origin[name] }

// IsSet reports whether any source has set the named key, be it to its default.
func (c *Config) IsSet(name string) bool { return c.origin[name].Kind != FromDefault }

// GoEnv returns the go command's settings that stand in for empty keys.
func (c *Config) GoEnv() *GoEnv { return c.goEnv }

// TLS reports whether the server answers over TLS.
func (c *Config) TLS() bool { return c.TLSCert != "" || c.TLSACME != "" || c.SelfSigned() }

// SelfSigned reports whether the certificate is of an authority of one's own.
func (c *Config) SelfSigned() bool { return c.TLSSelfSigned != "" && c.TLSSelfSigned != "off" }

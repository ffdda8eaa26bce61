package proxytest

// An Option says how an upstream is set up: what it serves and which oddities of real
// ones it has.
type Option func(*setup)

type setup struct {
	mods        []Module
	noFixtures  bool
	dbs         []*SumDB
	security    security
	noLatest    bool
	unknown     int
	redirect    bool
	pseudo      bool
	spaced      bool
	gzip        bool
	noETag      bool
	ranges      Ranges
	everyAnswer Fault
}

// Modules are served beside the fixtures, or in place of the same version there.
func Modules(mods ...Module) Option {
	return func(s *setup) { s.mods = append(s.mods, mods...) }
}

// NoFixtures leaves the fixtures out.
func NoFixtures() Option { return func(s *setup) { s.noFixtures = true } }

// WithSumDB serves db below /sumdb/NAME/, as one server's requests: they are in the
// upstream's log, not in the database's. What the upstream has and the database has not,
// the database gets.
func WithSumDB(db *SumDB) Option { return func(s *setup) { s.dbs = append(s.dbs, db) } }

// TLS serves https with HTTP/2. See [Server.Client] and [Server.CertFile].
func TLS() Option { return func(s *setup) { s.security = tls2 } }

// TLS1 serves https with HTTP/1.1 only.
func TLS1() Option { return func(s *setup) { s.security = tls1 } }

// NoLatest answers every @latest with 404.
func NoLatest() Option { return func(s *setup) { s.noLatest = true } }

// Forbid answers for unknown modules and versions with 403 in place of 404.
func Forbid() Option { return func(s *setup) { s.unknown = 403 } }

// Gone answers for unknown modules and versions with 410 in place of 404.
func Gone() Option { return func(s *setup) { s.unknown = 410 } }

// RedirectZips answers for a zip with a redirect to Upstream.Storage.
func RedirectZips() Option { return func(s *setup) { s.redirect = true } }

// ListPseudo has pseudo-versions in lists.
func ListPseudo() Option { return func(s *setup) { s.pseudo = true } }

// SpacedInfo indents every .info, puts keys on lines of their own, and ends it with a newline.
func SpacedInfo() Option { return func(s *setup) { s.spaced = true } }

// Gzip compresses .info, .mod, lists and @latest for clients that accept it.
func Gzip() Option { return func(s *setup) { s.gzip = true } }

// NoETag sends none.
func NoETag() Option { return func(s *setup) { s.noETag = true } }

// Chunked never sends a Content-Length.
func Chunked() Option { return EveryAnswer(NoLength()) }

// EveryAnswer gives the fault to every answer of the upstream, such as a Delay, and
// of its storage.
func EveryAnswer(f Fault) Option {
	return func(s *setup) { s.everyAnswer = s.everyAnswer.And(f) }
}

// Ranges is what becomes of a request for a part of a file.
type Ranges int

const (
	RangesHonoured Ranges = iota // 206, If-Range too
	RangesIgnored                // 200 and the whole file
	RangesWrong                  // 206 that claims the range asked for and holds other bytes
	RangesShifted                // 206 that starts at the file's begin and says so
	RangesResized                // 206 whose Content-Range has another total than the file
	RangesRefused                // 416
)

// WithRanges sets what becomes of requests for ranges.
func WithRanges(r Ranges) Option { return func(s *setup) { s.ranges = r } }

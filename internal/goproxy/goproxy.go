// Package goproxy is the vocabulary of the GOPROXY protocol: files, queries,
// what is known of them, who answers them, and the ways in which there is no answer.
//
// It opens no connection and touches no disk. The protocol is that of
// https://go.dev/ref/mod#goproxy-protocol and of "go help goproxy".
package goproxy

import (
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/mod/module"
)

// Sizes that the go command accepts; a larger file is an error while it is read.
const (
	MaxZip  = 500 << 20 // golang.org/x/mod/zip.MaxZipFile
	MaxMod  = 16 << 20  // golang.org/x/mod/zip.MaxGoMod
	MaxInfo = 1 << 20
	MaxList = 32 << 20 // about a million versions
)

// Kind says which of a version's three files is meant.
type Kind uint8

const (
	Info Kind = iota // JSON: version, time, origin
	Mod              // go.mod
	Zip              // the source
)

// String returns the extension without its dot: "info", "mod" or "zip".
func (k Kind) String() string { return [...]string{"info", "mod", "zip"}[k] }

// MaxSize is the most bytes a file of this kind may have.
func (k Kind) MaxSize() int64 { return [...]int64{MaxInfo, MaxMod, MaxZip}[k] }

// A File is one of the three files of one version of one module. Its path and
// version have been checked (module.Check) and the version is canonical, so the
// file never changes.
type File struct {
	module.Version
	Kind Kind
}

// String returns the file as people write it: "example.com/m@v1.2.0.zip".
func (f File) String() string { return f.Path + "@" + f.Version.Version + "." + f.Kind.String() }

// Meta is what is known of some content.
type Meta struct {
	Size    int64     // bytes; negative when unknown
	ETag    string    // strong, made from the content, without quotes; "" when unknown
	From    string    // the upstream it came from, without credentials; "" when not known
	Checked time.Time // when an upstream last confirmed it; zero for what never changes
	Stale   bool      // an upstream should have been asked again and could not be
	Ahead   bool      // it was fetched before anybody asked for it, which this one is the first to do
}

// Content is an answer. The caller closes Body. On a hit Body is an *os.File or a
// *Bytes, so that it can be sent without being copied; only those two can seek
// to bytes that have not arrived yet without waiting.
type Content struct {
	Meta
	Body io.ReadCloser
}

// Arriving is a body that is still being fetched, for who can send parts of files without copying them.
type Arriving interface {
	// Next waits for bytes after those read or sent so far. It returns a file that stands at the first of
	// them, for use until the next call, and how many there are. The error is io.EOF at the end, and
	// errors.ErrUnsupported where they are in no file: then they can be read.
	Next() (file *os.File, n int64, err error)
	// Sent says that n of them have been used. An error means that they were not the final ones.
	Sent(n int64) error
}

// A Source answers what the server asks. Lists and query answers are the upstream's
// own bytes. Errors are *NotFound, *Refused, *Wrong, *Unavailable or the context's.
type Source interface {
	// List returns the known versions of a module, one a line. It may change.
	List(ctx context.Context, path string) (*Content, error)
	// Query returns the .info of a revision, or of query "latest". It may change.
	Query(ctx context.Context, path, query string) (*Content, error)
	// Stat returns what is known of a file and starts no fill.
	Stat(ctx context.Context, f File) (Meta, error)
	// Open returns a file.
	Open(ctx context.Context, f File) (*Content, error)
}

// A Fetcher is what a fill asks: the chain, an HTTP upstream, the go command.
// Errors are as those of Source.
type Fetcher interface {
	List(ctx context.Context, path string) (*Content, error)
	Query(ctx context.Context, path, query string) (*Content, error)
	Stat(ctx context.Context, f File) (Meta, error)
	// Fetch writes the whole file to dst and has it checked there. It returns nil
	// only after dst.Check did.
	Fetch(ctx context.Context, f File, dst Sink) (Meta, error)
}

// A Sink takes a file's bytes in any order; its readers follow the contiguous prefix.
// Its methods must not be called at once, but for WriteAt with ranges that do not overlap.
type Sink interface {
	io.WriterAt
	// SetSize says how long the file will be. It may be called again after Reset.
	SetSize(n int64) error
	// Reset starts over. Readers stay as long as the bytes they were given come again.
	Reset() error
	// Check waits until the file is found whole and right. After a *Wrong it is worth
	// trying another upstream.
	Check(ctx context.Context, from string) error
}

type noFetch struct{}

// WithoutFetch marks ctx so that a Source answers from what is stored and asks no
// upstream: the Disable-Module-Fetch header of https://proxy.golang.org.
func WithoutFetch(ctx context.Context) context.Context {
	return context.WithValue(ctx, noFetch{}, true)
}

// FetchDisabled reports whether ctx was marked by WithoutFetch.
func FetchDisabled(ctx context.Context) bool {
	v, _ := ctx.Value(noFetch{}).(bool)
	return v
}

type client struct{}

// WithClient says in ctx on whose behalf a Source is asked: a client's address without the port.
func WithClient(ctx context.Context, addr string) context.Context {
	return context.WithValue(ctx, client{}, addr)
}

// Client returns what WithClient said, "" where it did not.
func Client(ctx context.Context) string {
	addr, _ := ctx.Value(client{}).(string)
	return addr
}

type aside struct{}

// WithAside lets what a Fetcher does in ctx wait for long without keeping others from their turn: aside calls
// wait while the turn is given up.
func WithAside(ctx context.Context, to func(wait func() error) error) context.Context {
	return context.WithValue(ctx, aside{}, to)
}

// Aside calls wait, which may take long, and returns its error or why there is no turn after it.
func Aside(ctx context.Context, wait func() error) error {
	if to, ok := ctx.Value(aside{}).(func(func() error) error); ok {
		return to(wait)
	}
	return wait()
}

type haveStale struct{}

// WithStale says in ctx that there is an older answer: a Fetcher asks each upstream that works once, and waits for none
// to come back.
func WithStale(ctx context.Context) context.Context { return context.WithValue(ctx, haveStale{}, true) }

// HaveStale reports whether ctx was marked by WithStale.
func HaveStale(ctx context.Context) bool {
	v, _ := ctx.Value(haveStale{}).(bool)
	return v
}

type ahead struct{}

// WithAhead says in ctx that nobody has asked for a thing yet; urgent is closed once somebody does. Until then a Fetcher lets
// all others go first, asks each upstream that works once, and waits for none to come back.
func WithAhead(ctx context.Context, urgent <-chan struct{}) context.Context {
	return context.WithValue(ctx, ahead{}, urgent)
}

// Urgent returns what WithAhead said, nil where somebody waits for the thing, or did not say so.
func Urgent(ctx context.Context) <-chan struct{} {
	urgent, _ := ctx.Value(ahead{}).(<-chan struct{})
	select {
	case <-urgent: // never where it is nil
		return nil
	default:
		return urgent
	}
}

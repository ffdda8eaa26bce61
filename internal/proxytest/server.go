package proxytest

import (
	"bytes"
	"encoding/pem"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Server is an HTTP server on loopback that keeps a log and whose answers can be made
// to fail or to wait. Its methods may be called at any time, from any goroutine, but
// those that can fail the test only from the test's own.
type Server struct {
	URL string // without trailing slash

	t      TB
	http   *httptest.Server
	listen *Listener
	next   http.Handler
	base   Fault // of every answer
	closed chan struct{}
	close  func()

	mu     sync.Mutex
	log    []Request
	logged chan struct{} // closed and replaced at each request
	rules  []*rule
	choose func(*http.Request) Fault
	gates  []*Gate
	inside bool     // may hear of private names
	never  []string // may not be in a request
	leaks  []string // what was, for the end of the test
}

// A Request is one that came, whatever became of it.
type Request struct {
	Method string
	Name   string // the URL's path, percent-decoded once, without leading slash
	Query  string
	Proto  string
	Remote string // the client's address: the same for requests on one connection
	Header http.Header
}

type rule struct {
	pattern string
	fault   Fault
	which   []int
	seen    int
}

// NewServer starts a server for h and registers it with [Dialer]. It is closed when
// the test ends.
func NewServer(t TB, h http.Handler) *Server {
	t.Helper()
	s := newServer(t, h, Fault{})
	s.start(plain)
	return s
}

type security int

const (
	plain security = iota
	tls1           // TLS with HTTP/1.1
	tls2           // TLS with HTTP/2
)

func newServer(t TB, h http.Handler, base Fault) *Server {
	return &Server{t: t, next: h, base: base, closed: make(chan struct{}), logged: make(chan struct{})}
}

func (s *Server) start(sec security) {
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.listen = NewListener(s.http.Listener)
	s.http.Listener = s.listen
	s.http.Config.ConnContext = ConnContext
	s.http.Config.ErrorLog = log.New(panicsOnly{}, "", 0)
	if sec == plain {
		s.http.Start()
	} else {
		s.http.EnableHTTP2 = sec == tls2
		s.http.StartTLS()
	}
	s.URL = s.http.URL
	Register(s.listen.Addr().String())
	s.close = sync.OnceFunc(func() {
		close(s.closed)
		s.http.CloseClientConnections()
		s.http.Close()
	})
	s.t.Cleanup(func() { s.close(); s.tellLeaks() })
}

// panicsOnly drops what net/http logs about broken connections, which are the point here.
type panicsOnly struct{}

func (panicsOnly) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("panic")) {
		return os.Stderr.Write(b)
	}
	return len(b), nil
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.listenFor(r)
	p := s.arrive(name, r)
	newWriter(w, r, p, s.closed).serve(s.next)
}

// arrive writes the request down and decides what goes wrong with it.
func (s *Server) arrive(name string, r *http.Request) *plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, Request{r.Method, name, r.URL.RawQuery, r.Proto, r.RemoteAddr, r.Header.Clone()})
	close(s.logged)
	s.logged = make(chan struct{})
	faults := []Fault{s.base}
	for _, rule := range s.rules {
		if !match(rule.pattern, name) {
			continue
		}
		if rule.seen++; len(rule.which) == 0 || slices.Contains(rule.which, rule.seen) {
			faults = append(faults, rule.fault)
		}
	}
	if s.choose != nil {
		faults = append(faults, s.choose(r))
	}
	for _, g := range s.gates {
		if match(g.pattern, name) {
			faults = append(faults, g.fault())
		}
	}
	return newPlan(faults...)
}

// Fail gives the fault to the requests that match pattern (see [Server.Requests]) from
// now on: to all of them, or to those counted in which, the first being 1.
func (s *Server) Fail(pattern string, f Fault, which ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &rule{pattern: pattern, fault: f, which: which})
}

// FailFunc asks f for the fault of each request. f must not call the server.
func (s *Server) FailFunc(f func(*http.Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.choose = f
}

// Heal ends all that Fail and FailFunc began, for the requests to come.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.choose = nil, nil
}

// Requests counts the requests that came for a name, such as
// "example.com/plain/@v/list". In a pattern each '*' stands for any text, slashes too.
func (s *Server) Requests(pattern string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.log {
		if match(pattern, r.Name) {
			n++
		}
	}
	return n
}

// Log returns all requests in the order in which they came.
func (s *Server) Log() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Forget empties the log.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// Await waits until at least n requests that match pattern have come.
func (s *Server) Await(pattern string, n int) {
	s.t.Helper()
	guard := time.NewTimer(time.Minute)
	defer guard.Stop()
	for {
		s.mu.Lock()
		more := s.logged
		s.mu.Unlock()
		got := s.Requests(pattern)
		if got >= n {
			return
		}
		select {
		case <-more:
		case <-s.t.Context().Done():
			s.t.Fatalf("proxytest: %d requests for %s, want %d: the test ended", got, pattern, n)
		case <-guard.C:
			s.t.Fatalf("proxytest: %d requests for %s within a minute, want %d", got, pattern, n)
		}
	}
}

// Refuse closes the port and all connections: dials are refused.
func (s *Server) Refuse() {
	s.listen.Refuse()
	s.http.CloseClientConnections()
}

// Accept opens the port again.
func (s *Server) Accept() {
	s.t.Helper()
	if err := s.listen.Resume(); err != nil {
		s.t.Fatalf("proxytest: %v", err)
	}
}

// Client returns a new client that trusts the server's certificate and dials through
// [Dialer]. Its connections are its own, and closed when the test ends.
func (s *Server) Client() *http.Client {
	tr := s.http.Client().Transport.(*http.Transport).Clone()
	tr.DialContext = Dialer{}.DialContext
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// CertFile writes the server's certificate to a file, for SSL_CERT_FILE.
func (s *Server) CertFile() string {
	s.t.Helper()
	name := filepath.Join(s.t.TempDir(), "cert.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	if err := os.WriteFile(name, cert, 0o644); err != nil {
		s.t.Fatal(err)
	}
	return name
}

// match reports whether name fits pattern, in which '*' stands for any text.
func match(pattern, name string) bool {
	parts := strings.Split(strings.TrimPrefix(pattern, "/"), "*")
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[last])
}

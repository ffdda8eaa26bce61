package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// upstreamSettings is what an upstream is started with. It serves the files of Dir by
// their names and answers 404 to all else.
type upstreamSettings struct {
	Dir    string
	Link   link
	Absent time.Duration // how long a 404 takes
	Dead   bool          // accepts connections and never says anything
}

// upstreamStats is what an upstream has seen since it was last asked to forget.
type upstreamStats struct {
	Gets        map[string]int // by extension: "info", "mod", "zip", "list", …
	Heads       int
	Ranges      int // GETs with a Range
	Conns       int
	Bytes       int64 // written to connections, with headers and what never arrived
	Absent      int   // answers 404
	MaxInFlight int   // requests being handled at once
	FirstByte   int64
	Seconds     float64
}

// An upstreamServer is the handler of the role, with its counts.
type upstreamServer struct {
	settings upstreamSettings
	held     []net.Conn // of a dead one
	listener *linkListener

	mu       sync.Mutex
	stats    upstreamStats
	since    time.Time
	before   int64 // bytes, when it was last asked to forget
	inFlight int
}

func runUpstream(ctx context.Context, settings []byte, stdout io.Writer) error {
	u := new(upstreamServer)
	if err := json.Unmarshal(settings, &u.settings); err != nil {
		return err
	}
	u.forget()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if u.settings.Dead {
		go u.acceptAndSayNothing(ln)
	} else {
		s := http.Server{Handler: u, ConnContext: withConn, ConnState: u.countConn}
		u.listener = newLinkListener(ln, u.settings.Link)
		go s.Serve(u.listener)
	}
	go (&http.Server{Handler: http.HandlerFunc(u.control), ReadHeaderTimeout: time.Minute}).Serve(control)
	if err := sayHello(stdout, ln, control); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func (u *upstreamServer) countConn(_ net.Conn, s http.ConnState) {
	if s == http.StateNew {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.stats.Conns++
	}
}

// acceptAndSayNothing holds every connection open for as long as the process lives.
func (u *upstreamServer) acceptAndSayNothing(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		u.countConn(c, http.StateNew)
		u.held = append(u.held, c)
	}
}

func (u *upstreamServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.begin(r)
	defer u.end()
	name := path.Clean(r.URL.Path)
	if conn, ok := r.Context().Value(connKey{}).(*linkConn); ok && strings.HasSuffix(name, ".zip") {
		conn.markNext(u.sawFirstByte)
	}
	if !serveFile(w, r, u.settings.Dir) {
		u.absent(w, r)
	}
}

// serveFile answers with the file below dir that the path names. It reports false, and has not answered, where there is none.
func serveFile(w http.ResponseWriter, r *http.Request, dir string) bool {
	name := path.Clean(r.URL.Path)
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return false
	}
	w.Header().Set("ETag", fmt.Sprintf("\"%x-%x\"", st.Size(), st.ModTime().UnixNano()))
	w.Header().Set("Content-Type", contentType(name))
	http.ServeContent(w, r, "", st.ModTime(), f)
	return true
}

func (u *upstreamServer) absent(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(u.settings.Absent):
	case <-r.Context().Done():
	}
	u.mu.Lock()
	u.stats.Absent++
	u.mu.Unlock()
	http.Error(w, "not found: "+r.URL.Path+": no such module", http.StatusNotFound)
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".info":
		return "application/json"
	case ".zip":
		return "application/zip"
	}
	return "text/plain; charset=UTF-8"
}

func (u *upstreamServer) begin(r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.inFlight++
	u.stats.MaxInFlight = max(u.stats.MaxInFlight, u.inFlight)
	if r.Method == http.MethodHead {
		u.stats.Heads++
		return
	}
	if r.Header.Get("Range") != "" {
		u.stats.Ranges++
	}
	kind := strings.TrimPrefix(path.Ext(path.Base(r.URL.Path)), ".")
	if kind == "" {
		kind = path.Base(r.URL.Path)
	}
	switch kind {
	case "info", "mod", "zip", "list", "@latest":
	default:
		kind = "other"
	}
	u.stats.Gets[kind]++
}

func (u *upstreamServer) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.inFlight--
}

// sawFirstByte remembers when the first byte of the first zip left.
func (u *upstreamServer) sawFirstByte(t time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stats.FirstByte == 0 {
		u.stats.FirstByte = t.UnixNano()
	}
}

func (u *upstreamServer) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats = upstreamStats{Gets: map[string]int{}}
	if u.listener != nil {
		u.before = u.listener.wrote.Load()
	}
	u.since = time.Now()
}

// control answers with the counts, and forgets them where the method is POST.
func (u *upstreamServer) control(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.stats.Seconds = time.Since(u.since).Seconds()
	if u.listener != nil {
		u.stats.Bytes = u.listener.wrote.Load() - u.before
	}
	err := json.NewEncoder(w).Encode(u.stats)
	u.mu.Unlock()
	if err == nil && r.Method == http.MethodPost {
		u.forget()
	}
}

// An upstream is a running upstream, seen from the benchmark.
type upstream struct {
	*server
	controlURL string
}

func (l *lab) startUpstream(settings upstreamSettings) (*upstream, error) {
	s, h, _, err := l.startRole("upstream", settings)
	if err != nil {
		return nil, err
	}
	return &upstream{s, "http://" + h.Control + "/"}, nil
}

// take returns the counts since the last take.
func (u *upstream) take() (upstreamStats, error) {
	var st upstreamStats
	resp, err := http.Post(u.controlURL, "", nil)
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	return st, json.NewDecoder(resp.Body).Decode(&st)
}

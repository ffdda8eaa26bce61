package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// faultySettings is what an upstream with faults is started with. It serves the files of
// Dir by their names; without Dir, the files of [smallFile].
type faultySettings struct {
	Dir  string
	Seed uint64
	Run  int

	Faults  mix
	RTT     time.Duration // before each header
	Latency curve         // of each header; nil for none
	Speed   int           // bytes a second of all answers together; 0 is no limit
	Cut     int64         // every answer is cut after so many bytes on average; 0 is never

	OutageAfter int // requests, after which connections are refused for Outage
	Outage      time.Duration

	TLSResets float64 // share of connections that are reset in the handshake
	CertFile  string  // serves over TLS, and writes its certificate there
	Goodbyes  float64 // share of answers after which the connection is closed
}

// faultyHost is where these upstreams listen. Nothing else does, and no connection begins
// there, so that a port which was closed is free when it is opened again.
const faultyHost = "127.0.0.2"

// faultyStats is what such an upstream has seen since it was last asked to forget.
type faultyStats struct {
	Requests int
	Conns    int
	Bytes    int64          // written to sockets, with headers
	Faults   map[string]int // by kind
	Sick     int            // requests that were answered 503 because it is sick
	Outage   bool           // one has begun and is over
}

// A faultyServer is the role.
type faultyServer struct {
	settings faultySettings
	listen   *proxytest.Listener
	total    *pacer

	mu    sync.Mutex
	nth   map[string]int // requests by path
	seen  int            // requests in all
	dials int
	conns map[net.Conn]struct{}
	stats faultyStats
	sick  bool

	trouble string // why it is of no use any more
}

func runFaulty(ctx context.Context, settings []byte, stdout io.Writer) error {
	var s faultySettings
	if err := json.Unmarshal(settings, &s); err != nil {
		return err
	}
	host := faultyHost
	if s.CertFile != "" {
		host = "127.0.0.1" // httptest's certificate is for that
	}
	ln, err := net.Listen("tcp", host+":0")
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	u := newFaultyServer(s, proxytest.NewListener(ln))
	if err := u.start(); err != nil {
		return err
	}
	go (&http.Server{Handler: http.HandlerFunc(u.control), ReadHeaderTimeout: time.Minute}).Serve(control)
	if err := sayHello(stdout, ln, control); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func newFaultyServer(s faultySettings, ln *proxytest.Listener) *faultyServer {
	u := &faultyServer{settings: s, listen: ln, total: &pacer{rate: s.Speed}, nth: map[string]int{}, conns: map[net.Conn]struct{}{}}
	u.forget()
	return u
}

// server returns the server that is to be started.
func (u *faultyServer) server() *httptest.Server {
	s := httptest.NewUnstartedServer(proxytest.Faulty(http.HandlerFunc(u.file), u.choose))
	s.Listener.Close()
	s.Listener = faultyListener{u.listen, u}
	s.Config.ConnContext = proxytest.ConnContext
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are the point here
	return s
}

// start begins to answer, for the life of the process.
func (u *faultyServer) start() error {
	s := u.server()
	if u.settings.CertFile == "" {
		s.Start()
		return nil
	}
	s.StartTLS() // HTTP/1.1: a handshake for each connection
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return os.WriteFile(u.settings.CertFile, cert, 0o644)
}

func (u *faultyServer) file(w http.ResponseWriter, r *http.Request) {
	if u.settings.Dir != "" {
		if !serveFile(w, r, u.settings.Dir) {
			http.Error(w, "not found: "+r.URL.Path+": no such module", http.StatusNotFound)
		}
		return
	}
	b, ok := smallFile(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", contentType(r.URL.Path))
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}

// choose counts the request and draws what becomes of it.
func (u *faultyServer) choose(r *http.Request) proxytest.Fault {
	size := u.left(r)
	f := proxytest.Delay(u.settings.RTT)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats.Requests++
	u.seen++
	u.nth[r.URL.Path]++
	if u.settings.OutageAfter > 0 && u.seen == u.settings.OutageAfter {
		go u.outage()
	}
	if u.sick {
		u.stats.Sick++
		return f.And(proxytest.Status(http.StatusServiceUnavailable, "sick"))
	}
	rng := key{u.settings.Seed, u.settings.Run, r.URL.Path, u.nth[r.URL.Path]}.rng()
	d := u.settings.Faults.draw(rng, r.URL.Path, size)
	if d.kind != "" {
		u.stats.Faults[d.kind]++
	}
	f = f.And(d.fault())
	if u.settings.Latency != nil {
		f = f.And(proxytest.Delay(u.settings.Latency.at(rng.Float64())))
	}
	if rng.Float64() < u.settings.Goodbyes {
		f = f.And(proxytest.Header("Connection", "close"))
	}
	if u.settings.Cut > 0 {
		f = f.And(u.cut(rng.IntN(2) == 0, cutAfter(rng, u.settings.Cut), size))
	}
	return f
}

// cut is a fault where it comes before the end.
func (u *faultyServer) cut(rst bool, at, size int64) proxytest.Fault {
	switch {
	case at >= size:
		return proxytest.Fault{}
	case rst:
		u.stats.Faults[faultRST]++
		return proxytest.Reset(at)
	}
	u.stats.Faults[faultFIN]++
	return proxytest.Close(at)
}

// left is how many bytes the answer will have.
func (u *faultyServer) left(r *http.Request) int64 {
	st, err := os.Stat(filepath.Join(u.settings.Dir, filepath.FromSlash(r.URL.Path)))
	if u.settings.Dir == "" || err != nil {
		return 0
	}
	return rangeSize(r.Header.Get("Range"), st.Size())
}

// rangeSize is how much of size the header "bytes=FROM-" or "bytes=FROM-TO" asks for; all, where it is another.
func rangeSize(header string, size int64) int64 {
	from, to, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	begin, err := strconv.ParseInt(from, 10, 64)
	if !ok || err != nil || begin < 0 || begin > size {
		return size
	}
	end := size
	if last, err := strconv.ParseInt(to, 10, 64); err == nil && last >= begin && last < size {
		end = last + 1
	}
	return end - begin
}

// outage refuses connections for a while. Those that are open are reset.
func (u *faultyServer) outage() {
	u.refuse()
	time.Sleep(u.settings.Outage)
	u.accept()
	u.mu.Lock()
	u.stats.Outage = true
	u.mu.Unlock()
}

func (u *faultyServer) refuse() {
	u.listen.Refuse()
	u.mu.Lock()
	conns := maps.Clone(u.conns)
	u.mu.Unlock()
	for c := range conns {
		reset(c)
	}
}

func (u *faultyServer) accept() {
	if err := u.listen.Resume(); err != nil {
		u.mu.Lock()
		u.trouble = err.Error()
		u.mu.Unlock()
	}
}

func (u *faultyServer) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats = faultyStats{Faults: map[string]int{}}
}

// control does what the path says, and answers with the counts.
func (u *faultyServer) control(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/refuse":
		u.refuse()
	case "/accept":
		u.accept()
	case "/sick", "/well":
		u.mu.Lock()
		u.sick = r.URL.Path == "/sick"
		u.mu.Unlock()
	}
	u.mu.Lock()
	if u.trouble != "" {
		http.Error(w, u.trouble, http.StatusInternalServerError)
	}
	err := json.NewEncoder(w).Encode(u.stats)
	u.mu.Unlock()
	if err == nil && r.URL.Path == "/forget" {
		u.forget()
	}
}

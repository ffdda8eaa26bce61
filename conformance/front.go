package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A front answers for the target and, where a script asks for one of the test
// proxy's special answers, for the test proxy: no real proxy can serve
// /404/MODULE. It counts what the scripts ask of the target.
type front struct {
	gates   *gates
	target  target
	special *url.URL // the test proxy, with its /mod
	plain   *http.Transport
	srv     *http.Server

	mu       sync.Mutex
	requests map[string]map[string]int // requests that reached the target, by script and kind
	statuses map[int]int               // the target's answers
	faults   []error                   // what a script cannot be blamed for; its leaving early is none
}

func newFront(g *gates, t target, up testProxy) *front {
	f := &front{
		gates: g, target: t, special: &url.URL{Scheme: "http", Host: up.addr, Path: "/mod"}, plain: transport(nil),
		requests: map[string]map[string]int{}, statuses: map[int]int{},
	}
	f.srv = &http.Server{Handler: f, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	return f
}

// serve answers on ln, over TLS with HTTP/2 if there is a certificate.
func (f *front) serve(ln net.Listener, cert *certificate) {
	if cert != nil {
		go f.srv.ServeTLS(ln, cert.certFile, cert.keyFile)
		return
	}
	go f.srv.Serve(ln)
}

func (f *front) close() {
	f.srv.Close()
	f.plain.CloseIdleConnections()
}

// ServeHTTP passes on a request for /mod/….
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	escaped, ok := strings.CutPrefix(r.URL.EscapedPath(), "/mod/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.TLS != nil && r.ProtoMajor != 2 {
		f.fault(fmt.Errorf("%s: the go command speaks %s over TLS, want HTTP/2", r.URL, r.Proto))
	}
	p := &httputil.ReverseProxy{FlushInterval: -1, ErrorLog: f.srv.ErrorLog}
	tail, special := route(escaped)
	if special {
		p.Transport = f.plain
		f.pass(p, w, r, f.special, tail)
		return
	}
	script := f.script(r)
	f.count(script, kindOf(tail))
	p.Transport = f.target.client
	p.ModifyResponse = func(resp *http.Response) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.statuses[resp.StatusCode]++
		return nil
	}
	f.pass(p, w, r, f.target.url, tail)
}

// pass sends r to base + "/" + tail, which is escaped.
func (f *front) pass(p *httputil.ReverseProxy, w http.ResponseWriter, r *http.Request, base *url.URL, tail string) {
	path, err := url.PathUnescape("/" + tail)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	to := below(base, &url.URL{Path: path, RawPath: "/" + tail, RawQuery: r.URL.RawQuery})
	p.Rewrite = func(pr *httputil.ProxyRequest) { pr.Out.URL = to; pr.Out.Host = "" }
	p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		if !errors.Is(err, context.Canceled) {
			f.fault(fmt.Errorf("%s: no answer: %w", to, err))
		}
		http.Error(w, "conformance front: "+err.Error(), http.StatusBadGateway)
	}
	p.ServeHTTP(w, r)
}

// script is the one whose gate r came through.
func (f *front) script(r *http.Request) string {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	return f.gates.script(addr.String())
}

func (f *front) fault(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, err)
}

func (f *front) count(script, kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.requests[script] == nil {
		f.requests[script] = map[string]int{}
	}
	f.requests[script][kind]++
}

// route splits what follows /mod/ into what to ask and of whom: the test proxy
// alone knows redirect/N/…, invalid/…, a status like 404/…, and sumdb-X/…. Below
// sumdb-NNN only the checksum database is special; the rest is a plain request.
func route(tail string) (ask string, special bool) {
	first, rest, _ := strings.Cut(tail, "/")
	code, isSumdb := strings.CutPrefix(first, "sumdb-")
	n, err := strconv.Atoi(code)
	switch isStatus := err == nil && n >= 200; {
	case isSumdb && isStatus && !strings.HasPrefix(rest, "sumdb/"):
		return rest, false
	case isSumdb, isStatus, first == "invalid", first == "redirect":
		return tail, true
	}
	return tail, false
}

// kindOf names what is asked for, in the words of go help goproxy.
func kindOf(tail string) string {
	_, file, versioned := strings.Cut(tail, "/@v/")
	switch {
	case strings.HasPrefix(tail, "sumdb/"):
		return "sumdb"
	case strings.HasSuffix(tail, "/@latest"):
		return "latest"
	case !versioned:
		return "other"
	case file == "list":
		return "list"
	}
	for _, kind := range []string{"info", "mod", "zip"} {
		if strings.HasSuffix(file, "."+kind) {
			return kind
		}
	}
	return "other"
}

package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// startStandin serves in Modhaven's place: it passes every request on to the
// test proxy, and so must equal the baseline. cert is nil for plain HTTP.
func startStandin(up testProxy, cert *certificate) (target, error) {
	base, err := url.Parse(up.url())
	if err != nil {
		return target{}, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return target{}, err
	}
	client, quiet := transport(nil), log.New(io.Discard, "", 0)
	srv := &http.Server{
		Handler: &httputil.ReverseProxy{
			Transport:     client,
			FlushInterval: -1,
			ErrorLog:      quiet,
			Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL = below(base, r.In.URL); r.Out.Host = "" },
		},
		ErrorLog: quiet,
	}
	t := target{
		url:    &url.URL{Scheme: "http", Host: ln.Addr().String()},
		client: transport(cert),
		alive:  func() error { return nil },
		stop: func() error {
			client.CloseIdleConnections()
			return srv.Close()
		},
	}
	if cert != nil {
		t.url.Scheme = "https"
		go srv.ServeTLS(ln, cert.certFile, cert.keyFile)
	} else {
		go srv.Serve(ln)
	}
	return t, nil
}

// below is u's path and query at base, escaped as u has it.
func below(base, u *url.URL) *url.URL {
	to := *base
	to.Path = base.Path + u.Path
	to.RawPath = base.EscapedPath() + u.EscapedPath()
	to.RawQuery = u.RawQuery
	return &to
}

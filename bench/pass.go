package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// passSettings is what the pass-through proxy is started with. It stores and checks
// nothing: what it costs is what any proxy costs that is one process more on the way.
type passSettings struct{ Upstream string }

func runPass(ctx context.Context, settings []byte, stdout io.Writer) error {
	var s passSettings
	if err := json.Unmarshal(settings, &s); err != nil {
		return err
	}
	to, err := url.Parse(s.Upstream)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true},
	}
	go (&http.Server{Handler: p, ReadHeaderTimeout: time.Minute}).Serve(ln)
	if err := sayHello(stdout, ln, nil); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (l *lab) startPass(upstream string) (*server, error) {
	s, _, _, err := l.startRole("pass", passSettings{upstream})
	return s, err
}

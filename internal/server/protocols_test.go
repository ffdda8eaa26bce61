package server_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/server"
)

// clients are the ways in which a client may speak to h: each returns an address and a client.
func clients(t *testing.T, h http.Handler) map[string]func(t *testing.T) (string, *http.Client) {
	return clientsOf(t, h, server.Stall)
}

// clientsOf are clients of a server with that limit of standing still.
func clientsOf(t *testing.T, h http.Handler, stall time.Duration) map[string]func(t *testing.T) (string, *http.Client) {
	listen := func(t *testing.T, get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) string {
		ln, err := server.Listen("127.0.0.1:0", 100, stall)
		if err != nil {
			t.Fatal(err)
		}
		serve(t, server.NewHTTP(h, get, quiet), ln)
		return ln.Addr().String()
	}
	transport := func(p *http.Protocols, t *testing.T) *http.Transport {
		tr := &http.Transport{DialContext: proxytest.Dialer{}.DialContext, DisableCompression: true, Protocols: p}
		t.Cleanup(tr.CloseIdleConnections)
		return tr
	}
	plain := func(set func(*http.Protocols)) func(t *testing.T) (string, *http.Client) {
		return func(t *testing.T) (string, *http.Client) {
			var p http.Protocols
			set(&p)
			return "http://" + listen(t, nil), &http.Client{Transport: transport(&p, t)}
		}
	}
	secure := func(set func(*http.Protocols)) func(t *testing.T) (string, *http.Client) {
		return func(t *testing.T) (string, *http.Client) {
			pair := newPair(t, "one")
			certs, err := server.NewCerts(pair.cert, pair.key, quiet)
			if err != nil {
				t.Fatal(err)
			}
			var p http.Protocols
			set(&p)
			tr := transport(&p, t)
			tr.TLSClientConfig = &tls.Config{RootCAs: pair.pool(t)}
			return "https://" + listen(t, certs.Get), &http.Client{Transport: tr}
		}
	}
	return map[string]func(t *testing.T) (string, *http.Client){
		"HTTP/1.1": plain(func(p *http.Protocols) { p.SetHTTP1(true) }),
		"h2c":      plain(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }),
		"TLS/1.1":  secure(func(p *http.Protocols) { p.SetHTTP1(true) }),
		"h2":       secure(func(p *http.Protocols) { p.SetHTTP2(true) }),
	}
}

// TestProtocols: HTTP/1.1 and HTTP/2, with TLS and without (by prior knowledge), give the same answers.
func TestProtocols(t *testing.T) {
	u := withBig(t)
	inner := newHaven(t, u, nil)
	for name, dial := range clients(t, inner.handler) {
		t.Run(name, func(t *testing.T) {
			hv := &haven{t: t}
			hv.URL, hv.client = dial(t)
			for _, path := range []string{"example.com/plain/@v/list", "example.com/plain/@v/v1.0.0.mod", middling().Name("zip"), big().Name("zip")} {
				for range 2 {
					a := hv.get(path)
					if a.StatusCode != 200 || a.body != upstreamBytes(t, u, path) {
						t.Errorf("%s: got %s, %d bytes", path, a.Status, len(a.body))
					}
					if want := map[bool]int{true: 2, false: 1}[strings.HasPrefix(name, "h2")]; a.ProtoMajor != want {
						t.Errorf("%s came by %s", path, a.Proto)
					}
					inner.settle()
				}
			}
			if a := hv.get("example.com/none/@v/list"); a.StatusCode != 404 {
				t.Errorf("absent: got %s", a.Status)
			}
			if a := hv.get(big().Name("zip"), "Range", "bytes=7-10"); a.StatusCode != 206 || len(a.body) != 4 {
				t.Errorf("a part: got %s, %d bytes", a.Status, len(a.body))
			}
			if a := hv.get(""); a.body != "Modhaven, a Go module proxy. Use it: export GOPROXY="+hv.URL+"\n" {
				t.Errorf("its own address: got %q", a.body)
			}
		})
	}
}

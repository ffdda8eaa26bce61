package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// renewEvery is the shortest time between two renewals: what is found to hang on a connection that is younger does not
// hang because of the connection.
const renewEvery = time.Second

// A Transport sends requests to one upstream, and to where that redirects. It can be told to use no connection that it
// has (Renew). All methods may be called at once.
type Transport struct {
	build func(apart bool) *http.Transport

	mu      sync.Mutex // guards all below
	current *http.Transport
	apart   *http.Transport // without HTTP/2; nil until it is needed
	renewed time.Time
	old     []weak.Pointer[http.Transport] // which live as long as their connections
}

// BuildTransport returns a Transport with the files, the proxy and the deadlines that o has, the rest from t.
// It connects with a copy of d. The files are read now; an error names the one that is wrong.
func BuildTransport(t Timeouts, o goproxy.UpstreamOptions, d *Dialer) (*Transport, error) {
	conf, err := tlsConfig(o)
	if err != nil {
		return nil, err
	}
	proxy, err := proxyFunc(o.Proxy)
	if err != nil {
		return nil, err
	}
	dialer := *d
	dialer.Timeout = cmp.Or(o.Dial, t.Dial, d.Timeout)
	build := func(apart bool) *http.Transport {
		t := &http.Transport{
			Proxy:                  proxy,
			OnProxyConnectResponse: proxyAnswer,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        conf.Clone(),
			TLSHandshakeTimeout:    cmp.Or(o.TLS, t.TLS),
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           512,
			MaxIdleConnsPerHost:    256,
			MaxConnsPerHost:        256,
			IdleConnTimeout:        90 * time.Second,
			ExpectContinueTimeout:  time.Second,
			ReadBufferSize:         32 << 10,
			MaxResponseHeaderBytes: 64 << 10,
			HTTP2:                  &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		}
		if apart {
			t.ForceAttemptHTTP2, t.Protocols, t.HTTP2 = false, new(http.Protocols), nil
			t.Protocols.SetHTTP1(true)
		}
		return t
	}
	return &Transport{build: build, current: build(false)}, nil
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.of(req.Context()).RoundTrip(req)
}

// apartKey marks the context of a request that shares its connection with no other, as over HTTP/2 it would.
type apartKey struct{}

func (t *Transport) of(ctx context.Context) *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Value(apartKey{}) == nil {
		return t.current
	}
	if t.apart == nil {
		t.apart = t.build(true)
	}
	return t.apart
}

// Renew makes later requests use new connections: what hangs may hang because of the one it is on, and over HTTP/2
// the next request would be sent on the same. Requests in flight go on. Within a second of the last renewal it
// does nothing.
func (t *Transport) Renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(t.renewed) < renewEvery {
		return
	}
	t.renewed = now
	var old []weak.Pointer[http.Transport]
	for _, p := range t.old {
		if p.Value() != nil {
			old = append(old, p)
		}
	}
	t.old = append(old, weak.Make(t.current))
	t.current.CloseIdleConnections()
	t.current = t.build(false)
	if t.apart != nil {
		t.old = append(t.old, weak.Make(t.apart))
		t.apart.CloseIdleConnections()
		t.apart = nil
	}
}

// CloseIdleConnections closes the connections that no request is on, those from before renewals too.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.CloseIdleConnections()
	if t.apart != nil {
		t.apart.CloseIdleConnections()
	}
	for _, p := range t.old {
		if tr := p.Value(); tr != nil {
			tr.CloseIdleConnections()
		}
	}
}

// tlsConfig reads the files of o.
func tlsConfig(o goproxy.UpstreamOptions) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pool, err := certificateAuthorities(o.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = pool
	}
	switch {
	case o.Cert != "":
		key := cmp.Or(o.Key, o.Cert) // both may be in one file
		pair, err := tls.LoadX509KeyPair(o.Cert, key)
		if err != nil {
			return nil, fmt.Errorf("client certificate %s with key %s: %w; both must be PEM and belong together", o.Cert, key, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	case o.Key != "":
		return nil, fmt.Errorf("client key %s: it has no certificate; set cert too", o.Key)
	}
	return conf, nil
}

// certificateAuthorities returns the system's certificate authorities and those of a file.
func certificateAuthorities(name string) (*x509.CertPool, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("certificate authorities: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // a small image has none; the file's will do
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("certificate authorities %s: there is no certificate in it; it must be PEM (-----BEGIN CERTIFICATE-----)", name)
	}
	return pool, nil
}

// proxyFunc returns which HTTP proxy a request goes through: that at addr, none for "direct", or that of the
// environment for "".
func proxyFunc(addr string) (func(*http.Request) (*url.URL, error), error) {
	switch addr {
	case "":
		return maskedProxy(http.ProxyFromEnvironment), nil
	case "direct":
		return nil, nil
	}
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	u, err := url.Parse(addr)
	if err != nil || u.Hostname() == "" { // err has the address in it, and with that perhaps a password
		return nil, fmt.Errorf("proxy %s: it cannot be read as an address; write http://HOST:PORT", goproxy.Redact(addr))
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return http.ProxyURL(u), nil
	}
	return nil, fmt.Errorf("proxy %s: the scheme %s is not known; write http://, https:// or socks5://", goproxy.Redact(addr), u.Scheme)
}

// maskedProxy is a proxy function whose error does not have the address in it, and with that perhaps a password.
func maskedProxy(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		u, err := proxy(req)
		if err != nil {
			return nil, errors.New("HTTP proxy: HTTPS_PROXY or HTTP_PROXY cannot be read as an address; write http://HOST:PORT")
		}
		return u, nil
	}
}

// A ProxyError says that an HTTP proxy refused to connect to an upstream.
type ProxyError struct {
	Proxy  string // HOST:PORT
	Target string // HOST:PORT
	Status int    // of the answer to CONNECT
}

func (e *ProxyError) Error() string {
	advice := "see whether the proxy allows that host"
	switch {
	case e.Status == http.StatusProxyAuthRequired:
		advice = "put a user and a password into the proxy's address (http://user:password@host:port)"
	case e.Status >= 500:
		advice = "see whether the proxy itself can reach that host"
	}
	return fmt.Sprintf("HTTP proxy %s: does not connect to %s: %d %s; %s", e.Proxy, e.Target, e.Status, http.StatusText(e.Status), advice)
}

// proxyAnswer makes an error of a proxy's refusal, of which net/http keeps the words alone.
func proxyAnswer(_ context.Context, proxy *url.URL, req *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyError{Proxy: proxy.Host, Target: req.Host, Status: resp.StatusCode}
}

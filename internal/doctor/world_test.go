package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// secret is planted wherever a credential may stand, and must be in no report.
const secret = "s3cr3t-" + "hunter2"

// A world is one laboratory on loopback: DNS, a module proxy behind TLS, and a checksum database.
type world struct {
	*testing.T
	ca    *authority
	dns   *nameServer
	up    *proxytest.Upstream // plain; https of the names below goes to it
	sum   *proxytest.SumDB
	https string // HOST:PORT of a TLS server for proxy.example.com, backup.example.com and sum.example.com
	env   map[string]string
	o     Options
	tls   *tls.Config
}

// newWorld makes one in which all is well.
func newWorld(t *testing.T) *world {
	w := &world{T: t, ca: newAuthority(t, "the test's authority"), env: map[string]string{}}
	w.sum = proxytest.NewSumDB(t, "sum.example.com")
	w.up = proxytest.New(t, proxytest.WithSumDB(w.sum))
	w.dns = newNameServer(t)
	w.dns.all(netip.MustParseAddr("127.0.0.1"), "proxy.example.com", "backup.example.com", "sum.example.com", "http.example.com", "corp.example.com")
	w.tls = &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c := w.ca.leaf(t, leafOptions{names: []string{"proxy.example.com", "backup.example.com", "sum.example.com"}})
		return &c, nil
	}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	w.https = w.front(w.up.URL, w.tls)
	home := t.TempDir()
	proxytest.NoTelemetry(t, filepath.Join(home, ".config"))
	write(t, filepath.Join(home, ".netrc"), "machine "+w.addr("proxy.example.com")+" login user password "+secret+"\n")
	for name, v := range map[string]string{
		"HOME": home, "PATH": os.Getenv("PATH"), "GOPROXY": w.url("proxy.example.com"), "GOSUMDB": w.sum.Key, "GOENV": "off", "GOFLAGS": "",
		"GOMODCACHE": filepath.Join(home, "mod"), "GOCACHE": filepath.Join(home, "cache"), "GOTOOLCHAIN": "local",
	} {
		w.env[name] = v
	}
	w.o = Options{Dir: home, Module: "example.com/plain", Version: "v1.2.0", Roots: w.ca.pool(), Resolvers: []netip.AddrPort{w.dns.addr}}
	return w
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// addr is HOST:PORT of a name at the TLS server.
func (w *world) addr(host string) string {
	_, port, err := net.SplitHostPort(w.https)
	if err != nil {
		w.Fatal(err)
	}
	return net.JoinHostPort(host, port)
}

func (w *world) url(host string) string { return "https://" + w.addr(host) }

// examine runs the doctor, and checks what holds of every report.
func (w *world) examine() *Report {
	w.Helper()
	o := w.o
	for name, v := range w.env {
		o.Environ = append(o.Environ, name+"="+v)
	}
	r := Examine(w.Context(), o)
	checkReport(w.T, r)
	checkSecrets(w.T, r)
	if limit := int64(15000); r.TookMS > limit {
		w.Errorf("it took %d ms, more than %d", r.TookMS, limit)
	}
	return r
}

func checkSecrets(t *testing.T, r *Report) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), secret) {
		t.Errorf("the report has a password in it: %s", b)
	}
	for _, f := range r.Findings {
		for _, text := range append(f.Evidence, f.Summary) {
			if strings.Contains(text.String(), secret) {
				t.Errorf("a password is in %q", text)
			}
		}
		for _, n := range names(f.Summary.String()) {
			t.Errorf("%s: {%s} is not filled in: %s", f.Code, n, f.Summary)
		}
	}
}

// show prints a report where a test failed.
func show(t *testing.T, r *Report) {
	t.Helper()
	t.Logf("%d ms, verdict %s %s %s: %s", r.TookMS, r.Verdict.Class, r.Verdict.Code, r.Verdict.Confidence, r.Verdict.Summary)
	for _, f := range r.Findings {
		t.Logf("  %s %s %s %v: %s", f.Severity, f.Code, f.Confidence, f.Targets, f.Summary)
		for _, e := range f.Evidence {
			t.Logf("       %s", e)
		}
	}
	for _, g := range r.Targets {
		for _, s := range g.Stages {
			t.Logf("  %s: %s %s %s", g.Name, s.Stage, s.Status, s.Said)
			for _, l := range s.Trace {
				t.Logf("       %s", l)
			}
		}
	}
}

// front serves TLS with c and passes requests on to a plain server. It returns its HOST:PORT.
func (w *world) front(to string, c *tls.Config) string { return w.serve(c, w.passOn(to)) }

// passOn answers as another server does.
func (w *world) passOn(to string) http.Handler {
	u, err := url.Parse(to)
	if err != nil {
		w.Fatal(err)
	}
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u); r.Out.Host = u.Host }, FlushInterval: -1, ErrorLog: quiet()}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.DisableCompression = true
	tr.DisableKeepAlives = true
	p.Transport = tr
	return p
}

// serve serves h, over TLS where c is not nil.
func (w *world) serve(c *tls.Config, h http.Handler) string {
	l := w.listen()
	if c != nil {
		c = c.Clone() // a server changes it
	}
	s := &http.Server{Handler: h, TLSConfig: c, ErrorLog: quiet(), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c != nil {
			_ = s.ServeTLS(l, "", "")
		} else {
			_ = s.Serve(l)
		}
	}()
	w.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}

func (w *world) listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { l.Close() })
	proxytest.Register(l.Addr().String())
	return l
}

// each connection is handed to f, which must return; it is closed then.
func (w *world) accept(f func(net.Conn)) string {
	l := w.listen()
	accept(w.T, l, f)
	return l.Addr().String()
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// accept hands each connection of l to f, until the test ends.
func accept(t *testing.T, l net.Listener, f func(net.Conn)) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				stop := context.AfterFunc(ctx, func() { c.Close() })
				defer stop()
				f(c)
			})
		}
	})
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
}

// swallow reads until the other side ends.
func swallow(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// An authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB, name string, hosts ...string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{name}}, DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	return &authority{key, sign(t, template, template, &key.PublicKey, key)}
}

func sign(t testing.TB, c, by *x509.Certificate, pub *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, by, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

type leafOptions struct {
	names       []string
	from, until time.Time
	issuerURL   string
}

// leaf signs a certificate for a server.
func (a *authority) leaf(t testing.TB, o leafOptions) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if o.from.IsZero() {
		o.from = time.Now().Add(-time.Hour)
	}
	if o.until.IsZero() {
		o.until = time.Now().Add(12 * time.Hour)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: o.names[0]}, DNSNames: o.names, NotBefore: o.from, NotAfter: o.until, KeyUsage: x509.KeyUsageDigitalSignature}
	if o.issuerURL != "" {
		template.IssuingCertificateURL = []string{o.issuerURL}
	}
	c := sign(t, template, a.cert, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

// between makes an authority that this one vouches for.
func (a *authority) between(t testing.TB, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &authority{key, sign(t, template, a.cert, &key.PublicKey, a.key)}
}

// A nameServer is a DNS server on loopback, over UDP and TCP.
type nameServer struct {
	addr netip.AddrPort
	udp  net.PacketConn

	mu    sync.Mutex
	names map[string][]netip.Addr
	// answer changes an answer before it is sent; nil for none at all. It is guarded by mu.
	answer func(q dnsmessage.Question, m *dnsmessage.Message, tcp bool) []byte
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	for range 20 { // the port may be taken for TCP
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if tcp, err := net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return serveNames(t, udp, tcp)
		}
		udp.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil
}

// serveNames answers on both until the test ends.
func serveNames(t *testing.T, udp net.PacketConn, tcp net.Listener) *nameServer {
	s := &nameServer{addr: netip.MustParseAddrPort(udp.LocalAddr().String()), udp: udp, names: map[string][]netip.Addr{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFrom(b)
			if err != nil {
				return
			}
			q := slices.Clone(b[:n])
			wg.Go(func() {
				if out := s.reply(q, false); out != nil {
					_, _ = udp.WriteTo(out, from)
				}
			})
		}
	})
	t.Cleanup(func() { udp.Close(); wg.Wait() })
	accept(t, tcp, func(c net.Conn) {
		b := make([]byte, 4096)
		if _, err := io.ReadFull(c, b[:2]); err != nil {
			return
		}
		n := int(b[0])<<8 | int(b[1])
		if _, err := io.ReadFull(c, b[:n]); err != nil {
			return
		}
		if out := s.reply(b[:n], true); out != nil {
			_, _ = c.Write(append([]byte{byte(len(out) >> 8), byte(len(out))}, out...))
		}
	})
	return s
}

func (s *nameServer) all(a netip.Addr, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		s.names[n] = []netip.Addr{a}
	}
}

func (s *nameServer) change(f func(dnsmessage.Question, *dnsmessage.Message, bool) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *nameServer) reply(b []byte, tcp bool) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	s.mu.Lock()
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	m := &dnsmessage.Message{Header: dnsmessage.Header{ID: h.ID, Response: true, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
	addrs, ok := s.names[name]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addrs {
		head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1}
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		return answer(q, m, tcp)
	}
	return pack(m)
}

func pack(m *dnsmessage.Message) []byte {
	out, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return out
}

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"
)

// How long a handshake may take, and the tries that compare with one that failed.
const (
	tlsPatience   = 3500 * time.Millisecond
	otherPatience = 2200 * time.Millisecond
)

// otherName is a host that no server has and no filter looks for.
const otherName = "host.invalid"

// A rootPool is whom this machine trusts.
type rootPool struct{ given *x509.CertPool }

// pool returns the certificates, nil for the system's.
func (r *rootPool) pool() *x509.CertPool { return r.given }

// empty reports whether the system has none.
func (r *rootPool) empty() bool {
	if r.given != nil {
		return r.given.Equal(x509.NewCertPool())
	}
	p, err := x509.SystemCertPool()
	return err == nil && p.Equal(x509.NewCertPool())
}

// A handshake is what became of one.
type handshake struct {
	err    error
	state  tls.ConnectionState // as far as it came
	asked  bool                // for a client certificate
	sent   int64               // bytes of the first message
	got    int64
	flow   flow
	seen   bool // flow is known
	took   time.Duration
	opened bool // a connection was there to make it on
}

func (h *handshake) timeout() bool { return h.err != nil && outcomeOf(h.err) == silent }
func (h *handshake) reset() bool   { return h.err != nil && outcomeOf(h.err) == resetByPeer }
func (h *handshake) closed() bool {
	return errors.Is(h.err, io.EOF) || errors.Is(h.err, io.ErrUnexpectedEOF)
}

// alert returns the alert that the server sent (RFC 8446, 6), -1 for none.
func (h *handshake) alert() int {
	var op *net.OpError
	if errors.As(h.err, &op) && op.Op == "remote error" {
		if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 { // crypto/tls.alert, which is not public
			return int(v.Uint())
		}
	}
	return -1
}

// firstBytes returns what came in place of TLS, "" where TLS did.
func (h *handshake) firstBytes() string {
	var e tls.RecordHeaderError
	if errors.As(h.err, &e) {
		return string(e.RecordHeader[:])
	}
	return ""
}

// tlsFacts are what handshakes with a target showed.
type tlsFacts struct {
	target *target
	handshake
	small, other *handshake // with a short first message; with another name. nil where not tried
	pieces       *handshake // in small packets both ways
	idle         string     // see idle
	old          uint16     // the version of TLS that the server speaks, where it is too old
	verify       error      // what is wrong with the certificate
	filled       bool       // it is right with the intermediate certificate that the server leaves out
	date         time.Time  // what the server says of the time
	now          time.Time
}

func (f *tlsFacts) leaf() *x509.Certificate {
	if len(f.state.PeerCertificates) == 0 {
		return nil
	}
	return f.state.PeerCertificates[0]
}

// examineTLS makes a handshake as the go command does, and where it fails others that tell why.
func examineTLS(ctx context.Context, t *target, now time.Time) *tlsFacts {
	f := &tlsFacts{target: t, now: now}
	f.handshake = t.shake(ctx, tlsPatience, &tls.Config{ServerName: t.host})
	switch {
	case f.err == nil:
		f.judge(ctx)
	case f.alert() == alertVersion || f.alert() == alertHandshake:
		old := t.shake(ctx, otherPatience, &tls.Config{ServerName: t.host, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}) //nolint:gosec // only to find out what it speaks
		if old.err == nil {
			f.old = old.state.Version
		}
	case f.timeout() || f.reset() || f.closed():
		f.compare(ctx)
	}
	return f
}

// compare makes a handshake with a short first message, one with another name and one in small packets, and sees
// what the connection does without any.
func (f *tlsFacts) compare(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() {
		h := f.target.shake(ctx, otherPatience, &tls.Config{ServerName: f.target.host, CurvePreferences: []tls.CurveID{tls.X25519}})
		f.small = &h
	})
	wg.Go(func() {
		h := f.target.shake(ctx, otherPatience, &tls.Config{ServerName: otherName})
		f.other = &h
	})
	if deepProbes {
		wg.Go(func() {
			const mss = 536 // RFC 9293, 3.7.1: what every way must take
			h := f.target.shakeWith(ctx, otherPatience, sockOptions{mss: mss}, &tls.Config{ServerName: f.target.host})
			f.pieces = &h
		})
	}
	if f.target.via == nil {
		wg.Go(func() { f.idle = idle(ctx, f.target.addr) })
	}
	wg.Wait()
}

// answers reports whether a handshake was answered by the server, if only by an alert.
func (h *handshake) answers() bool {
	return h != nil && h.opened && (h.err == nil || h.alert() >= 0)
}

// shake makes one handshake. What is wrong with the certificate is judged later.
func (t *target) shake(ctx context.Context, patience time.Duration, c *tls.Config) handshake {
	return t.shakeWith(ctx, patience, sockOptions{}, c)
}

func (t *target) shakeWith(ctx context.Context, patience time.Duration, o sockOptions, c *tls.Config) (h handshake) {
	start := time.Now()
	defer func() { h.took = time.Since(start) }()
	conn, err := t.open(ctx, o)
	if err != nil {
		return handshake{err: err}
	}
	h.opened = true
	counted := &counter{Conn: conn}
	defer conn.Close()
	c.InsecureSkipVerify = true // judge verifies, and says what is wrong
	c.NextProtos = []string{"h2", "http/1.1"}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		h.asked = true
		return new(tls.Certificate), nil
	}
	c.VerifyConnection = func(s tls.ConnectionState) error { h.state = s; return nil }
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	over := tls.Client(counted, c)
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // so that the connection is still there to be looked at
	}
	h.err = over.HandshakeContext(context.WithoutCancel(ctx))
	h.flow, h.seen = conn.sock.flow()
	h.sent, h.got = counted.sent, counted.got
	if h.err == nil {
		h.state = over.ConnectionState()
	}
	return h
}

// A counter counts the bytes of a connection. It is used by one handshake.
type counter struct {
	net.Conn
	sent, got int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sent += int64(n)
	return n, err
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.got += int64(n)
	return n, err
}

// judge verifies the certificate as the go command does.
func (f *tlsFacts) judge(ctx context.Context) {
	certs := f.state.PeerCertificates
	if len(certs) == 0 {
		return
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	o := x509.VerifyOptions{DNSName: f.target.host, Roots: f.target.roots.pool(), Intermediates: between, CurrentTime: f.now}
	_, f.verify = certs[0].Verify(o)
	var unknown x509.UnknownAuthorityError
	if errors.As(f.verify, &unknown) && !selfSigned(certs[0]) {
		if c := fetchIssuer(ctx, certs[len(certs)-1]); c != nil {
			between.AddCert(c)
			_, err := certs[0].Verify(o)
			f.filled = err == nil
		}
	}
	if f.verify != nil {
		f.date = f.target.serverDate(ctx)
	}
}

func selfSigned(c *x509.Certificate) bool {
	return c.CheckSignatureFrom(c) == nil || string(c.RawIssuer) == string(c.RawSubject)
}

// fetchIssuer gets the certificate that signed c, from where c says that it is; nil for none.
func fetchIssuer(ctx context.Context, c *x509.Certificate) *x509.Certificate {
	if len(c.IssuingCertificateURL) == 0 || !strings.HasPrefix(c.IssuingCertificateURL[0], "http://") {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, otherPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.IssuingCertificateURL[0], nil)
	if err != nil {
		return nil
	}
	tr := &http.Transport{Proxy: nil, DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil
	}
	issuer, err := x509.ParseCertificate(b)
	if err != nil {
		return nil
	}
	return issuer
}

// serverDate asks a server for the time, without trusting it with anything. It is zero where it does not say.
func (t *target) serverDate(ctx context.Context) (date time.Time) {
	ctx, cancel := context.WithTimeout(ctx, otherPatience)
	defer cancel()
	tr := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return t.open(ctx, sockOptions{}) },
		TLSClientConfig:   &tls.Config{ServerName: t.host, InsecureSkipVerify: true}, //nolint:gosec // nothing is told, and only the date believed
		DisableKeepAlives: true,
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+net.JoinHostPort(t.host, t.port)+"/", nil)
	if err != nil {
		return date
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return date
	}
	resp.Body.Close()
	date, _ = http.ParseTime(resp.Header.Get("Date"))
	return date
}

// Alerts (RFC 8446, B.2).
const (
	alertHandshake    = 40
	alertVersion      = 70
	alertInternal     = 80
	alertUnrecognized = 112
	alertCertificate  = 116
)

// vendors are words in the names of authorities of devices that decrypt TLS.
var vendors = []string{
	"zscaler", "fortinet", "fortigate", "palo alto", "sophos", "cisco umbrella", "blue coat", "symantec web", "netskope",
	"forcepoint", "websense", "mcafee web", "check point", "barracuda", "watchguard", "untangle", "squid", "mitmproxy",
	"charles proxy", "burp", "portswigger", "fiddler", "kaspersky", "bitdefender", "avast", "eset ssl", "sangfor", "huawei", "hillstone",
	"topsec", "ssl inspection", "ssl-inspection", "tls inspection", "web gateway", "aruba", "ubiquiti",
}

// inspects reports whether a name is that of a device that decrypts TLS.
func inspects(issuer string) bool {
	issuer = strings.ToLower(issuer)
	for _, v := range vendors {
		if strings.Contains(issuer, v) {
			return true
		}
	}
	return false
}

package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACME gets certificates of an authority by RFC 8555, and keeps them in a directory. Its methods may be called at once.
type ACME struct {
	hosts []string
	m     *autocert.Manager
	log   *slog.Logger
	said  sync.Map // host → when a failure was logged
}

// ACMEOptions are what an ACME is made of.
type ACMEOptions struct {
	Hosts     []string // lower case; at least one
	Email     string
	Directory string // the address of the authority; "" for Let's Encrypt
	Dir       string // holds the account and the certificates; made where it is missing
	Log       *slog.Logger
	HTTP      *http.Client // asks the authority; nil for one that trusts what the system does
}

// NewACME asks nobody yet.
func NewACME(o ACMEOptions) (*ACME, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	return &ACME{hosts: o.Hosts, log: o.Log, m: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(o.Dir), HostPolicy: autocert.HostWhitelist(o.Hosts...), Email: o.Email,
		Client: &acme.Client{DirectoryURL: o.Directory, HTTPClient: o.HTTP, UserAgent: "modhaven"},
	}}, nil
}

// Protocol is the one that a listener must offer for challenges of type tls-alpn-01 (RFC 8737).
const Protocol = acme.ALPNProto

// failureEvery is how often the log hears that a host has no certificate.
const failureEvery = time.Minute

// Get is tls.Config.GetCertificate. Who names no host, or an address, gets the certificate of the first one.
func (a *ACME) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	asked := *hello
	asked.ServerName = strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if asked.ServerName == "" {
		asked.ServerName = a.hosts[0]
	}
	c, err := a.m.GetCertificate(&asked)
	if err != nil && slices.Contains(a.hosts, asked.ServerName) {
		a.failed(asked.ServerName, err)
	}
	return c, err
}

func (a *ACME) failed(host string, err error) {
	now := time.Now()
	last, _ := a.said.Load(host)
	if at, ok := last.(time.Time); ok && now.Sub(at) < failureEvery {
		return
	}
	a.said.Store(host, now)
	a.log.Error("there is no certificate for a host", "host", host, "err", err)
}

// Handler answers challenges of type http-01, and sends all else to https. A port in the host's name, of who came by another one than
// 80, is of no account.
func (a *ACME) Handler() http.Handler {
	next := a.m.HTTPHandler(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, err := net.SplitHostPort(r.Host); err == nil {
			r = r.Clone(r.Context())
			r.Host = host
		}
		next.ServeHTTP(w, r)
	})
}

// Prepare gets the certificates that are missing, so that no client waits for them, until ctx ends. The listener must serve already.
func (a *ACME) Prepare(ctx context.Context) {
	for _, host := range a.hosts {
		if ctx.Err() != nil {
			return
		}
		c, err := a.Get(&tls.ClientHelloInfo{
			ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13}, SupportedCurves: []tls.CurveID{tls.CurveP256},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		})
		if err != nil {
			continue
		}
		if leaf, err := x509.ParseCertificate(c.Certificate[0]); err == nil {
			a.log.Info("a certificate is at hand", "host", host, "until", leaf.NotAfter)
		}
	}
}

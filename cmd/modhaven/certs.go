package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/modhaven/modhaven/internal/access"
	"github.com/modhaven/modhaven/internal/certs"
	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/server"
)

// certificates are what a server shows: from files, by ACME, or of an authority of its own.
type certificates struct {
	get  func(*tls.ClientHelloInfo) (*tls.Certificate, error) // nil for no TLS
	acme *certs.ACME
	http net.Listener // for challenges of acme; nil for none
	own  *certs.Own
}

// openCertificates returns what the settings ask for. Close it.
func openCertificates(cfg *config.Config, state string, log *slog.Logger) (certificates, error) {
	switch {
	case cfg.TLSCert != "":
		c, err := server.NewCerts(cfg.TLSCert, cfg.TLSKey, log)
		if err != nil {
			return certificates{}, err
		}
		return certificates{get: c.Get}, nil
	case cfg.TLSACME != "":
		return openACME(cfg, state, log)
	case cfg.SelfSigned():
		own, err := certs.OpenOwn(filepath.Join(state, "tls"), cfg.SelfSignedNames(), foundNames(cfg.Listen), log)
		if err != nil {
			return certificates{}, cfg.Mistake("tls-self-signed", err)
		}
		return certificates{get: own.Get, own: own}, nil
	}
	return certificates{}, nil
}

func openACME(cfg *config.Config, state string, log *slog.Logger) (certificates, error) {
	o, err := cfg.ACME()
	if err != nil {
		return certificates{}, err
	}
	a, err := certs.NewACME(certs.ACMEOptions{Hosts: o.Hosts, Email: o.Email, Directory: o.Directory, Dir: filepath.Join(state, "acme"), Log: log})
	if err != nil {
		return certificates{}, cfg.Mistake("tls-acme", err)
	}
	c := certificates{get: a.Get, acme: a}
	if o.HTTP == "" {
		return c, nil
	}
	if c.http, err = server.Listen(o.HTTP, cfg.Connections, server.Stall); err != nil {
		return certificates{}, cfg.Mistake("tls-acme", fmt.Errorf("listen %s: %w", o.HTTP, err))
	}
	return c, nil
}

func (c *certificates) close() {
	if c.http != nil {
		_ = c.http.Close() // again, mostly
	}
}

// foundNames are names by which others may reach a server that listens there.
func foundNames(listen string) []string {
	var names []string
	host, _, _ := net.SplitHostPort(listen) // checked by config
	ip := net.ParseIP(host)
	switch {
	case ip != nil && ip.IsLoopback(), host == "localhost": // always in it
	case host != "" && (ip == nil || !ip.IsUnspecified()):
		names = append(names, host)
	default:
		names = append(names, ownAddresses()...)
	}
	if name, err := os.Hostname(); err == nil && name != "localhost" {
		names = append(names, name)
	}
	return names
}

func ownAddresses() []string {
	var all []string
	addrs, _ := net.InterfaceAddrs() // without them it has its names
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			all = append(all, n.IP.String())
		}
	}
	return all
}

// newServer returns what serves a haven over TLS or without.
func newServer(hv *haven, c *certificates, log *slog.Logger) *http.Server {
	h := hv.handler
	if c.own != nil {
		h = withCA(h, c.own.PEM())
	}
	s := server.NewHTTP(h, c.get, log)
	if c.get == nil {
		return s
	}
	s.TLSConfig.NextProtos = []string{"h2", "http/1.1"}
	if c.acme != nil {
		s.TLSConfig.NextProtos = append(s.TLSConfig.NextProtos, certs.Protocol)
	}
	if hv.guard != nil && hv.guard.ClientCAs() != nil {
		askClients(s.TLSConfig, hv.guard)
	}
	return s
}

// askClients has each connection be asked for a certificate of those that are trusted then. Sessions are not resumed: who was trusted in one
// may be no more.
func askClients(t *tls.Config, guard *access.Guard) {
	t.ClientAuth, t.SessionTicketsDisabled = tls.VerifyClientCertIfGiven, true
	t.ClientCAs = guard.ClientCAs()
	base := t.Clone()
	t.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := base.Clone()
		now.ClientCAs = guard.ClientCAs()
		return now, nil
	}
}

// withCA answers /ca.pem, which is no path of a module.
func withCA(next http.Handler, pem []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ca.pem" || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(pem)
	})
}

// run answers challenges and gets certificates until ctx ends.
func (c *certificates) run(ctx context.Context, cfg *config.Config, log *slog.Logger) {
	if c.acme == nil {
		return
	}
	if c.http != nil {
		h := c.acme.Handler() // from here on http-01 is tried too
		go func() {
			err := server.Serve(ctx, server.NewHTTP(h, nil, log), c.http, cfg.Drain)
			if err != nil && !errors.Is(err, net.ErrClosed) {
				log.Error("challenges of ACME are not answered any more", "err", err)
			}
		}()
	}
	go c.acme.Prepare(ctx)
}

// sayTrust says how a client comes to trust the server's own authority.
func (p *process) sayTrust(own *certs.Own, url string) {
	fmt.Fprintln(p.err, p.msg.Sprintf("the certificate is of an authority of this server's own (%s), SHA-256 %s", own.File(), own.Fingerprint()))
	fmt.Fprintln(p.err, p.msg.Sprintf("a client gets it with: %s", "curl -fsSko modhaven-ca.pem "+url+"/ca.pem && openssl x509 -in modhaven-ca.pem -noout -fingerprint -sha256"))
	fmt.Fprintln(p.err, p.msg.Sprintf("and trusts it, where the SHA-256 is the same, with one of:"))
	fmt.Fprintln(p.err, p.msg.Sprintf("  Linux, the go command alone: %s", "export SSL_CERT_FILE=$PWD/modhaven-ca.pem"))
	fmt.Fprintln(p.err, p.msg.Sprintf("  Linux, all programs: %s", "sudo cp modhaven-ca.pem /usr/local/share/ca-certificates/modhaven-ca.crt && sudo update-ca-certificates"))
	fmt.Fprintln(p.err, p.msg.Sprintf("  macOS: %s", "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain modhaven-ca.pem"))
	fmt.Fprintln(p.err, p.msg.Sprintf("  Windows: %s", "certutil -addstore -f Root modhaven-ca.pem"))
}

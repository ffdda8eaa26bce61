package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// words says what kind of trouble with the network err is, in the words that clients are shown: what happened, what that means, what
// to do. An error of a connection that says so itself keeps its words. host is that of the upstream, which stands before them.
func words(err error, host string) string {
	var dial *DialError
	var limit *DialLimitError
	var lookup *LookupError
	var h *hung
	switch {
	case errors.As(err, &dial):
		if strings.EqualFold(dial.Host, host) {
			return dial.reason()
		}
		return err.Error() // of an HTTP proxy, or of where a redirect leads
	case errors.As(err, &lookup), errors.As(err, &limit), errors.As(err, &h):
		return err.Error()
	}
	if s := tlsWords(err); s != "" {
		return s
	}
	switch {
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset by the server, or by something on the way"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection was closed too early"
	}
	return err.Error()
}

// tlsWords are those of a failed handshake or a certificate that is not accepted; "" where that is not it.
func tlsWords(err error) string {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var op *net.OpError
	if s := certificateWords(err); s != "" {
		return s
	}
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "no TLS: plain HTTP is spoken there; write http://, or the port that speaks https"
	case errors.As(err, &record):
		return "no TLS: something else is spoken there; check the port"
	case errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error":
		return "the TLS handshake was refused by the server (" + strings.TrimPrefix(alertText(err), "tls: ") + ")"
	}
	return ""
}

func alertText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

// certificateWords say why a certificate is not accepted.
func certificateWords(err error) string {
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var other *tls.CertificateVerificationError
	var roots x509.SystemRootsError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("its certificate is for another name (%s)", strings.Join(certificateNames(name.Certificate), ", "))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return expiredWords(invalid.Cert, time.Now())
	case errors.As(err, &authority):
		issuer := "nobody known"
		if authority.Cert != nil {
			issuer = oneWord(authority.Cert.Issuer.String())
		}
		return "its certificate is of an unknown authority (signed by " + issuer + "); an authority of your own is set with ca in upstream_options"
	case errors.As(err, &roots):
		return "its certificate cannot be checked: this machine has no list of certificate authorities; install ca-certificates"
	case errors.As(err, &other):
		return "its certificate is not accepted (" + strings.TrimPrefix(other.Err.Error(), "x509: ") + ")"
	}
	return ""
}

func expiredWords(c *x509.Certificate, now time.Time) string {
	if now.Before(c.NotBefore) {
		return "its certificate is not valid before " + c.NotBefore.UTC().Format(time.DateOnly) + "; check this machine's clock"
	}
	return "its certificate expired on " + c.NotAfter.UTC().Format(time.DateOnly) + "; its owner has to renew it"
}

// certificateNames returns a few of the names in a certificate.
func certificateNames(c *x509.Certificate) []string {
	const most = 3
	var all []string
	for _, n := range c.DNSNames {
		all = append(all, oneWord(n))
	}
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) > most {
		all = append(all[:most:most], "…")
	}
	if len(all) == 0 {
		return []string{"no name"}
	}
	return all
}

// oneWord bounds what the other end wrote.
func oneWord(s string) string {
	const most = 100
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const canceled = "canceled"

// label says in one word what went wrong with an attempt ("" for nothing), and the status where one came.
func label(ctx context.Context, err error) (word string, status int) {
	var absent *goproxy.NotFound
	var refused *goproxy.Refused
	var wrong *goproxy.Wrong
	var code statusError
	var local *sinkError
	switch {
	case err == nil:
		return "", http.StatusOK
	case errors.As(err, &absent):
		return "absent", absent.Status
	case errors.As(err, &refused):
		return "forbidden", refused.Status
	case errors.As(err, &wrong) && wrong.HTML:
		return "html", http.StatusOK
	case errors.As(err, &wrong):
		return "wrong", http.StatusOK
	case errors.As(err, &code) && code == http.StatusTooManyRequests:
		return "throttled", int(code)
	case errors.As(err, &code):
		return "status", int(code)
	case ctx.Err() != nil, errors.As(err, &local), errors.As(err, new(*changed)):
		return canceled, 0
	}
	return network(err), 0
}

// network says what kind of trouble with the network err is. It goes by types and stages: one fault has many sentinels.
func network(err error) string {
	var h *hung
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &h):
		return "timeout"
	case errors.As(err, &dns):
		return "dns"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case isTLS(err):
		return "tls"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "eof"
	case isTimeout(err):
		return "timeout"
	case errors.As(err, &op) && op.Op == "dial":
		return "refused"
	}
	return "network"
}

func isTLS(err error) bool {
	var cert *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var op *net.OpError
	return errors.As(err, &cert) || errors.As(err, &authority) || errors.As(err, &alert) || errors.As(err, &record) ||
		errors.As(err, &op) && strings.Contains(op.Op, "error") // "remote error", "local error" of crypto/tls
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// reasonOf is an error on one line, without the name of who it is from.
func reasonOf(err error) string {
	var u *goproxy.Unavailable
	var w *goproxy.Wrong
	switch {
	case errors.As(err, &u):
		return u.Reason
	case errors.As(err, &w):
		return w.Reason
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

package doctor

import (
	"cmp"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

func (f *tlsFacts) about() *target { return f.target }

func (f *tlsFacts) vars() Vars {
	v := f.target.vars().with(Vars{"took": round(f.took), "err": errText(f.err), "idle": f.idle, "sent": strconv.FormatInt(f.sent, 10)})
	if f.seen && f.err != nil {
		v["acked"], v["again"] = strconv.FormatInt(max(0, f.flow.acked-1), 10), strconv.Itoa(f.flow.again)
		if f.flow.gaps > 0 {
			v["gaps"] = strconv.Itoa(f.flow.gaps)
		}
	}
	if f.alert() >= 0 {
		v["why"], v["alert"] = errText(f.err), strconv.Itoa(f.alert())
	}
	if f.old != 0 {
		v["status"] = map[uint16]string{0x0301: "1.0", 0x0302: "1.1"}[f.old]
	} else {
		v["status"] = "1.1"
	}
	v["smallsaid"], v["othersaid"], v["piecessaid"] = f.small.said(), f.other.said(), f.pieces.said()
	if c := f.leaf(); c != nil {
		v["since"], v["until"] = day(c.NotBefore), day(c.NotAfter)
		v["issuer"], v["subject"] = oneLine(c.Issuer.String()), oneLine(c.Subject.String())
		v["names"] = namesOf(c)
		v["hosts"] = f.target.host
	}
	if f.verify != nil {
		v["verify"] = errText(f.verify)
	}
	if !f.date.IsZero() {
		v["date"], v["clock"] = f.date.UTC().Format(time.RFC3339), f.now.UTC().Format(time.RFC3339)
		v["took"] = rough(f.date.Sub(f.now).Abs())
	}
	return v
}

// What became of a handshake.
const (
	saidAnswer = "answered"
	saidAlert  = "answered with an alert"
)

func (h *handshake) said() string {
	switch {
	case h == nil || !h.opened:
		return ""
	case h.err == nil:
		return saidAnswer
	case h.alert() >= 0:
		return saidAlert
	case h.timeout():
		return string(noReply)
	}
	return errText(h.err)
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

// rough returns a long time in one unit.
func rough(d time.Duration) string {
	switch {
	case d > 48*time.Hour:
		return strconv.Itoa(int(d.Hours()/24)) + " days"
	case d > 2*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " hours"
	}
	return strconv.Itoa(int(d.Minutes())) + " minutes"
}

func namesOf(c *x509.Certificate) string {
	all := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	const most = 5
	if len(all) > most {
		all = append(all[:most:most], "…")
	}
	if len(all) == 0 {
		return "no name"
	}
	return oneLine(strings.Join(all, ", "))
}

// clockWrong reports whether the server's time makes the certificate valid: this machine's clock is off.
func (f *tlsFacts) clockWrong() bool {
	const tolerance = 5 * time.Minute
	c := f.leaf()
	return c != nil && !f.date.IsZero() && f.date.Sub(f.now).Abs() > tolerance && f.date.After(c.NotBefore) && f.date.Before(c.NotAfter)
}

func (f *tlsFacts) wrongTime() bool {
	var e x509.CertificateInvalidError
	return errors.As(f.verify, &e) && e.Reason == x509.Expired
}

func (f *tlsFacts) unknownAuthority() bool {
	var e x509.UnknownAuthorityError
	return errors.As(f.verify, &e)
}

func (f *tlsFacts) wrongName() bool {
	var e x509.HostnameError
	return errors.As(f.verify, &e)
}

// took reports whether the server received the first message whole.
func (f *tlsFacts) whole() bool { return f.seen && f.sent > 0 && f.flow.acked-1 >= f.sent }

var handshakeEvidence = []string{
	"TLS handshake with {addr} naming {host}: {err}, after {took}",
	"of its first message of {sent} bytes {acked} were received, and {again} packets were sent again",
	"{gaps} packets came after others that did not",
	"a first message of 300 bytes: {smallsaid}",
	"a handshake that names another host: {othersaid}",
	"a handshake in small packets: {piecessaid}",
	"a connection on which nothing is sent: {idle}",
}

var certificateEvidence = []string{
	"the certificate: {subject}", "signed by {issuer}", "for {names}", "valid from {since} to {until}", "the server's clock: {date}; this machine's: {clock}", "the check says: {verify}",
}

// tlsRules say why a handshake came to nothing, or its certificate is not accepted.
var tlsRules = []rule[*tlsFacts]{
	{"MH1503", "", func(f *tlsFacts) Confidence { return ifTrue(strings.HasPrefix(f.firstBytes(), "HTTP"), Certain) }, []string{"the first bytes from {addr} are those of an HTTP answer"}},
	{"MH1505", "", func(f *tlsFacts) Confidence { return ifTrue(f.firstBytes() != "" || f.idle == idleBanner, Certain) }, handshakeEvidence},
	{"MH1501", "", func(f *tlsFacts) Confidence {
		return ifTrue(f.err != nil && (f.idle == idleClosed || f.idle == idleReset), Certain)
	}, handshakeEvidence},
	{"MH1708", "", func(f *tlsFacts) Confidence { return ifTrue(f.old != 0 || f.alert() == alertVersion, Certain) }, handshakeEvidence},
	{"MH1710", "", func(f *tlsFacts) Confidence {
		return ifTrue(f.alert() == alertUnrecognized || f.alert() == alertInternal, sure(f.alert() == alertUnrecognized))
	}, handshakeEvidence},
	{"MH1711", "", func(f *tlsFacts) Confidence { return ifTrue(f.alert() == alertCertificate, Certain) }, handshakeEvidence},
	{"MH1709", "", func(f *tlsFacts) Confidence { return ifTrue(f.alert() >= 0, Certain) }, handshakeEvidence},

	{"MH1404", "", func(f *tlsFacts) Confidence {
		return ifTrue(f.timeout() && f.seen && (f.flow.gaps > 0 || f.whole() && f.pieces.answers()), Certain)
	}, handshakeEvidence},
	{"MH1403", "", func(f *tlsFacts) Confidence {
		return ifTrue(f.timeout() && !f.whole() && f.small.answers() && !f.other.answers(), Certain)
	}, handshakeEvidence},
	{"MH1307", "", func(f *tlsFacts) Confidence {
		return ifTrue(f.timeout() && f.other.answers() && !f.small.answers(), sure(f.seen && !f.whole()))
	}, handshakeEvidence},
	{"MH1904", "", func(f *tlsFacts) Confidence {
		return ifTrue(f.timeout() && f.whole(), sure(f.pieces != nil && f.pieces.opened))
	}, handshakeEvidence},
	{"MH1904", "", func(f *tlsFacts) Confidence { return ifTrue(f.timeout() && (!f.seen || f.target.via != nil), Possible) }, handshakeEvidence},
	{"MH1312", "", func(f *tlsFacts) Confidence { return ifTrue(f.timeout(), Likely) }, handshakeEvidence},
	{"MH1308", "", func(f *tlsFacts) Confidence {
		return ifTrue((f.reset() || f.closed()) && f.other.answers() && !f.small.answers(), sure(f.seen && !f.whole()))
	}, handshakeEvidence},
	{"MH1712", "", func(f *tlsFacts) Confidence { return ifTrue(f.reset() || f.closed(), Likely) }, handshakeEvidence},
	{"MH1712", "", func(f *tlsFacts) Confidence { return ifTrue(f.err != nil, Possible) }, handshakeEvidence},

	{"MH1106", "", func(f *tlsFacts) Confidence { return ifTrue(f.wrongTime() && f.clockWrong(), Likely) }, certificateEvidence},
	{"MH1702", "", func(f *tlsFacts) Confidence {
		return ifTrue(f.wrongTime() && f.now.Before(f.leaf().NotBefore), sure(!f.date.IsZero()))
	}, certificateEvidence},
	{"MH1701", "", func(f *tlsFacts) Confidence { return ifTrue(f.wrongTime(), sure(!f.date.IsZero())) }, certificateEvidence},
	{"MH1104", "", func(f *tlsFacts) Confidence { return ifTrue(f.unknownAuthority() && f.target.roots.empty(), Certain) }, certificateEvidence},
	{"MH1707", "", func(f *tlsFacts) Confidence {
		return ifTrue(f.unknownAuthority() && inspects(f.leaf().Issuer.String()), Likely)
	}, certificateEvidence},
	{"MH1706", "", func(f *tlsFacts) Confidence { return ifTrue(f.unknownAuthority() && f.filled, Certain) }, certificateEvidence},
	{"MH1704", "", func(f *tlsFacts) Confidence {
		return ifTrue(f.unknownAuthority() && selfSigned(f.leaf()) && len(f.state.PeerCertificates) == 1, Certain)
	}, certificateEvidence},
	{"MH1705", "", func(f *tlsFacts) Confidence { return ifTrue(f.unknownAuthority(), Likely) }, certificateEvidence},
	{"MH1703", "", func(f *tlsFacts) Confidence { return ifTrue(f.wrongName(), Likely) }, certificateEvidence},
	{"MH1705", "", func(f *tlsFacts) Confidence { return ifTrue(f.verify != nil, Possible) }, certificateEvidence},
}

func (x *exchange) about() *target { return x.target }

func (x *exchange) vars() Vars {
	v := x.target.vars().with(Vars{
		"url": x.url, "what": x.what, "status": x.reason, "why": x.words(), "took": round(x.took), "err": errText(x.err), "bytes": strconv.FormatInt(x.got, 10) + " bytes",
		"server": x.front(), "from": x.sent, "words": x.words(), "type": oneLine(x.header.Get("Content-Type")), "after": oneLine(x.header.Get("Retry-After")), "proto": x.proto,
	})
	if x.length >= 0 && x.end != "" {
		v["announced"] = strconv.FormatInt(x.length, 10)
	}
	if len(x.moved) > 0 {
		v["value"] = oneLine(x.moved[len(x.moved)-1])
		if u, err := url.Parse(x.moved[len(x.moved)-1]); err == nil {
			v["portal"] = u.Host
		}
	}
	if n := x.target.nearNetrc(); n != "" {
		v["netrc"] = n
	}
	return v
}

// elsewhere reports whether redirects led to another host.
func (x *exchange) elsewhere() bool {
	if len(x.moved) == 0 {
		return false
	}
	u, err := url.Parse(x.moved[len(x.moved)-1])
	return err == nil && !strings.EqualFold(u.Hostname(), x.target.host)
}

// failing reports whether a connection was there, and the request came to nothing.
func (x *exchange) failing(ends ...end) bool {
	for _, e := range ends {
		if x.end == e {
			return true
		}
	}
	return false
}

// gateway reports whether a status is one that a front gives for the server behind it: 520 to 530 are Cloudflare's.
func (x *exchange) gateway() bool {
	return x.status == http.StatusBadGateway || x.status == http.StatusServiceUnavailable || x.status == http.StatusGatewayTimeout || x.status >= 520 && x.status <= 530
}

// idle returns what the connection does when nothing is sent.
func (x *exchange) idle() string {
	if f := x.target.tcpTo(); f != nil {
		return f.idle
	}
	return ""
}

// plainVia reports whether an HTTP proxy stands between that sees the request itself.
func (x *exchange) plainVia() bool { return x.target.via != nil && !x.target.tunnelled() }

var webEvidence = []string{
	"GET {url}: {status} after {took}", "GET {url}: {err} after {took}", "it says: {words}", "it calls itself {server}", "it is of the type {type}", "it led to {value}", "it says to come back after {after}",
}

var bodyEvidence = []string{"GET {url}: {status}", "{bytes} came, of {announced} that were announced", "{bytes} came in {took}", "{err}"}

// webRules say why a request came to no file.
var webRules = []rule[*exchange]{
	{"MH1011", "", func(x *exchange) Confidence { return ifTrue(x.speaks && !x.plainVia(), Certain) }, webEvidence},
	{"MH1501", "", func(x *exchange) Confidence {
		return ifTrue(x.failing(hungUp, wasReset, malformed) && (x.idle() == idleClosed || x.idle() == idleReset), Certain)
	}, webEvidence},
	{"MH1505", "", func(x *exchange) Confidence {
		return ifTrue(x.end == malformed && x.target.url.Scheme == "http", Likely)
	}, webEvidence},
	{"MH1711", "", func(x *exchange) Confidence {
		return ifTrue(x.end != "" && x.status == 0 && x.target.tls != nil && x.target.tls.asked, Likely)
	}, webEvidence},
	{"MH1906", "", func(x *exchange) Confidence { return ifTrue(x.end != "" && x.h1, Certain) }, []string{"GET {url}: {err} after {took}", "over HTTP/1.1 the same request is answered"}},
	{"MH1907", "", func(x *exchange) Confidence { return ifTrue(x.end == circle, Certain) }, webEvidence},
	{"MH1908", "", func(x *exchange) Confidence { return ifTrue(x.end == insecure, Certain) }, webEvidence},
	{"MH1408", "", func(x *exchange) Confidence { return ifTrue(x.failing(hung, stalled) && x.path, Likely) }, bodyEvidence},
	{"MH1603", "", func(x *exchange) Confidence { return ifTrue(x.end == hung && x.plainVia(), Likely) }, webEvidence},
	{"MH1902", "", func(x *exchange) Confidence { return ifTrue(x.end == hung, Likely) }, webEvidence},
	{"MH1911", "", func(x *exchange) Confidence { return ifTrue(x.end == stalled, Likely) }, bodyEvidence},
	{"MH1912", "", func(x *exchange) Confidence { return ifTrue(x.end == cutShort, Likely) }, bodyEvidence},
	{"MH2007", "", func(x *exchange) Confidence { return ifTrue(x.end == badGzip, Certain) }, bodyEvidence},
	{"MH1607", "", func(x *exchange) Confidence {
		return ifTrue(x.failing(hungUp, wasReset, malformed) && x.plainVia(), Likely)
	}, webEvidence},
	{"MH1910", "", func(x *exchange) Confidence { return ifTrue(x.failing(hungUp, wasReset, malformed), Likely) }, webEvidence},
	{"MH1910", "", func(x *exchange) Confidence { return ifTrue(x.end == notSent, Possible) }, webEvidence},
	{"MH1604", "", func(x *exchange) Confidence { return ifTrue(x.status == http.StatusProxyAuthRequired, Certain) }, webEvidence},
	{"MH1605", "", func(x *exchange) Confidence {
		return ifTrue(x.status == http.StatusForbidden && x.plainVia() && x.header.Get("X-Squid-Error") != "", Certain)
	}, webEvidence},
	{"MH1606", "", func(x *exchange) Confidence { return ifTrue(x.gateway() && x.plainVia(), Likely) }, webEvidence},
	{"MH2302", "", func(x *exchange) Confidence {
		return ifTrue(x.status == http.StatusUnauthorized && x.sent != "", Certain)
	}, webEvidence},
	{"MH1017", "", func(x *exchange) Confidence {
		return ifTrue(x.status == http.StatusUnauthorized && x.target.nearNetrc() != "", Certain)
	}, webEvidence},
	{"MH2301", "", func(x *exchange) Confidence { return ifTrue(x.status == http.StatusUnauthorized, Certain) }, webEvidence},
	{"MH2303", "", func(x *exchange) Confidence { return ifTrue(x.status == http.StatusForbidden, Certain) }, webEvidence},
	{"MH1903", "", func(x *exchange) Confidence { return ifTrue(x.status == http.StatusTooManyRequests, Certain) }, webEvidence},
	{"MH1905", "", func(x *exchange) Confidence { return ifTrue(x.gateway() && x.front() != "", Likely) }, webEvidence},
	{"MH1901", "", func(x *exchange) Confidence { return ifTrue(x.status >= 500, Certain) }, webEvidence},
	{"MH2001", "", func(x *exchange) Confidence {
		return ifTrue(x.isHTML() && x.elsewhere() && x.status == http.StatusOK, Certain)
	}, webEvidence},
	{"MH2002", "", func(x *exchange) Confidence { return ifTrue(x.isHTML() && x.status == http.StatusOK, Likely) }, webEvidence},
	{"MH2004", "", func(x *exchange) Confidence {
		return ifTrue(x.status != http.StatusOK && x.status != http.StatusPartialContent && !absent(x.status), Likely)
	}, webEvidence},
}

// slowBelow is a speed, in bytes a second, at which a build with a hundred modules takes a quarter of an hour.
const slowBelow = 100 << 10

// webWarnings are what is not well with a request that came to its file.
var webWarnings = []rule[*exchange]{
	{"MH1909", Warn, func(x *exchange) Confidence {
		return ifTrue(x.end == slowly && float64(x.got)/x.took.Seconds() < slowBelow, Certain)
	}, []string{"GET {url}: {status}", "{bytes} came in {took}"}},
}

func (f *contentFacts) about() *target { return f.target }

func (f *contentFacts) vars() Vars {
	v := f.target.vars().with(Vars{"path": f.path, "version": f.version, "module": f.path + "@" + f.version, "what": f.what, "why": f.wrong, "versions": f.versions(), "pattern": patternOf(f.path)})
	if f.version == "" {
		v["module"] = f.path
	}
	if x := f.odd(); x != nil {
		v["url"], v["status"], v["type"] = x.url, x.reason, oneLine(x.header.Get("Content-Type"))
	}
	if f.target.web != nil && f.kind == "" {
		v["why"] = f.target.web.words()
	}
	if f.speed > 0 {
		v["speed"] = strconv.FormatFloat(f.speed/1e6, 'f', 1, 64) + " MB/s"
	}
	return v
}

// odd returns the file that something is wrong with.
func (f *contentFacts) odd() *exchange {
	for _, x := range []*exchange{f.info, f.mod, f.zip} {
		if x != nil && x.what == f.what {
			return x
		}
	}
	return nil
}

// patternOf is what GOPRIVATE would have to hold for a module.
func patternOf(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) > 1 {
		return strings.Join(parts[:2], "/")
	}
	return path
}

var fileEvidence = []string{"GET {url}: {status}", "what is wrong with {what}: {why}", "it is of the type {type}"}

// contentRules say what is wrong with files that came.
var contentRules = []rule[*contentFacts]{
	{"MH2002", "", func(f *contentFacts) Confidence { return ifTrue(f.kind == "MH2002", Likely) }, fileEvidence},
	{"MH2006", "", func(f *contentFacts) Confidence { return ifTrue(f.kind == "MH2006", Certain) }, fileEvidence},
	{"MH2003", "", func(f *contentFacts) Confidence { return ifTrue(f.kind == "MH2003", Certain) }, fileEvidence},
	{"MH2005", "", func(f *contentFacts) Confidence { return ifTrue(f.kind == "MH2005", Certain) }, fileEvidence},
	{"MH2004", "", func(f *contentFacts) Confidence { return ifTrue(f.kind == "MH2004", Certain) }, fileEvidence},
}

func (f *sumFacts) about() *target { return f.target }

func (f *sumFacts) vars() Vars {
	v := f.target.vars().with(Vars{"db": f.db, "why": f.form, "module": f.module})
	v["better"] = orDirect(f.target.m.env["GOPROXY"])
	if m, _, ok := strings.Cut(f.module, "@"); ok {
		v["pattern"] = patternOf(m)
	}
	for _, x := range []*exchange{f.supported, f.latest, f.lookup} {
		if x != nil {
			v["url"], v["status"], v["err"], v["words"] = x.url, x.reason, errText(x.err), x.words()
			if x.end != "" || x.status != http.StatusOK {
				break
			}
		}
	}
	if v["status"] == "" {
		v["status"] = "no answer"
	}
	return v
}

var sumEvidence = []string{"GET {url}: {status}", "GET {url}: {err}", "it says: {words}"}

// sumRules say what is wrong with what answers for a checksum database.
var sumRules = []rule[*sumFacts]{
	{"MH2102", "", func(f *sumFacts) Confidence {
		return ifTrue(f.supported != nil && !f.absent() && (f.supported.end != "" || f.supported.status != http.StatusOK), Certain)
	}, sumEvidence},
	{"MH2106", "", func(f *sumFacts) Confidence { return ifTrue(f.form != "", Certain) }, sumEvidence},
	{"MH2103", "", func(f *sumFacts) Confidence {
		return ifTrue(f.latest != nil && f.latest.status == http.StatusOK && f.latest.end == "" && !f.signed, Certain)
	}, sumEvidence},
	{"MH2102", "", func(f *sumFacts) Confidence { return ifTrue(f.supported != nil && !f.absent() && !f.serves(), Likely) }, sumEvidence},
	{"MH2101", "", func(f *sumFacts) Confidence { return ifTrue(f.supported == nil && !f.serves(), Likely) }, sumEvidence},
}

func (f *vcsFacts) about() *target { return f.target }

func (f *vcsFacts) vars() Vars {
	v := f.target.vars().with(Vars{"why": f.git, "git": f.git, "name": f.absent, "took": round(f.took), "module": f.module, "path": cmp.Or(f.root, f.module)})
	if u, err := url.Parse(f.repo); err == nil {
		v["repo"], v["host"] = f.repo, u.Hostname()
		if u.User != nil {
			v["repo"] = scrub(f.repo)
		}
	}
	if f.page != nil && f.git == "" {
		v["status"], v["why"] = f.page.reason, f.page.reason
	}
	return v
}

// vcsRules say why a repository cannot be fetched from.
var vcsRules = []rule[*vcsFacts]{
	{"MH1107", "", func(f *vcsFacts) Confidence { return ifTrue(f.absent != "", Certain) }, nil},
	{"MH2304", "", func(f *vcsFacts) Confidence { return ifTrue(f.failed && f.wantsCredential(), Likely) }, []string{"git ls-remote {repo}: {git}"}},
	{"MH2203", "", func(f *vcsFacts) Confidence { return ifTrue(f.failed, Likely) }, []string{"git ls-remote {repo}: {git}"}},
	{"MH2203", "", func(f *vcsFacts) Confidence { return ifTrue(f.missing(), Likely) }, []string{"the page with ?go-get=1 names no repository: {status}"}},
}

// orDirect is a list that goes on to version control after any failure.
func orDirect(list string) string {
	var all []string
	for _, u := range readList(list) {
		if u.URL != "direct" && u.URL != "off" {
			all = append(all, scrub(u.URL))
		}
	}
	return strings.Join(append(all, "direct"), "|")
}

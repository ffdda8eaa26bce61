package doctor

import (
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/doctor/trace"
)

var openEvidence = []string{
	"{client} asked {addr} for a connection {syns} times",
	"{icmp}, sent by {box} after {took}",
	"the refusal arrived with TTL {ttl}, so it has passed {hops} routers",
	"answers of the host itself arrive with TTL {hostttl}, and have passed {hosthops}",
	"{other}",
	"{control} of the same address: {controlsaid}",
}

// openRules say why a connection was not made.
var openRules = []rule[*connFacts]{
	{"MH1407", "", func(f *connFacts) Confidence { return ifTrue(f.rejected(icmpError.timeExceeded), Certain) }, openEvidence},
	{"MH1303", "", func(f *connFacts) Confidence {
		return ifTrue(f.rejected(func(m icmpError) bool { return m.from == f.c.Client.Addr() && !m.hostUnreachable() }), Certain)
	}, openEvidence},
	{"MH1310", "", func(f *connFacts) Confidence {
		return ifTrue(f.rejected(func(m icmpError) bool { return m.from == f.c.Server.Addr() }), Certain)
	}, openEvidence},
	{"MH1309", "", func(f *connFacts) Confidence { return ifTrue(f.rejected(icmpError.prohibited), Certain) }, openEvidence},
	{"MH1301", "", func(f *connFacts) Confidence { return ifTrue(f.rejected(icmpError.portUnreachable), Certain) }, openEvidence},
	{"MH1504", "", func(f *connFacts) Confidence {
		return ifTrue(f.rejected(icmpError.hostUnreachable) && f.control() != 0, Likely)
	}, openEvidence},
	{"MH1803", "", func(f *connFacts) Confidence {
		return ifTrue(f.rejected(icmpError.hostUnreachable) && f.rejects().At-f.c.Start > int64(500*time.Millisecond), Likely)
	}, openEvidence},
	{"MH1301", "", func(f *connFacts) Confidence { return ifTrue(f.rejected(icmpError.hostUnreachable), Likely) }, openEvidence},
	{"MH1402", "", func(f *connFacts) Confidence { return ifTrue(f.rejects() != nil, Likely) }, openEvidence},

	{"MH1801", "", func(f *connFacts) Confidence {
		return ifTrue(f.refused() && (f.own() || f.c.Server.Addr().IsLoopback()), Certain)
	}, openEvidence},
	{"MH1302", "", func(f *connFacts) Confidence { return ifTrue(f.refused() && f.forged(), Certain) }, openEvidence},
	{"MH1302", "", func(f *connFacts) Confidence { return ifTrue(f.refused() && f.nearer(), Certain) }, openEvidence},
	{"MH1502", "", func(f *connFacts) Confidence { return ifTrue(f.refused() && f.farther(), Certain) }, openEvidence},
	{"MH1801", "", func(f *connFacts) Confidence {
		return ifTrue(f.refused() && (int(f.refusal().TTL) == f.hostTTL() || f.atServer() && began(f.refusal().TTL)), sure(f.control() != 0))
	}, openEvidence},
	{"MH1802", "", func(f *connFacts) Confidence { return ifTrue(f.refused(), Likely) }, openEvidence},

	{"MH1401", "", func(f *connFacts) Confidence { return ifTrue(f.silent() && f.nobody().IsValid(), Certain) }, openEvidence},
	{"MH1315", "", func(f *connFacts) Confidence {
		return ifTrue(f.silent() && f.paired && f.peer == nil, sure(f.covers()))
	}, openEvidence},
	{"MH1314", "", func(f *connFacts) Confidence {
		return ifTrue(f.silent() && f.peer != nil && f.peer.SYNACKs > 0, Certain)
	}, openEvidence},
	{"MH1313", "", func(f *connFacts) Confidence { return ifTrue(f.silent() && (f.peer != nil || f.atServer()), Likely) }, openEvidence},
	{"MH1314", "", func(f *connFacts) Confidence {
		return ifTrue(f.c.Opened != 0 && f.c.Made == 0 && f.c.Reset == nil && f.c.SYNACKs > 2 && f.atServer(), Likely)
	}, openEvidence},
	{"MH1304", "", func(f *connFacts) Confidence { return ifTrue(f.silent() && f.control() != 0, Likely) }, openEvidence},
	{"MH1305", "", func(f *connFacts) Confidence { return ifTrue(f.silent(), Possible) }, openEvidence},
}

var earlyEvidence = []string{"{addr} took the connection and ended it before it sent a byte", "the client had sent {sent} bytes", "it was ended {resetafter} after the first packet"}

// earlyRules say why a connection was of no use before anything was said on it.
var earlyRules = []rule[*connFacts]{
	{"MH1501", "", func(f *connFacts) Confidence {
		c := f.c
		early := c.S.Data == 0 && c.S.Fin != 0 && (c.C.Fin == 0 || c.S.Fin < c.C.Fin) && int32(c.S.FinAck-c.C.ISN) <= 1
		return ifTrue(c.Whole && c.Made != 0 && early && f.foreign() == no, Certain)
	}, earlyEvidence},
	{"MH1501", "", func(f *connFacts) Confidence {
		c := f.c
		return ifTrue(c.Whole && f.refusal() != nil && c.Opened != 0 && c.S.Data == 0 && c.C.Data == 0 && f.foreign() == no, Likely)
	}, earlyEvidence},
}

var tunnelSaid = []string{"{request}: {status}", "it asks for: {scheme}", "it calls itself {server}"}

func (f *connFacts) proxySaid(is func(status int) bool) bool {
	x := f.exchange()
	return f.viaProxy() && x != nil && x.Status != 0 && is(x.Status)
}

// proxyCaptureRules say why an HTTP proxy was of no use.
var proxyCaptureRules = []rule[*connFacts]{
	{"MH1604", "", func(f *connFacts) Confidence {
		return ifTrue(f.proxySaid(func(s int) bool { return s == 407 }), Certain)
	}, tunnelSaid},
	{"MH1606", "", func(f *connFacts) Confidence {
		return ifTrue(f.proxySaid(func(s int) bool { return s >= 502 && s <= 504 }), sure(f.c.Tunnel != nil))
	}, tunnelSaid},
	{"MH1605", "", func(f *connFacts) Confidence {
		return ifTrue(f.c.Tunnel != nil && f.proxySaid(func(s int) bool { return s != 200 }), Certain)
	}, tunnelSaid},
	{"MH1603", "", func(f *connFacts) Confidence {
		x := f.exchange()
		return ifTrue(f.viaProxy() && (x.Answered == 0 || x.Answered > f.end()) && !f.hungUp() && f.waited(x.Asked, silentHTTP), Certain)
	}, []string{"{request}: no answer"}},
	{"MH1607", "", func(f *connFacts) Confidence {
		x := f.exchange()
		return ifTrue(f.viaProxy() && x.Status == 0 && (f.hungUp() || x.Odd), Certain)
	}, []string{"{request}: no answer"}},
}

var helloEvidence = []string{
	"the client sent {sent} bytes, of which {acked} were received",
	"a packet of {edgesize} bytes was sent again {edge} times and never received",
	"of what the server sent, {gaps} behind a gap arrived",
	"{icmp}, sent by {box}",
	"the reset arrived with TTL {ttl}, the server's other packets with {hostttl}",
	"{other}",
}

var certificateSaid = []string{"the client ended the handshake with the alert {alert}: {why}", "the certificate: {subject}", "signed by {issuer}", "for {names}", "valid from {since} to {until}"}

func (f *connFacts) alert() int {
	if f.c.TLS == nil {
		return -1
	}
	return f.c.TLS.ServerAlert
}

func (f *connFacts) clientAlert(of ...int) bool {
	for _, n := range of {
		if f.quit() && f.c.TLS.ClientAlert == n {
			return true
		}
	}
	return false
}

// tlsCaptureRules say why a handshake came to nothing.
var tlsCaptureRules = []rule[*connFacts]{
	{"MH1503", "", func(f *connFacts) Confidence {
		return ifTrue(f.c.TLS != nil && f.c.TLS.Odd && strings.HasPrefix(string(f.c.Begins[1]), "HTTP"), Certain)
	}, []string{"the first bytes from {addr} are those of an HTTP answer"}},
	{"MH1505", "", func(f *connFacts) Confidence { return ifTrue(f.c.TLS != nil && f.c.TLS.Odd, Certain) }, helloEvidence},
	{"MH1708", "", func(f *connFacts) Confidence {
		return ifTrue(f.alert() == alertVersion || f.clientAlert(alertVersion), Certain)
	}, []string{"the server ended the handshake with the alert {alert}: {why}"}},
	{"MH1710", "", func(f *connFacts) Confidence { return ifTrue(f.alert() == alertUnrecognized, Certain) }, nil},
	{"MH1711", "", func(f *connFacts) Confidence { return ifTrue(f.alert() == alertCertificate, Certain) }, nil},
	{"MH1709", "", func(f *connFacts) Confidence { return ifTrue(f.alert() > 0, Certain) }, []string{"the server ended the handshake with the alert {alert}: {why}"}},

	{"MH1701", "", func(f *connFacts) Confidence {
		return ifTrue(f.quit() && f.leaf() != nil && f.when().After(f.leaf().NotAfter), Certain)
	}, certificateSaid},
	{"MH1702", "", func(f *connFacts) Confidence {
		return ifTrue(f.quit() && f.leaf() != nil && f.when().Before(f.leaf().NotBefore), Certain)
	}, certificateSaid},
	{"MH1703", "", func(f *connFacts) Confidence {
		return ifTrue(f.quit() && f.leaf() != nil && f.c.TLS.Name != "" && f.leaf().VerifyHostname(f.c.TLS.Name) != nil, Certain)
	}, certificateSaid},
	{"MH1704", "", func(f *connFacts) Confidence {
		return ifTrue(f.quit() && f.leaf() != nil && f.c.TLS.Chain == 1 && selfSigned(f.leaf()), Likely)
	}, certificateSaid},
	{"MH1707", "", func(f *connFacts) Confidence {
		return ifTrue(f.quit() && f.leaf() != nil && inspects(f.leaf().Issuer.String()), Likely)
	}, certificateSaid},
	{"MH1705", "", func(f *connFacts) Confidence {
		return ifTrue(f.quit() && f.leaf() != nil, sure(f.clientAlert(48)))
	}, certificateSaid},
	{"MH1713", "", func(f *connFacts) Confidence { return ifTrue(f.quit(), Likely) }, []string{"its first encrypted message is as long as an alert, and it closed the connection behind it"}},

	{"MH1308", "", func(f *connFacts) Confidence { return ifTrue(f.shaking() && f.c.S.Data == 0, f.foreign()) }, helloEvidence},
	{"MH1403", "", func(f *connFacts) Confidence {
		return ifTrue(f.shaking() && f.lostUp() && f.tooLarge() != nil, Certain)
	}, helloEvidence},
	{"MH1307", "", func(f *connFacts) Confidence {
		return ifTrue(f.shaking() && f.lostUp() && (!f.large() || f.largePasses()), sure(f.largePasses()))
	}, helloEvidence},
	{"MH1403", "", func(f *connFacts) Confidence { return ifTrue(f.shaking() && f.lostUp(), likelyIf(f.c.C.Behind)) }, helloEvidence},
	{"MH1404", "", func(f *connFacts) Confidence {
		t := f.c.TLS
		return ifTrue(t != nil && !t.Done && f.holed() && f.waited(f.c.C.First, silentTLS), Certain)
	}, helloEvidence},
	{"MH1904", "", func(f *connFacts) Confidence {
		return ifTrue(f.shaking() && f.c.S.Data == 0 && !f.hungUp() && f.waited(f.c.C.Latest, silentTLS), sure(f.peer != nil))
	}, helloEvidence},
	{"MH1712", "", func(f *connFacts) Confidence {
		return ifTrue(f.shaking() && f.c.TLS.Size > 0 && f.hungUp(), Likely)
	}, helloEvidence},
}

// likelyIf is Likely where ok holds, and Possible otherwise.
func likelyIf(ok bool) Confidence {
	if ok {
		return Likely
	}
	return Possible
}

var bodySaid = []string{
	"{request}: {status}", "{bytes} came, of {announced} that were announced", "the client's machine said that it can take no more", "the reset arrived with TTL {ttl}, the server's other packets with {hostttl}", "{other}",
}

var requestSaid = []string{"{request}: {status}", "it calls itself {server}", "it asks for: {scheme}", "of {sent} bytes that were sent {acked} were received"}

func (f *connFacts) status(is func(x *trace.Exchange) bool) Confidence {
	x := f.exchange()
	return ifTrue(x != nil && x.Method != "CONNECT" && x.Status != 0 && is(x), Certain)
}

// waiting reports whether a request was sent and not answered. What is encrypted is one where it is more than what
// browsers and servers tell each other about the connection.
func (f *connFacts) waiting() Confidence {
	c, x := f.c, f.exchange()
	if c.TLS == nil && x != nil && x.Method != "CONNECT" {
		unanswered := x.Answered == 0 || x.Answered > f.end()
		return ifTrue(unanswered && !f.hungUp() && f.waited(x.Asked, silentHTTP), sure(c.C.Unacked() == 0))
	}
	quiet := c.S.Latest < c.C.Latest && f.waited(c.C.Latest, silentHTTP)
	return ifTrue(c.TLS != nil && c.TLS.Done && quiet && !f.hungUp() && c.C.Fin != 0 && c.S.Bytes < 16<<10, Possible)
}

// broken reports whether an answer had begun and did not come to its end.
func (f *connFacts) broken() bool {
	x := f.exchange()
	return f.c.TLS == nil && x != nil && x.Status != 0 && !x.Whole()
}

// webCaptureRules say why requests came to nothing.
var webCaptureRules = []rule[*connFacts]{
	{"MH1108", "", func(f *connFacts) Confidence {
		s := &f.c.C
		closed := s.Closed
		if s.Since != 0 {
			closed += f.c.Last - s.Since
		}
		return ifTrue(s.Zero > 0 && closed > int64(1500*time.Millisecond), Certain)
	}, bodySaid},
	{"MH1316", "", func(f *connFacts) Confidence {
		return ifTrue(f.c.Opened != 0 && f.c.C.Fin == 0 && f.c.S.Fin == 0, f.foreign())
	}, bodySaid},
	{"MH1403", "", func(f *connFacts) Confidence { return ifTrue(f.firstLost() && f.large(), Possible) }, helloEvidence},
	{"MH1312", "", func(f *connFacts) Confidence { return ifTrue(f.c.S.Data == 0 && f.lostUp(), Likely) }, requestSaid},
	{"MH1408", "", func(f *connFacts) Confidence {
		lost := f.holed() || f.c.C.Unacked() > 0 && f.c.C.Edge > 1 || f.c.S.Unacked() > 0 && f.c.S.Edge > 1
		return ifTrue(lost && f.waited(max(f.c.S.Latest, f.c.C.Latest), silentHTTP), Likely)
	}, bodySaid},
	{"MH1902", "", (*connFacts).waiting, requestSaid},
	{"MH1911", "", func(f *connFacts) Confidence {
		return ifTrue(f.broken() && !f.hungUp() && f.waited(f.c.S.Latest, silentHTTP), Likely)
	}, bodySaid},
	{"MH1912", "", func(f *connFacts) Confidence {
		return ifTrue(f.broken() && f.hungUp(), Likely)
	}, bodySaid},
	{"MH1910", "", func(f *connFacts) Confidence {
		x := f.exchange()
		return ifTrue(f.c.TLS == nil && x != nil && x.Status == 0 && f.hungUp(), Likely)
	}, requestSaid},
	{"MH1910", "", func(f *connFacts) Confidence {
		return ifTrue(f.c.TLS != nil && f.c.TLS.Done && f.refusal() != nil && f.hungUp() && f.c.S.Fin == 0, Possible)
	}, helloEvidence},
	{"MH1505", "", func(f *connFacts) Confidence {
		x := f.exchange()
		return ifTrue(x != nil && x.Odd && f.c.Tunnel == nil, Likely)
	}, requestSaid},

	{"MH2302", "", func(f *connFacts) Confidence {
		return f.status(func(x *trace.Exchange) bool { return x.Status == 401 && x.Credential })
	}, requestSaid},
	{"MH2301", "", func(f *connFacts) Confidence {
		return f.status(func(x *trace.Exchange) bool { return x.Status == 401 })
	}, requestSaid},
	{"MH2303", "", func(f *connFacts) Confidence {
		return f.status(func(x *trace.Exchange) bool { return x.Status == 403 })
	}, requestSaid},
	{"MH1903", "", func(f *connFacts) Confidence {
		return f.status(func(x *trace.Exchange) bool { return x.Status == 429 })
	}, requestSaid},
	{"MH1905", "", func(f *connFacts) Confidence {
		return ifTrue(f.status(func(x *trace.Exchange) bool { return x.Status >= 502 && x.Status <= 504 && x.Server != "" }) != no, Likely)
	}, requestSaid},
	{"MH1901", "", func(f *connFacts) Confidence {
		return f.status(func(x *trace.Exchange) bool { return x.Status >= 500 })
	}, requestSaid},
}

package doctor

import (
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/doctor/trace"
)

// Waits after which silence is one, and not the end of the capture.
const (
	silentSYN  = 2 * time.Second
	silentTLS  = 2 * time.Second
	silentHTTP = 2500 * time.Millisecond
)

// connFacts are what one connection of a capture showed.
type connFacts struct {
	c    *trace.Conn
	t    *trace.Trace
	host string // that was wanted: by its name where that is known
	port string
	all  *captureIndex

	paired bool         // the other side was recorded too
	peer   *trace.Conn  // the connection as that side has it; nil for not at all
	far    *trace.Trace // that side's capture

	found *Finding // while it is judged
	code  Code     // of what was found
	steps []Step
}

func newConnFacts(t *trace.Trace, all *captureIndex, c *trace.Conn, names map[netip.Addr]string) *connFacts {
	f := &connFacts{c: c, t: t, all: all, host: names[c.Server.Addr()], port: strconv.Itoa(int(c.Server.Port()))}
	if f.host == "" {
		f.host = c.Server.Addr().String()
	}
	x := f.exchange()
	switch {
	case c.Tunnel != nil:
		if host, port, err := net.SplitHostPort(c.Tunnel.Target); err == nil {
			f.host, f.port = host, port
		}
	case f.viaProxy():
		if u, err := url.Parse(x.Target); err == nil {
			f.host, f.port = u.Hostname(), portOf(u)
		}
	case x != nil && x.Host != "":
		f.host, _, _ = strings.Cut(x.Host, ":")
		if strings.HasPrefix(x.Host, "[") {
			f.host = c.Server.Addr().String()
		}
	}
	if c.TLS != nil && c.TLS.Name != "" {
		f.host = c.TLS.Name
	}
	f.host = oneLine(f.host)
	return f
}

// exchange is the last request of plain HTTP, nil for none. CONNECT is one.
func (f *connFacts) exchange() *trace.Exchange {
	if n := len(f.c.Requests); n > 0 {
		return f.c.Requests[n-1]
	}
	return nil
}

// viaProxy reports whether a request names the server as requests to an HTTP proxy do.
func (f *connFacts) viaProxy() bool {
	x := f.exchange()
	return f.c.Tunnel != nil || x != nil && strings.HasPrefix(x.Target, "http://")
}

func (f *connFacts) about() *target { return nil }

// end is when the client gave up, or the capture ends.
func (f *connFacts) end() int64 {
	end := f.t.Last
	for _, at := range []int64{f.c.C.Fin, f.resetAt(false)} {
		if at != 0 {
			end = min(end, at)
		}
	}
	return end
}

func (f *connFacts) resetAt(fromServer bool) int64 {
	if r := f.c.Reset; r != nil && r.FromServer == fromServer {
		return r.At
	}
	return 0
}

// waited reports whether nothing happened from a time on for so long.
func (f *connFacts) waited(from int64, least time.Duration) bool {
	return from != 0 && f.end()-from >= int64(least)
}

// began reports whether a TTL is one that systems begin with: nothing has counted it down.
func began(ttl uint8) bool { return ttl > 0 && routersBack(int(ttl)) == 0 }

// atServer reports whether this was recorded on the server's side: the client's packets have come over routers, and
// the server's not.
func (f *connFacts) atServer() bool {
	return f.c.C.Known && !began(f.c.C.TTL) && (!f.c.S.Known || began(f.c.S.TTL))
}

// opened reports whether there was a connection, or one was under way when the capture began.
func (f *connFacts) opened() bool { return f.c.Opened != 0 || !f.c.Whole && f.c.S.Known }

// silent reports whether the connection was asked for, and nothing came back in a time that is long enough.
func (f *connFacts) silent() bool {
	c := f.c
	return c.Whole && c.Opened == 0 && c.Reset == nil && len(c.Rejects) == 0 && (len(c.SYNs) > 2 || f.t.Last-c.Start > int64(silentSYN))
}

// hostTTL is what packets of the server's address arrive with, resets not counted; 0 where there are none.
func (f *connFacts) hostTTL() int {
	if f.c.S.Known {
		return int(f.c.S.TTL)
	}
	if h := f.t.Hosts[f.c.Server.Addr()]; h != nil {
		return int(h.TTL)
	}
	return 0
}

// control is a port of the same host that answered; 0 for none.
func (f *connFacts) control() uint16 { return f.all.other(f.c.Server) }

// refusal is the reset that came in the server's name, nil for none.
func (f *connFacts) refusal() *trace.Reset {
	if r := f.c.Reset; r != nil && r.FromServer {
		return r
	}
	return nil
}

// refused reports whether the connection was refused by a reset.
func (f *connFacts) refused() bool {
	r := f.refusal()
	return r != nil && r.ToSYN && f.c.Whole && f.c.Opened == 0
}

// nearer and farther compare how far the reset has come with the host's other packets.
func (f *connFacts) nearer() bool {
	r, ttl := f.refusal(), f.hostTTL()
	return r != nil && ttl > 0 && routersBack(int(r.TTL)) < routersBack(ttl)
}

func (f *connFacts) farther() bool {
	r, ttl := f.refusal(), f.hostTTL()
	return r != nil && ttl > 0 && routersBack(int(r.TTL)) > routersBack(ttl)
}

// hungUp reports whether the server, or what spoke in its name, ended the connection before the client did.
func (f *connFacts) hungUp() bool {
	c := f.c
	first := func(at int64) bool { return at != 0 && (c.C.Fin == 0 || at <= c.C.Fin) }
	return first(c.S.Fin) || first(f.resetAt(true))
}

// forged reports whether the reset is certainly not the server's: the server's side has it not, or the server goes on.
func (f *connFacts) forged() bool {
	r := f.refusal()
	if r == nil {
		return false
	}
	return f.paired && (f.peer == nil || f.peer.Reset == nil || !f.peer.Reset.FromServer) || r.GoesOn > 0 && f.c.Opened != 0
}

// foreign reports whether the reset seems to be of something else than the server.
func (f *connFacts) foreign() Confidence {
	switch {
	case f.refusal() == nil || f.own():
		return no
	case f.forged():
		return Certain
	case f.hostTTL() > 0 && int(f.refusal().TTL) != f.hostTTL():
		return sure(f.nearer())
	}
	return no
}

// own reports whether the server's side has the reset as its own.
func (f *connFacts) own() bool {
	return f.peer != nil && f.peer.Reset != nil && f.peer.Reset.FromServer && began(f.peer.Reset.TTL)
}

// rejects is the message of a router that ended the connection, nil for none: one that says that a packet was too large does not.
func (f *connFacts) rejects() *trace.Reject {
	for i := range f.c.Rejects {
		if r := &f.c.Rejects[i]; !r.TooLarge() && !r.ToServer && !f.opened() {
			return r
		}
	}
	return nil
}

func (f *connFacts) rejected(is func(m icmpError) bool) bool {
	r := f.rejects()
	return r != nil && is(icmpOf(r))
}

// tooLarge is the message of a router that a packet was too large for the next link, nil for none.
func (f *connFacts) tooLarge() *trace.Reject {
	for i := range f.c.Rejects {
		if r := &f.c.Rejects[i]; r.TooLarge() {
			return r
		}
	}
	return nil
}

// nobody returns the address whose hardware was asked for without an answer, where nothing came back: the server's, or the way out.
func (f *connFacts) nobody() netip.Addr {
	if !f.silent() {
		return netip.Addr{}
	}
	if h := f.t.Hosts[f.c.Server.Addr()]; h != nil && h.Sought > 0 && !h.Answered && !h.Sent {
		return f.c.Server.Addr()
	}
	if f.all.answered > 0 {
		return netip.Addr{}
	}
	return f.all.nobody
}

// lostUp reports whether what the client sent was sent again and again without an answer.
func (f *connFacts) lostUp() bool {
	c := f.c
	if f.peer != nil && c.C.ISN == f.peer.C.ISN {
		return f.waited(c.C.First, silentTLS) && int32(c.C.Next()-f.peer.C.Contiguous()) > 0
	}
	return c.C.Unacked() > 0 && c.C.Edge > 1 && f.waited(c.C.First, silentTLS) || f.firstLost()
}

// firstLost reports whether the first of what the client sent did not come to where was recorded, and later parts did.
func (f *connFacts) firstLost() bool {
	return f.c.Whole && f.c.S.Data == 0 && f.c.C.Missing() > 0
}

// large reports whether the packet that gets lost is one of full size.
func (f *connFacts) large() bool { return max(f.c.C.EdgeSize, f.c.C.Hole()) > 1000 }

// largePasses reports whether as large a packet of a client came to the same host elsewhere in the capture.
func (f *connFacts) largePasses() bool {
	return f.c.C.EdgeSize > 0 && f.all.host(f.c.Server.Addr()).passed >= f.c.C.EdgeSize
}

// holed reports whether of what the server sent something is missing, and later parts came.
func (f *connFacts) holed() bool {
	if f.c.S.Missing() > 0 {
		return true
	}
	return f.peer != nil && f.peer.S.ISN == f.c.S.ISN && int32(f.peer.S.Next()-f.c.S.Contiguous()) > 0 && f.peer.S.Edge > 0
}

func (f *connFacts) shaking() bool {
	t := f.c.TLS
	return t != nil && t.Version == 0 && t.ServerAlert < 0 && !t.Odd
}

func (f *connFacts) leaf() *x509.Certificate {
	if f.c.TLS == nil {
		return nil
	}
	return f.c.TLS.Leaf
}

// quit reports whether the client ended the handshake after the server's certificate.
func (f *connFacts) quit() bool {
	t := f.c.TLS
	return t != nil && t.Version != 0 && (t.Rejected || t.ClientAlert > 0) && (f.c.C.Fin != 0 || f.c.Reset != nil)
}

// when is the time by which certificates are judged.
func (f *connFacts) when() time.Time { return time.Unix(0, f.c.Last) }

func (f *connFacts) vars() Vars {
	c := f.c
	v := Vars{
		"host": f.host, "port": f.port, "addr": c.Server.String(), "ip": c.Server.Addr().String(), "entry": f.host, "url": f.host + ":" + f.port, "client": c.Client.Addr().String(),
		"syns": strconv.Itoa(len(c.SYNs)), "sent": strconv.FormatInt(c.C.Bytes, 10), "got": bytesText(c.S.Bytes), "acked": strconv.FormatInt(min(c.C.Acked(), c.C.Bytes), 10), "again": strconv.Itoa(c.C.Again),
		"what": "what was asked for", "bytes": bytesText(c.S.Bytes), "at": since(f.t, c.Start),
	}
	if f.viaProxy() {
		v["proxy"], v["name"] = c.Server.String(), "HTTPS_PROXY"
	}
	if p := f.control(); p != 0 {
		v["control"], v["controlsaid"] = "port "+strconv.Itoa(int(p)), "connected"
	}
	f.refusalVars(v)
	f.tlsVars(v)
	f.webVars(v)
	return v
}

func (f *connFacts) refusalVars(v Vars) {
	if r := f.rejects(); r != nil {
		m := icmpOf(r)
		v["icmp"], v["why"], v["box"], v["took"] = m.String(), m.String(), m.from.String(), round(time.Duration(r.At-f.c.Start))
	} else if r := f.tooLarge(); r != nil {
		v["icmp"], v["box"] = icmpOf(r).String(), r.From.String()
	}
	if a := f.nobody(); a.IsValid() {
		v["gateway"] = a.String()
	}
	r := f.refusal()
	if r == nil {
		return
	}
	v["resetafter"] = round(time.Duration(r.At - f.c.Start))
	v["ttl"], v["hops"] = strconv.Itoa(int(r.TTL)), strconv.Itoa(routersBack(int(r.TTL)))
	if ttl := f.hostTTL(); ttl > 0 {
		v["hostttl"], v["hosthops"] = strconv.Itoa(ttl), strconv.Itoa(routersBack(ttl))
	}
	if f.paired && f.forged() {
		v["other"] = "it is not in the capture of the server's side"
	} else if f.own() {
		v["other"] = "the server's side has it too"
	}
}

func (f *connFacts) tlsVars(v Vars) {
	t := f.c.TLS
	if t == nil {
		return
	}
	if t.Size > 0 {
		v["hello"] = strconv.Itoa(t.Size)
	}
	if f.c.C.Edge > 0 && f.c.C.Unacked() > 0 {
		v["edge"], v["edgesize"] = strconv.Itoa(f.c.C.Edge), strconv.Itoa(f.c.C.EdgeSize)
	}
	if n := f.c.S.Missing(); n > 0 {
		v["gaps"] = bytesText(int64(n))
	}
	if n := max(t.ServerAlert, t.ClientAlert); n >= 0 {
		v["alert"], v["why"] = strconv.Itoa(n), alertName(n)
		v["status"] = "1.1 or older"
	}
	if c := t.Leaf; c != nil {
		v["since"], v["until"], v["issuer"], v["subject"], v["names"], v["hosts"] = day(c.NotBefore), day(c.NotAfter), oneLine(c.Issuer.String()), oneLine(c.Subject.String()), namesOf(c), f.host
	}
}

func (f *connFacts) webVars(v Vars) {
	x := f.exchange()
	if x == nil {
		return
	}
	v["request"] = x.Method + " " + x.Target
	if x.Method != "CONNECT" {
		v["what"] = x.Target
	}
	if x.Status != 0 {
		v["status"], v["after"] = x.Reason, x.RetryAfter
		v["server"], v["scheme"], v["type"] = x.Server, x.Asks, x.Type
		v["bytes"] = bytesText(x.Body)
		if x.Length >= 0 {
			v["announced"] = strconv.FormatInt(x.Length, 10)
		}
		if v["why"] == "" {
			v["why"] = x.RetryAfter
		}
	}
}

// alertName names an alert of TLS (RFC 8446, B.2) for people.
func alertName(n int) string {
	if s := map[int]string{
		0: "close notify", 10: "unexpected message", 20: "bad record MAC", 40: "handshake failure", 42: "bad certificate", 43: "unsupported certificate", 44: "certificate revoked", 45: "certificate expired",
		46: "certificate unknown", 47: "illegal parameter", 48: "unknown certificate authority", 49: "access denied", 50: "decode error", 51: "decrypt error", 70: "protocol version not supported",
		71: "insufficient security", 80: "internal error", 90: "user canceled", 109: "missing extension", 112: "unrecognized name", 116: "certificate required", 120: "no application protocol",
	}[n]; s != "" {
		return s
	}
	return "alert " + strconv.Itoa(n)
}

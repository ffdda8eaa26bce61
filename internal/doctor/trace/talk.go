package trace

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
)

// How much of what is said is kept until it is understood, and how many requests of a connection are.
const (
	maxHead     = 16 << 10
	maxRequests = 8
)

// A Talk is what is said on a connection, as far as it can be read.
type Talk struct {
	TLS      *TLS        // nil where it is not spoken
	Requests []*Exchange // plain HTTP; the first ones, and the last
	Count    int         // of all requests
	Tunnel   *Exchange   // the CONNECT that an HTTP proxy was asked for, with what came of it
	Begins   [2][]byte   // the first bytes of the client and the server
	Gone     bool        // something of what was said is not in the capture, so that the rest is not understood

	heads [2][]byte
	now   *Exchange
	mute  bool  // nothing more is of interest
	at    int64 // when the packet came that is heard
}

// An Exchange is a request of plain HTTP and its answer. It has no header but the named ones, and no credential.
type Exchange struct {
	Method, Target, Host string // Target is without users, passwords and queries
	Credential           bool   // one was sent to the server, or with CONNECT to the proxy
	Status               int    // 0 for none
	Reason               string // the status as it was sent, with its words
	Server, RetryAfter   string
	Asks                 string // the scheme of authentication that is wanted
	Type, Location, Via  string
	Length               int64 // that was announced; -1 for none
	Chunked, Ended       bool  // Ended: all of the body came
	Body                 int64 // bytes that came
	Odd                  bool  // what came is no HTTP
	Asked, Answered      int64 // when the heads were whole; 0 for never

	tail   [5]byte
	unsure bool // some of the body is not in the capture
}

func (k *Talk) wants() bool { return !k.mute }

func (k *Talk) talkKept() int {
	n := cap(k.heads[0]) + cap(k.heads[1])
	if k.TLS != nil {
		n += k.TLS.kept()
	}
	return n
}

func (k *Talk) deaf() {
	k.mute, k.heads = true, [2][]byte{}
	if k.TLS != nil {
		k.TLS.client.buf, k.TLS.server.buf = nil, nil
	}
}

// spokeWell reports whether there is nothing in what was said that went wrong.
func (k *Talk) spokeWell() bool {
	if k.TLS != nil {
		return k.TLS.Done && k.TLS.ClientAlert < 0 && k.TLS.ServerAlert < 0
	}
	for _, x := range k.Requests {
		if x.Status < 200 || x.Status > 399 || !x.Whole() {
			return false
		}
	}
	return len(k.Requests) > 0
}

// Whole reports whether all of the body came, as far as that can be known.
func (x *Exchange) Whole() bool {
	switch {
	case x.Method == "HEAD" || x.Status == 204 || x.Status == 304 || x.Status == 0:
		return true
	case x.Chunked:
		return x.Ended || x.unsure
	}
	return x.Length < 0 || x.Body >= x.Length
}

// hear takes the next bytes of the client or the server, behind which some were lost for the capture.
func (k *Talk) hear(client bool, b []byte, lost int, listen bool) {
	side := 1
	if client {
		side = 0
	}
	if room := 32 - len(k.Begins[side]); room > 0 && len(b) > 0 {
		k.Begins[side] = append(k.Begins[side], b[:min(room, len(b))]...)
	}
	if k.mute {
		return
	}
	if !listen {
		k.Gone = true
		k.deaf()
		return
	}
	switch {
	case k.TLS != nil:
		k.TLS.hear(client, b)
		if k.TLS.understood() {
			k.deaf()
		}
	case client:
		k.request(b)
	default:
		k.answer(b)
	}
	if lost <= 0 || k.mute {
		return
	}
	k.Gone = true
	if x := k.now; !client && k.TLS == nil && x != nil && x.Status >= 200 && len(k.heads[1]) == 0 {
		x.Body, x.unsure = x.Body+int64(lost), true
		return
	}
	k.deaf()
}

// request takes bytes of the client that are not known to be of TLS.
func (k *Talk) request(b []byte) {
	if len(k.heads[0]) == 0 && (k.now == nil || k.now.Status == 200 && k.now == k.Tunnel) && len(b) > 0 && b[0] == recordHandshake {
		k.TLS = newTLS()
		k.heads, k.Begins[1] = [2][]byte{}, nil // what an HTTP proxy said is not the server's
		k.TLS.hear(true, b)
		return
	}
	if k.now != nil && k.now.Status == 0 && len(k.heads[0]) == 0 {
		return // the body of a request
	}
	head, _, ok := k.head(0, b)
	if !ok {
		if len(k.heads[0]) >= 8 && !isRequest(k.heads[0]) {
			k.deaf() // another protocol
		}
		return
	}
	x := parseRequest(head)
	if x == nil {
		k.deaf()
		return
	}
	k.now, x.Asked = x, k.at
	k.Count++
	if len(k.Requests) == maxRequests {
		k.Requests = k.Requests[:maxRequests-1]
	}
	k.Requests = append(k.Requests, x)
	if x.Method == "CONNECT" {
		k.Tunnel = x
	}
}

// answer takes bytes of the server that are not known to be of TLS.
func (k *Talk) answer(b []byte) {
	x := k.now
	switch {
	case x == nil:
		if len(b) > 0 {
			k.deaf() // it speaks first
		}
		return
	case x == k.Tunnel && x.Status == 200:
		k.deaf() // the server behind it speaks first
		return
	case x.Status >= 200:
		x.body(b)
		return
	}
	head, rest, ok := k.head(1, b)
	if !ok {
		if len(k.heads[1]) >= 5 && !bytes.HasPrefix(k.heads[1], []byte("HTTP/")) {
			x.Odd = true
			k.deaf()
		}
		return
	}
	x.parseAnswer(head)
	x.Answered = k.at
	if x.Status >= 200 {
		x.body(rest)
	}
}

// head gathers the head of a message. It returns it when it is whole, with what is behind it.
func (k *Talk) head(side int, b []byte) (head, rest []byte, ok bool) {
	all := append(k.heads[side], b...)
	i := bytes.Index(all, []byte("\r\n\r\n"))
	if i < 0 {
		if len(all) > maxHead {
			k.deaf()
			return nil, nil, false
		}
		k.heads[side] = all
		return nil, nil, false
	}
	k.heads[side] = nil
	return all[:i], all[i+4:], true
}

func isRequest(b []byte) bool {
	method, _, ok := bytes.Cut(b[:min(len(b), 8)], []byte(" "))
	return ok && len(method) > 0 && len(bytes.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) == 0
}

func parseRequest(head []byte) *Exchange {
	line, rest, _ := strings.Cut(string(head), "\r\n")
	f := strings.Fields(line)
	if len(f) != 3 || !strings.HasPrefix(f[2], "HTTP/") {
		return nil
	}
	x := &Exchange{Method: short(f[0]), Target: target(f[1]), Length: -1}
	headers(rest, func(name, value string) {
		switch name {
		case "host":
			x.Host = short(value)
		case "authorization", "proxy-authorization":
			x.Credential = true
		}
	})
	return x
}

// target returns what was asked for without what may be secret.
func target(s string) string {
	if u, err := url.Parse(s); err == nil && u.Opaque == "" && (u.Host != "" || strings.HasPrefix(s, "/")) {
		u.User, u.Fragment = nil, ""
		if u.RawQuery != "" && u.RawQuery != "go-get=1" {
			u.RawQuery = "…"
		}
		return short(u.String())
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 && !strings.Contains(s, "/") {
		s = s[i+1:]
	}
	s, _, _ = strings.Cut(s, "?")
	return short(s)
}

func (x *Exchange) parseAnswer(head []byte) {
	line, rest, _ := strings.Cut(string(head), "\r\n")
	_, status, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(status, " ")
	n, err := strconv.Atoi(code)
	if err != nil || n < 100 || n > 999 {
		x.Odd = true
		return
	}
	x.Status, x.Reason = n, short(status)
	headers(rest, func(name, value string) {
		switch name {
		case "content-length":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
				x.Length = n
			}
		case "transfer-encoding":
			x.Chunked = strings.EqualFold(value, "chunked")
		case "server":
			x.Server = short(value)
		case "via":
			x.Via = short(value)
		case "retry-after":
			x.RetryAfter = short(value)
		case "content-type":
			x.Type = short(value)
		case "location":
			x.Location = target(value)
		case "www-authenticate", "proxy-authenticate":
			x.Asks, _, _ = strings.Cut(short(value), " ")
		}
	})
}

func headers(s string, f func(name, value string)) {
	for line := range strings.SplitSeq(s, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			f(strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value))
		}
	}
}

func (x *Exchange) body(b []byte) {
	x.Body += int64(len(b))
	if len(b) >= len(x.tail) {
		copy(x.tail[:], b[len(b)-len(x.tail):])
	} else {
		copy(x.tail[:], x.tail[len(b):])
		copy(x.tail[len(x.tail)-len(b):], b)
	}
	x.Ended = x.Chunked && string(x.tail[:]) == "0\r\n\r\n"
}

// short returns a text without what would disturb a terminal, cut where it is long.
func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\ufffd' {
			return -1
		}
		return r
	}, s)
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

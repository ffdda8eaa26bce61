package trace

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// Types of records (RFC 8446, 5.1), and of messages of a handshake (4).
const (
	recordChange    = 20
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23

	messageClientHello = 1
	messageServerHello = 2
	messageCertificate = 11
)

// Extensions of a hello.
const (
	extensionName     = 0
	extensionALPN     = 16
	extensionVersions = 43
)

const (
	maxHandshake = 64 << 10 // of messages that are gathered; what is longer is passed over
	alertRecord  = 19       // bytes of an encrypted alert of TLS 1.3: two, the type, and the seal
)

// A TLS is the handshake on a connection, as far as it is not encrypted.
type TLS struct {
	Size        int // bytes of the client's first message with its header; 0 where it did not come whole
	Name        string
	ALPN        []string
	Offers      []uint16 // versions of the client, the best first
	Version     uint16   // that the server took; 0 where it did not answer
	Cipher      uint16
	Chain       int               // certificates that the server sent, where they are not encrypted
	Leaf        *x509.Certificate // the first of them
	ClientAlert int               // -1 for none that can be read
	ServerAlert int
	Rejected    bool // the client's first encrypted record after the server's is as long as an alert
	Done        bool // both sides sent encrypted records, and the client's is no alert
	Odd         bool // what the server sent is no TLS

	client, server half
}

// A half is what one side sends.
type half struct {
	buf       []byte // of records, or of messages of the handshake that are not whole
	messages  []byte
	skip      int  // bytes of a record that are not of interest
	encrypted bool // from here
	data      int  // encrypted records
	broken    bool
}

func newTLS() *TLS { return &TLS{ClientAlert: -1, ServerAlert: -1} }

func (t *TLS) kept() int {
	return cap(t.client.buf) + cap(t.client.messages) + cap(t.server.buf) + cap(t.server.messages)
}

// understood reports whether what follows is all encrypted.
func (t *TLS) understood() bool {
	return t.client.broken || t.server.broken || t.Rejected || t.Done
}

func (t *TLS) hear(client bool, b []byte) {
	h := &t.server
	if client {
		h = &t.client
	}
	for len(b) > 0 && !h.broken {
		if h.skip > 0 {
			n := min(h.skip, len(b))
			h.skip, b = h.skip-n, b[n:]
			continue
		}
		n := min(h.wanted()-len(h.buf), len(b))
		h.buf, b = append(h.buf, b[:n]...), b[n:]
		t.record(client, h)
	}
	if len(h.buf) == 0 {
		h.buf = nil
	}
}

// wanted is how many bytes of a record are needed: its header first, then all of it.
func (h *half) wanted() int {
	if len(h.buf) < 5 {
		return 5
	}
	return 5 + int(h.buf[3])<<8 + int(h.buf[4])
}

// record takes a record when it is whole, or when its header says that it is not of interest.
func (t *TLS) record(client bool, h *half) {
	if len(h.buf) < 5 {
		return
	}
	kind, length := h.buf[0], int(h.buf[3])<<8+int(h.buf[4])
	if kind < recordChange || kind > recordData || h.buf[1] != 3 || length > 1<<14+2048 {
		h.broken = true
		t.Odd = t.Odd || !client && t.Version == 0
		return
	}
	if kind == recordData || h.encrypted {
		h.data++
		t.secret(client, length)
		h.skip, h.buf = length, h.buf[:0]
		return
	}
	if len(h.buf) < h.wanted() {
		return
	}
	body := h.buf[5:]
	switch kind {
	case recordChange:
		h.encrypted = t.Version != 0 && t.Version < tls.VersionTLS13
	case recordAlert:
		t.alert(client, body)
	case recordHandshake:
		t.handshake(client, h, body)
	}
	h.buf = h.buf[:0]
}

// secret takes the length of a record that is encrypted.
func (t *TLS) secret(client bool, length int) {
	if !client {
		t.Done = t.Done || t.client.data > 0 && t.Version < tls.VersionTLS13
		return
	}
	if t.Version == tls.VersionTLS13 && t.client.data == 1 && t.server.data > 0 && length == alertRecord {
		t.Rejected = true
		return
	}
	t.Done = t.Done || t.server.data > 0
}

func (t *TLS) alert(client bool, b []byte) {
	if len(b) != 2 {
		return
	}
	if client {
		t.ClientAlert = int(b[1])
	} else {
		t.ServerAlert = int(b[1])
	}
}

// handshake gathers messages, which may be longer or shorter than records.
func (t *TLS) handshake(client bool, h *half, b []byte) {
	h.messages = append(h.messages, b...)
	for len(h.messages) >= 4 {
		n := 4 + int(h.messages[1])<<16 + int(h.messages[2])<<8 + int(h.messages[3])
		if n > maxHandshake {
			h.broken = true
			return
		}
		if len(h.messages) < n {
			return
		}
		t.message(client, h.messages[0], h.messages[4:n])
		h.messages = h.messages[n:]
	}
	if len(h.messages) == 0 {
		h.messages = nil
	}
}

func (t *TLS) message(client bool, kind byte, b []byte) {
	switch {
	case client && kind == messageClientHello:
		t.Size = len(b) + 9
		t.clientHello(b)
	case !client && kind == messageServerHello:
		t.serverHello(b)
	case !client && kind == messageCertificate && t.Version < tls.VersionTLS13:
		t.certificates(b)
	}
}

func (t *TLS) clientHello(b []byte) {
	s := cryptobyte.String(b)
	var version uint16
	var id, ciphers, methods, extensions cryptobyte.String
	if !s.ReadUint16(&version) || !s.Skip(32) || !s.ReadUint8LengthPrefixed(&id) || !s.ReadUint16LengthPrefixed(&ciphers) || !s.ReadUint8LengthPrefixed(&methods) {
		return
	}
	t.Offers = []uint16{version}
	if !s.ReadUint16LengthPrefixed(&extensions) {
		return
	}
	each(extensions, func(kind uint16, v cryptobyte.String) {
		var list cryptobyte.String
		switch kind {
		case extensionName:
			t.serverName(v)
		case extensionALPN:
			if v.ReadUint16LengthPrefixed(&list) {
				t.ALPN = protocols(list)
			}
		case extensionVersions:
			if v.ReadUint8LengthPrefixed(&list) {
				t.Offers = versions(list)
			}
		}
	})
}

func (t *TLS) serverName(v cryptobyte.String) {
	var list, name cryptobyte.String
	var kind uint8
	if v.ReadUint16LengthPrefixed(&list) && list.ReadUint8(&kind) && kind == 0 && list.ReadUint16LengthPrefixed(&name) {
		t.Name = strings.ToLower(short(string(name)))
	}
}

func protocols(list cryptobyte.String) (all []string) {
	var name cryptobyte.String
	for len(all) < 8 && list.ReadUint8LengthPrefixed(&name) {
		all = append(all, short(string(name)))
	}
	return all
}

// versions leaves out the values that are there to keep servers tolerant (RFC 8701).
func versions(list cryptobyte.String) (all []uint16) {
	var v uint16
	for list.ReadUint16(&v) {
		if v&0x0f0f != 0x0a0a && len(all) < 8 {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all
}

func (t *TLS) serverHello(b []byte) {
	s := cryptobyte.String(b)
	var id, extensions cryptobyte.String
	var method uint8
	if !s.ReadUint16(&t.Version) || !s.Skip(32) || !s.ReadUint8LengthPrefixed(&id) || !s.ReadUint16(&t.Cipher) || !s.ReadUint8(&method) || !s.ReadUint16LengthPrefixed(&extensions) {
		return
	}
	each(extensions, func(kind uint16, v cryptobyte.String) {
		if kind == extensionVersions {
			v.ReadUint16(&t.Version)
		}
	})
}

func (t *TLS) certificates(b []byte) {
	s := cryptobyte.String(b)
	var list, one cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) {
		return
	}
	for t.Chain < 16 && list.ReadUint24LengthPrefixed(&one) {
		if t.Chain++; t.Chain == 1 {
			t.Leaf, _ = x509.ParseCertificate(one) // what cannot be parsed is not known
		}
	}
}

func each(extensions cryptobyte.String, f func(kind uint16, v cryptobyte.String)) {
	var kind uint16
	var v cryptobyte.String
	for extensions.ReadUint16(&kind) && extensions.ReadUint16LengthPrefixed(&v) {
		f(kind, v)
	}
}

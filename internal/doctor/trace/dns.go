package trace

import (
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/modhaven/modhaven/internal/pcap"
)

const (
	dnsPort    = 53
	maxAnswers = 64
)

// A Lookup is one question to a DNS server, over UDP.
type Lookup struct {
	Client    netip.AddrPort
	Server    netip.AddrPort
	Name      string // without the dot at its end
	Type      dnsmessage.Type
	At        int64
	Asked     int   // how often it was asked with the same number
	Answered  int64 // 0 for not
	Code      dnsmessage.RCode
	Addrs     []netip.Addr
	Truncated bool // the answer was too long for UDP
	Reject    *Reject
}

type question struct {
	client, server netip.AddrPort
	id             uint16
}

func (t *Trace) udp(l *pcap.Layers, at int64) {
	asks := l.Dst.Port() == dnsPort
	if !asks && l.Src.Port() != dnsPort {
		return
	}
	var p dnsmessage.Parser
	h, err := p.Start(l.Payload)
	if err != nil || h.Response == asks {
		return
	}
	q, err := p.Question()
	if err != nil {
		return
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	if asks {
		t.ask(question{l.Src, l.Dst, h.ID}, name, q.Type, at)
		return
	}
	key := question{l.Dst, l.Src, h.ID}
	a := t.asked[key]
	if a == nil || a.Name != name || a.Type != q.Type {
		return
	}
	delete(t.asked, key)
	a.Answered, a.Code, a.Truncated = at, h.RCode, h.Truncated
	if p.SkipAllQuestions() == nil {
		a.Addrs = Addresses(&p)
	}
}

func (t *Trace) ask(key question, name string, of dnsmessage.Type, at int64) {
	if a := t.asked[key]; a != nil && a.Name == name && a.Type == of {
		a.Asked++
		return
	}
	if len(t.Lookups) >= maxLookups {
		return
	}
	a := &Lookup{Client: key.client, Server: key.server, Name: name, Type: of, At: at, Asked: 1}
	t.Lookups = append(t.Lookups, a)
	t.asked[key] = a
}

// Addresses returns those in the answers of a message, whose questions have been read.
func Addresses(p *dnsmessage.Parser) (all []netip.Addr) {
	for range maxAnswers {
		h, err := p.AnswerHeader()
		if err != nil {
			return all
		}
		switch h.Type {
		case dnsmessage.TypeA:
			r, err := p.AResource()
			if err != nil {
				return all
			}
			all = append(all, netip.AddrFrom4(r.A))
		case dnsmessage.TypeAAAA:
			r, err := p.AAAAResource()
			if err != nil {
				return all
			}
			all = append(all, netip.AddrFrom16(r.AAAA).Unmap())
		default:
			if p.SkipAnswer() != nil {
				return all
			}
		}
	}
	return all
}

// rejectLookup gives a router's message to the last look-ups from a port.
func (t *Trace) rejectLookup(q *pcap.Quoted, r Reject) {
	for key, a := range t.asked {
		if key.client == q.Src && key.server == q.Dst && a.Reject == nil {
			a.Reject = &r
		}
	}
}

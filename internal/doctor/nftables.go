package doctor

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
)

// readNFTables adds what "nft -j list ruleset" prints, but for the tables that are read as iptables'.
func (w firewall) readNFTables(text []byte, v6 bool) error {
	var all struct {
		Objects []struct {
			Chain *struct {
				Family, Table, Name, Hook, Policy string
				Prio                              int
			}
			Rule *struct {
				Family, Table, Chain string
				Handle               int
				Expr                 []map[string]json.RawMessage
			}
		} `json:"nftables"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	skip := map[string]bool{map[bool]string{true: "ip", false: "ip6"}[v6]: true, "bridge": true, "arp": true, "netdev": true}
	for name := range w { // that iptables has told of
		skip[name[:strings.LastIndexByte(name, ' ')]] = true
	}
	passed := func(family, table string) bool { return skip[family] || skip[family+" "+table] }
	for _, o := range all.Objects {
		if c := o.Chain; c != nil && !passed(c.Family, c.Table) {
			w[c.Family+" "+c.Table+" "+c.Name] = &packetChain{hook: c.Hook, priority: c.Prio, policy: c.Policy}
		}
	}
	for _, o := range all.Objects {
		if r := o.Rule; r != nil && !passed(r.Family, r.Table) {
			if c := w[r.Family+" "+r.Table+" "+r.Chain]; c != nil {
				name := fmt.Sprintf("nft rule %s %s %s handle %d", r.Family, r.Table, r.Chain, r.Handle)
				c.rules = append(c.rules, nftRules(r.Expr, name, r.Family+" "+r.Table+" ")...)
			}
		}
	}
	return nil
}

// nftRules reads the expressions of one rule. A map of verdicts makes several rules of it.
func nftRules(exprs []map[string]json.RawMessage, text, table string) (all []*packetRule) {
	r := &packetRule{text: text}
	for _, e := range exprs {
		for kind, body := range e {
			switch kind {
			case "match":
				var m nftMatch
				if json.Unmarshal(body, &m) != nil {
					r.when = append(r.when, constant(perhaps))
					continue
				}
				r.add(m.Op == "!=", m.condition())
			case "vmap":
				all = append(all, r.branches(body, table)...)
			case "counter", "log", "comment":
			default:
				if !r.decide(kind, body, table) {
					r.when = append(r.when, constant(perhaps))
				}
			}
		}
	}
	if r.verdict != "" {
		r.text += ": " + r.verdict
	}
	return append(all, r)
}

// decide reads a verdict. It reports whether it is one.
func (r *packetRule) decide(kind string, body json.RawMessage, table string) bool {
	switch kind {
	case "accept", "drop", "reject", "return":
		r.verdict = kind // as the constants are called
	case "jump", "goto":
		var to struct{ Target string }
		_ = json.Unmarshal(body, &to)
		r.verdict, r.chain = kind, table+to.Target
	case "dnat", "redirect":
		var to struct{ Addr, Port any }
		_ = json.Unmarshal(body, &to)
		addr, _ := to.Addr.(string)
		port, _ := to.Port.(float64)
		a, _ := netip.ParseAddr(addr)
		r.verdict, r.to = redirect, netip.AddrPortFrom(a, uint16(port))
	default:
		return false
	}
	return true
}

// branches are the rules of a map from values to verdicts.
func (r *packetRule) branches(body json.RawMessage, table string) (all []*packetRule) {
	var m struct {
		Key  nftLeft
		Data struct{ Set [][]json.RawMessage }
	}
	if json.Unmarshal(body, &m) != nil {
		return nil
	}
	for _, pair := range m.Data.Set {
		var verdict map[string]json.RawMessage
		if len(pair) != 2 || json.Unmarshal(pair[1], &verdict) != nil {
			continue
		}
		b := &packetRule{text: r.text, when: append([]func(*packet) chance{}, r.when...)}
		b.add(false, nftMatch{Left: m.Key, Right: pair[0]}.condition())
		for kind, body := range verdict {
			if b.decide(kind, body, table) {
				b.text += ": " + b.verdict
			}
		}
		all = append(all, b)
	}
	return all
}

// An nftLeft is what a match looks at.
type nftLeft struct {
	Payload struct{ Protocol, Field string }
	Meta    struct{ Key string }
	CT      struct{ Key string }
	FIB     struct{ Result string }
}

type nftMatch struct {
	Op    string
	Left  nftLeft
	Right json.RawMessage
}

// condition is what a match says of a packet. A comparison other than with equality is not known.
func (m nftMatch) condition() func(p *packet) chance {
	values, ok := nftValues(m.Right)
	if !ok || m.Op != "" && m.Op != "==" && m.Op != "!=" && m.Op != "in" {
		return constant(perhaps)
	}
	any := func(f func(value string) func(p *packet) chance) func(p *packet) chance {
		return func(p *packet) chance {
			c := never
			for _, v := range values {
				c = max(c, f(v)(p))
			}
			return c
		}
	}
	l := m.Left
	switch what := l.Payload.Protocol + " " + l.Payload.Field + l.Meta.Key + l.CT.Key + l.FIB.Result; what {
	case "tcp dport", "th dport":
		return portIn(values, "-")
	case "udp dport", "icmp type", "icmpv6 type":
		return constant(never)
	case "ip daddr", "ip6 daddr":
		return any(addressIn)
	case " iifname", " iif":
		return any(func(v string) func(*packet) chance {
			return interfaceIs(v, func(p *packet) string { return p.in })
		})
	case " oifname", " oif":
		return any(func(v string) func(*packet) chance {
			return interfaceIs(v, func(p *packet) string { return p.out })
		})
	case " l4proto", "ip protocol", "ip6 nexthdr":
		return any(func(v string) func(*packet) chance { return constant(known(v == "tcp" || v == "6")) })
	case " nfproto", " protocol":
		return any(func(v string) func(*packet) chance {
			return func(p *packet) chance { return known((v == "ipv6" || v == "ip6") == p.to.Addr().Is6()) }
		})
	case " state":
		return stateIn(values)
	case " type":
		return any(func(v string) func(*packet) chance {
			return func(p *packet) chance { return known(p.local == (v == "local")) }
		})
	}
	return constant(perhaps)
}

// nftValues reads the right side of a match: one value or a set of them, as text. Ranges have a dash.
func nftValues(raw json.RawMessage) (all []string, ok bool) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil, false
	}
	return nftTexts(v)
}

func nftTexts(v any) (all []string, ok bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, !strings.HasPrefix(v, "@")
	case float64:
		return []string{fmt.Sprint(int(v))}, true
	case []any:
		for _, e := range v {
			texts, ok := nftTexts(e)
			if !ok {
				return nil, false
			}
			all = append(all, texts...)
		}
		return all, true
	case map[string]any:
		if set, ok := v["set"]; ok {
			return nftTexts(set)
		}
		if r, ok := v["range"].([]any); ok && len(r) == 2 {
			return []string{fmt.Sprintf("%v-%v", r[0], r[1])}, true
		}
		if p, ok := v["prefix"].(map[string]any); ok {
			return []string{fmt.Sprintf("%v/%v", p["addr"], p["len"])}, true
		}
	}
	return nil, false
}

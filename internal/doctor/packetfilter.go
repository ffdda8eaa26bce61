package doctor

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A packet is the first one of a client's connection. What is not known of it is the client's address.
type packet struct {
	to      netip.AddrPort
	in, out string // interfaces; out is "" where it is for this machine
	local   bool   // to is an address of this machine
	mapped  bool   // the destination was changed
}

// A chance is whether a condition holds.
type chance int

const (
	never chance = iota
	perhaps
	always
)

func known(ok bool) chance {
	if ok {
		return always
	}
	return never
}

// A packetRule is one line of a firewall.
type packetRule struct {
	text    string
	when    []func(p *packet) chance
	verdict string         // "" where the rule only counts, logs or marks
	chain   string         // of jump and goto
	to      netip.AddrPort // of dnat; an address or port that is not valid or 0 stays as it was
}

// What a rule, or a whole chain, does with a packet.
const (
	accepts  = "accept"
	drops    = "drop"
	rejects  = "reject"
	returns  = "return"
	jumps    = "jump"
	goesTo   = "goto"
	redirect = "dnat"
)

func (r *packetRule) holds(p *packet) chance {
	c := always
	for _, w := range r.when {
		c = min(c, w(p))
	}
	return c
}

// A packetChain is a list of rules. One with a hook is what packets pass; others are jumped to.
type packetChain struct {
	hook     string // prerouting, input or forward; "" for none
	priority int    // lower ones are passed first
	policy   string
	rules    []*packetRule
}

// A firewall is the chains of this machine by their names.
type firewall map[string]*packetChain

// A passage is what becomes of a packet.
type passage struct {
	verdict string        // accepts, drops or rejects
	at      string        // the chain with a hook that drops or rejects: its family, table and name
	rule    string        // that decides; "" where none does
	excepts []string      // rules before it that let some clients pass
	some    []string      // rules that drop or reject some clients
	mapped  []*packetRule // the last rule that changed the destination, where one did
	steps   int
}

// maxSteps is how many rules are looked at.
const maxSteps = 100000

// pass sends a packet through all chains on its way to a program of this machine, or to where it is mapped to. isLocal tells
// the addresses of this machine, and outOf the interface that leads to another one.
func (w firewall) pass(p packet, isLocal func(netip.Addr) bool, outOf func(netip.Addr) string) (passage, packet) {
	way := passage{verdict: accepts}
	w.hook("prerouting", &p, &way)
	hook := "input"
	if way.verdict == accepts && p.mapped && !isLocal(p.to.Addr()) {
		hook, p.local, p.out = "forward", false, outOf(p.to.Addr())
	}
	if way.verdict == accepts {
		w.hook(hook, &p, &way)
	}
	return way, p
}

// hook passes the chains of one hook.
func (w firewall) hook(hook string, p *packet, way *passage) {
	var names []string
	for name, c := range w {
		if c.hook == hook {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(w[a].priority, w[b].priority), cmp.Compare(a, b)) })
	for _, name := range names {
		c := w[name]
		verdict := w.walk(c, p, way, 0)
		if verdict == returns {
			if verdict = cmp.Or(c.policy, accepts); verdict != accepts {
				way.rule = name + ": policy " + verdict
			}
		}
		if verdict == drops || verdict == rejects {
			way.verdict, way.at = verdict, name
			return
		}
		way.excepts = nil // they let pass what this chain lets pass anyway
	}
}

// walk goes through the rules of a chain. It returns what the chain decides; returns where it does not.
func (w firewall) walk(c *packetChain, p *packet, way *passage, depth int) string {
	const deepest = 16
	for _, r := range c.rules {
		if way.steps++; way.steps > maxSteps || depth > deepest {
			return returns
		}
		holds := r.holds(p)
		if holds == never || r.verdict == "" {
			continue
		}
		if holds == perhaps {
			w.note(r, p, way, depth)
			continue
		}
		switch r.verdict {
		case jumps, goesTo:
			if to := w[r.chain]; to != nil {
				if v := w.walk(to, p, way, depth+1); v != returns || r.verdict == goesTo {
					return v
				}
			}
		case redirect:
			p.change(r, way)
			return accepts
		case drops, rejects:
			way.rule = r.text
			return r.verdict
		default:
			return r.verdict
		}
	}
	return returns
}

// note keeps what a rule does to some clients.
func (w firewall) note(r *packetRule, p *packet, way *passage, depth int) {
	verdict := r.verdict
	if to := w[r.chain]; to != nil && (verdict == jumps || verdict == goesTo) {
		some := *p
		inner := passage{steps: way.steps}
		verdict = w.walk(to, &some, &inner, depth+1)
		way.steps = inner.steps
	}
	switch verdict {
	case accepts:
		way.excepts = append(way.excepts, r.text)
	case drops, rejects:
		way.some = append(way.some, r.text)
	case redirect:
		p.change(r, way)
	}
}

// change has a packet go where a rule sends it.
func (p *packet) change(r *packetRule, way *passage) {
	addr, port := p.to.Addr(), p.to.Port()
	if r.to.Addr().IsValid() {
		addr = r.to.Addr()
	}
	if r.to.Port() != 0 {
		port = r.to.Port()
	}
	p.to, p.mapped = netip.AddrPortFrom(addr, port), true
	way.mapped = append(way.mapped, r)
}

// letIn is the command that has a packet pass the chain that drops or rejects it; "" where none does.
func (way *passage) letIn(p packet) string {
	f := strings.Fields(way.at)
	if len(f) != 3 {
		return ""
	}
	family, table, chain := f[0], f[1], f[2]
	port := strconv.Itoa(int(p.to.Port()))
	tool := map[string]string{"ip": "iptables", "ip6": "ip6tables"}[family]
	if strings.HasPrefix(way.rule, "nft ") || tool == "" || chain != strings.ToUpper(chain) {
		return "nft insert rule " + way.at + " tcp dport " + port + " accept"
	}
	if table != "filter" {
		tool += " -t " + table
	}
	command := tool + " -I " + chain + " -p tcp"
	if p.mapped {
		command += " -d " + p.to.Addr().String()
	}
	return command + " --dport " + port + " -j ACCEPT"
}

// readIPTables adds what iptables-save or ip6tables-save prints. Its chains are named family, table, name.
func (w firewall) readIPTables(text, family string) {
	hooks := map[string]string{"PREROUTING": "prerouting", "INPUT": "input", "FORWARD": "forward"}
	priorities := map[string]int{"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
	table := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":"):
			if f := strings.Fields(line[1:]); len(f) > 1 {
				w[family+" "+table+" "+f[0]] = &packetChain{hook: hooks[f[0]], priority: priorities[table], policy: strings.Trim(strings.ToLower(f[1]), "-")}
			}
		case strings.HasPrefix(line, "-A "):
			f := splitWords(line)
			if c := w[family+" "+table+" "+f[1]]; c != nil {
				r := w.tablesRule(f[2:], family+" "+table)
				r.text = map[string]string{"ip": "iptables", "ip6": "ip6tables"}[family] + " -t " + table + " " + line
				c.rules = append(c.rules, r)
			}
		}
	}
}

// splitWords splits a line at blanks outside of double quotes.
func splitWords(line string) (all []string) {
	word, quoted, begun := "", false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted && i+1 < len(line):
			i++
			word += string(line[i])
		case c == '"':
			quoted, begun = !quoted, true
		case c == ' ' && !quoted:
			if begun {
				all = append(all, word)
			}
			word, begun = "", false
		default:
			word, begun = word+string(c), true
		}
	}
	if begun {
		all = append(all, word)
	}
	return all
}

// tablesRule reads the conditions and the target of one rule.
func (w firewall) tablesRule(f []string, table string) *packetRule {
	r := &packetRule{}
	not, target := false, false
	for i := 0; i < len(f); i++ {
		option, value := f[i], ""
		if option == "!" {
			not = true
			continue
		}
		if i+1 < len(f) && !strings.HasPrefix(f[i+1], "-") && f[i+1] != "!" {
			value = f[i+1]
			i++
		}
		switch {
		case option == "-j" || option == "-g":
			target = true
			r.verdict, r.chain = w.tablesTarget(option, value, table)
		case target:
			r.destination(option, value)
		case option == "--tcp-flags" && i+1 < len(f):
			i++
			r.add(not, flagsAre(value, f[i]))
		default:
			r.add(not, tablesMatch(option, value))
			for i+1 < len(f) && !strings.HasPrefix(f[i+1], "-") && f[i+1] != "!" {
				i++ // further values of an option that is not known
			}
		}
		not = false
	}
	return r
}

// add adds a condition; nil is none.
func (r *packetRule) add(not bool, match func(p *packet) chance) {
	if match != nil && not {
		r.when = append(r.when, func(p *packet) chance { return always - match(p) })
	} else if match != nil {
		r.when = append(r.when, match)
	}
}

func (w firewall) tablesTarget(option, value, table string) (verdict, chain string) {
	name := table + " " + value
	switch {
	case w[name] != nil && option == "-g":
		return goesTo, name
	case w[name] != nil:
		return jumps, name
	}
	return map[string]string{"ACCEPT": accepts, "DROP": drops, "REJECT": rejects, "RETURN": returns, "DNAT": redirect, "REDIRECT": redirect}[value], ""
}

// destination reads where DNAT or REDIRECT sends packets to.
func (r *packetRule) destination(option, value string) {
	first, _, _ := strings.Cut(value, "-") // of a range
	switch option {
	case "--to-destination":
		if a, err := netip.ParseAddrPort(first); err == nil {
			r.to = a
		} else if a, err := netip.ParseAddr(strings.Trim(first, "[]")); err == nil {
			r.to = netip.AddrPortFrom(a, 0)
		}
	case "--to-ports":
		if n, err := strconv.ParseUint(first, 10, 16); err == nil {
			r.to = netip.AddrPortFrom(netip.Addr{}, uint16(n))
		}
	}
}

// tablesMatch is the condition of one option of iptables; nil for what is none.
func tablesMatch(option, value string) func(p *packet) chance {
	switch option {
	case "-p":
		return constant(known(value == "tcp" || value == "6" || value == "all"))
	case "-d":
		return addressIn(value)
	case "-s":
		if strings.HasSuffix(value, "/0") {
			return nil
		}
	case "-i":
		return interfaceIs(value, func(p *packet) string { return p.in })
	case "-o":
		return interfaceIs(value, func(p *packet) string { return p.out })
	case "--dport", "--dports":
		return portIn(strings.Split(value, ","), ":")
	case "--ctstate", "--state":
		return stateIn(strings.Split(value, ","))
	case "--dst-type":
		return func(p *packet) chance { return known(p.local == (value == "LOCAL")) }
	case "--syn":
		return constant(always)
	case "--comment":
		return nil
	case "-m":
		if slices.Contains([]string{"tcp", "conntrack", "state", "comment", "multiport", "addrtype"}, value) {
			return nil
		}
	}
	return constant(perhaps)
}

func constant(c chance) func(p *packet) chance { return func(*packet) chance { return c } }

func addressIn(text string) func(p *packet) chance {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return constant(perhaps)
		}
		prefix = netip.PrefixFrom(a, a.BitLen())
	}
	return func(p *packet) chance { return known(prefix.Contains(p.to.Addr())) }
}

// interfaceIs compares names; + or * at the end stands for any.
func interfaceIs(name string, of func(p *packet) string) func(p *packet) chance {
	return func(p *packet) chance {
		begin := strings.TrimRight(name, "+*")
		return known(begin != name && strings.HasPrefix(of(p), begin) || of(p) == name)
	}
}

// portIn compares the port with single ones and ranges.
func portIn(list []string, dash string) func(p *packet) chance {
	return func(p *packet) chance {
		for _, s := range list {
			from, to, ranged := strings.Cut(s, dash)
			a, err := strconv.Atoi(cmp.Or(from, "0"))
			b := a
			if ranged && err == nil {
				b, err = strconv.Atoi(cmp.Or(to, "65535"))
			}
			if err != nil {
				return perhaps
			}
			if n := int(p.to.Port()); a <= n && n <= b {
				return always
			}
		}
		return never
	}
}

// stateIn says of a new connection whether its state is one of a list.
func stateIn(list []string) func(p *packet) chance {
	return func(p *packet) chance {
		for _, s := range list {
			if s = strings.ToUpper(s); s == "NEW" || s == "DNAT" && p.mapped {
				return always
			}
		}
		return never
	}
}

// flagsAre says of a SYN whether it has the wanted ones of the flags that are looked at.
func flagsAre(mask, wanted string) func(p *packet) chance {
	want := "NONE"
	if slices.Contains(strings.Split(mask, ","), "SYN") || mask == "ALL" {
		want = "SYN"
	}
	return constant(known(wanted == want))
}

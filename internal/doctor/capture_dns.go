package doctor

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/modhaven/modhaven/internal/doctor/trace"
)

func asksAddress(l *trace.Lookup) bool {
	return (l.Type == dnsmessage.TypeA || l.Type == dnsmessage.TypeAAAA) && strings.Contains(l.Name, ".") && !strings.HasPrefix(l.Name, "wpad.")
}

// resolved reports whether some look-up of the name gave an address.
func (g *group) resolved() bool {
	return slices.ContainsFunc(g.lookups, func(l *trace.Lookup) bool { return len(l.Addrs) > 0 })
}

// elsewhere reports whether the name is one of those that a search list made of another one, which was asked for too.
func (g *group) elsewhere(asked map[string]bool) bool {
	for i := range len(g.host) {
		if g.host[i] == '.' && asked[g.host[:i]] && strings.Contains(g.host[:i], ".") {
			return true
		}
	}
	return false
}

// A lookupFacts is what a capture has of one name.
type lookupFacts struct {
	g     *group
	t     *trace.Trace
	story *trace.Lookup
}

func (f *lookupFacts) about() *target { return nil }

func (f *lookupFacts) vars() Vars {
	l := f.story
	v := Vars{"host": f.g.host, "resolver": l.Server.Addr().String(), "count": strconv.Itoa(f.servers()), "asked": strconv.Itoa(f.asked())}
	v["status"] = strings.TrimPrefix(l.Code.String(), "RCode")
	if l.Answered != 0 {
		v["took"], v["answer"] = round(time.Duration(l.Answered-l.At)), v["status"]
		if len(l.Addrs) > 0 {
			v["ip"] = join(l.Addrs[:1])
		}
	}
	if r := l.Reject; r != nil {
		m := icmpOf(r)
		v["icmp"], v["box"] = m.String(), m.from.String()
	}
	return v
}

func (f *lookupFacts) servers() int {
	seen := map[string]bool{}
	for _, l := range f.g.lookups {
		seen[l.Server.String()] = true
	}
	return len(seen)
}

func (f *lookupFacts) asked() (n int) {
	for _, l := range f.g.lookups {
		n += l.Asked
	}
	return n
}

func (f *lookupFacts) code(c dnsmessage.RCode) bool {
	return f.story.Answered != 0 && f.story.Code == c
}

// silent reports whether it was waited for an answer long enough.
func (f *lookupFacts) silent() bool {
	return f.story.Answered == 0 && (f.asked() > 1 || f.t.Last-f.story.At > int64(2*time.Second))
}

// overTCP reports whether the same server took a connection.
func (f *lookupFacts) overTCP() bool {
	return slices.ContainsFunc(f.t.Conns, func(c *trace.Conn) bool { return c.Server == f.story.Server && c.S.Data > 0 })
}

var lookupEvidence = []string{
	"DNS server {resolver}: {answer}, after {took}",
	"DNS server {resolver} was asked {asked} times",
	"the refusal is {icmp}, sent by {box}",
}

var lookupRules = []rule[*lookupFacts]{
	{"MH1216", "", func(f *lookupFacts) Confidence {
		return ifTrue(f.story.Reject != nil && f.story.Reject.From != f.story.Server.Addr(), Certain)
	}, lookupEvidence},
	{"MH1206", "", func(f *lookupFacts) Confidence { return ifTrue(f.story.Reject != nil, Certain) }, lookupEvidence},
	{"MH1201", "", func(f *lookupFacts) Confidence { return ifTrue(f.code(dnsmessage.RCodeNameError), Certain) }, lookupEvidence},
	{"MH1203", "", func(f *lookupFacts) Confidence { return ifTrue(f.code(dnsmessage.RCodeServerFailure), Certain) }, lookupEvidence},
	{"MH1204", "", func(f *lookupFacts) Confidence {
		return ifTrue(f.story.Answered != 0 && f.story.Code != dnsmessage.RCodeSuccess, Certain)
	}, lookupEvidence},
	{"MH1208", "", func(f *lookupFacts) Confidence { return ifTrue(f.story.Truncated && !f.overTCP(), Likely) }, lookupEvidence},
	{"MH1202", "", func(f *lookupFacts) Confidence { return ifTrue(f.story.Answered != 0 && !f.story.Truncated, Certain) }, lookupEvidence},
	{"MH1207", "", func(f *lookupFacts) Confidence { return ifTrue(f.silent() && f.overTCP(), Certain) }, lookupEvidence},
	{"MH1205", "", func(f *lookupFacts) Confidence { return ifTrue(f.silent(), Likely) }, lookupEvidence},
}

// judgeLookups adds the stage of the DNS, where the capture has it.
func (g *group) judgeLookups(t *trace.Trace) []Finding {
	asked := slices.DeleteFunc(slices.Clone(g.lookups), func(l *trace.Lookup) bool { return !asksAddress(l) })
	if len(asked) == 0 {
		return nil
	}
	f := &lookupFacts{g: g, t: t, story: storyOf(asked)}
	s := Step{Stage: StageDNS, Status: Passed, Said: Text{"{value}", Vars{"value": join(f.story.Addrs)}}}
	if f.story.Answered != 0 {
		s.TookMS = float64(f.story.Answered-f.story.At) / 1e6
	}
	for _, l := range g.lookups[:min(len(g.lookups), maxShown)] {
		s.Trace = append(s.Trace, lookupLine(t, l))
	}
	var found []Finding
	if !g.resolved() {
		if fd, ok := first(StageDNS, lookupRules, f); ok {
			fd.Targets = []string{g.name}
			s.Status, s.Code, s.Said = Failed, fd.Code, fd.Summary
			if len(g.conns) > 0 { // it was connected to all the same
				fd.Severity, s.Status = Warn, Warned
			}
			found = append(found, fd)
		}
	}
	g.steps = append(g.steps, s)
	return found
}

// storyOf returns the look-up that says most: one with addresses, else an answer, else a refusal.
func storyOf(all []*trace.Lookup) *trace.Lookup {
	for _, is := range []func(l *trace.Lookup) bool{
		func(l *trace.Lookup) bool { return len(l.Addrs) > 0 },
		func(l *trace.Lookup) bool { return l.Answered != 0 },
		func(l *trace.Lookup) bool { return l.Reject != nil },
	} {
		if i := slices.IndexFunc(all, is); i >= 0 {
			return all[i]
		}
	}
	return all[0]
}

func lookupLine(t *trace.Trace, l *trace.Lookup) string {
	line := since(t, l.At) + " " + l.Server.String() + ": " + strings.TrimPrefix(l.Type.String(), "Type") + " " + oneLine(l.Name)
	switch {
	case l.Answered != 0:
		line += ": " + strings.TrimPrefix(l.Code.String(), "RCode") + " " + join(l.Addrs) + " in " + round(time.Duration(l.Answered-l.At))
	case l.Reject != nil:
		line += ": " + icmpOf(l.Reject).String() + " from " + l.Reject.From.String()
	default:
		line += ": no answer, asked " + strconv.Itoa(l.Asked) + " times"
	}
	return line
}

// since returns when something was, from the beginning of the capture on.
func since(t *trace.Trace, at int64) string {
	return strconv.FormatFloat(float64(at-t.First)/1e9, 'f', 6, 64)
}

func icmpOf(r *trace.Reject) icmpError {
	return icmpError{icmp: true, v6: r.V6, kind: int(r.Type), code: int(r.Code), from: r.From}
}

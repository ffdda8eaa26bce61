package doctor

import (
	"crypto/tls"
	"strconv"
	"time"

	"github.com/modhaven/modhaven/internal/doctor/trace"
)

// judge says how each stage of a connection went, up to the first that failed.
func (f *connFacts) judge() {
	c := f.c
	if !f.step(Step{Stage: StageTCP, TookMS: between(c.Start, max(c.Opened, c.Start)), Said: Text{"{addr}", f.vars()}}, openRules) {
		return
	}
	if !f.opened() {
		f.steps[0].Status = Skipped
		f.steps[0].Said = Text{"{addr}: the capture ends before an answer", f.vars()}
		return
	}
	if !f.again(earlyRules) {
		return
	}
	if f.viaProxy() {
		x := f.exchange()
		s := Step{Stage: StageProxy, Said: Text{"{request}: {status}", f.vars().with(Vars{"status": x.Reason})}}
		if !f.step(s, proxyCaptureRules) {
			return
		}
	}
	if t := c.TLS; t != nil {
		v := f.vars().with(Vars{"version": tls.VersionName(t.Version), "hello": strconv.Itoa(t.Size)})
		s := Step{Stage: StageTLS, TookMS: between(c.C.First, c.S.First), Said: Text{"{version}, names {host}", v}}
		if t.Version == 0 {
			s.Said.Template = "names {host}"
		}
		if !f.step(s, tlsCaptureRules) {
			return
		}
	}
	s := Step{Stage: StageHTTP, TookMS: between(c.C.First, c.S.Latest), Said: Text{"{got} came, encrypted", f.vars()}}
	if x := f.exchange(); x != nil && c.TLS == nil {
		s.Said = Text{"{request}: {status}", f.vars().with(Vars{"status": x.Reason})}
	} else if c.TLS == nil {
		s.Said.Template = "{got} came"
	}
	f.step(s, webCaptureRules)
}

// between is a time in milliseconds, 0 where one of its ends is not known.
func between(from, to int64) float64 {
	if from == 0 || to < from {
		return 0
	}
	return float64((to-from)/1000) / 1000
}

// step adds a stage, and what a table says of it. It reports whether all is well.
func (f *connFacts) step(s Step, table []rule[*connFacts]) bool {
	s.Status = Passed
	f.steps = append(f.steps, s)
	return f.again(table)
}

// again has another table judge the last stage.
func (f *connFacts) again(table []rule[*connFacts]) bool {
	s := &f.steps[len(f.steps)-1]
	fd, ok := first(s.Stage, table, f)
	if !ok {
		return true
	}
	s.Status, s.Code, s.Said = Failed, fd.Code, fd.Summary
	f.found, f.code = &fd, fd.Code
	return false
}

// line is the connection for --verbose: its packets, and when what happened.
func (f *connFacts) line(n int) (all []string) {
	c := f.c
	at := func(name string, when int64) string {
		if when == 0 {
			return ""
		}
		return ", " + name + " " + round(time.Duration(when-c.Start))
	}
	head := strconv.Itoa(n) + ". " + since(f.t, c.Start) + " " + c.Client.String() + " > " + c.Server.String()
	if f.code != "" {
		head += " " + string(f.code)
	}
	if !c.Whole {
		head += ", was there before"
	}
	all = append(all, head+": "+strconv.Itoa(len(c.SYNs))+" SYN"+at("SYN-ACK", c.Opened)+at("client's first data", c.C.First)+at("server's first data", c.S.First)+at("client's FIN", c.C.Fin)+at("server's FIN", c.S.Fin)+at("client's RST", f.resetAt(false))+at("server's RST", f.resetAt(true)))
	all = append(all, sideLine("client", &c.C), sideLine("server", &c.S))
	for i := range c.Rejects {
		r := &c.Rejects[i]
		all = append(all, "   "+icmpOf(r).String()+" from "+r.From.String()+" after "+round(time.Duration(r.At-c.Start)))
	}
	if t := c.TLS; t != nil {
		line := "   TLS: hello of " + strconv.Itoa(t.Size) + " bytes, name " + oneLine(t.Name)
		if len(t.Offers) > 0 {
			line += ", offers " + tls.VersionName(t.Offers[0])
		}
		if t.Version != 0 {
			line += ", takes " + tls.VersionName(t.Version) + " " + tls.CipherSuiteName(t.Cipher)
		}
		for name, n := range map[string]int{"client": t.ClientAlert, "server": t.ServerAlert} {
			if n >= 0 {
				line += ", " + name + "'s alert " + strconv.Itoa(n) + " (" + alertName(n) + ")"
			}
		}
		all = append(all, line)
		if t.Leaf != nil {
			all = append(all, "   certificate: "+oneLine(t.Leaf.Subject.String())+"; issuer: "+oneLine(t.Leaf.Issuer.String())+"; "+day(t.Leaf.NotBefore)+" to "+day(t.Leaf.NotAfter))
		}
	}
	for _, x := range c.Requests {
		all = append(all, "   "+x.Method+" "+x.Target+": "+x.Reason+", "+bytesText(x.Body))
	}
	return all
}

func sideLine(name string, s *trace.Side) string {
	if !s.Known {
		return "   " + name + ": nothing"
	}
	line := "   " + name + ": TTL " + strconv.Itoa(int(s.TTL)) + ", " + strconv.Itoa(s.Packets) + " packets, " + bytesText(s.Bytes)
	for _, n := range []struct {
		name string
		n    int
	}{{"sent again", s.Again}, {"gaps", s.Gaps}, {"came late", s.Filled}, {"zero windows", s.Zero}, {"bytes not acknowledged", s.Unacked()}} {
		if n.n > 0 {
			line += ", " + strconv.Itoa(n.n) + " " + n.name
		}
	}
	return line
}

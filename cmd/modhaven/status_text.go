package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/modhaven/modhaven/internal/telemetry"
	"github.com/modhaven/modhaven/internal/upstream"
)

// statusText is a status for a person. What comes from a server is not trusted with the terminal.
func (p *process) statusText(s telemetry.Status, now time.Time) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(oneLine(fmt.Sprintf(format, args...)) + "\n")
	}
	line("%s", p.msg.Sprintf("Modhaven %s, up %s", s.Version, rough(time.Duration(s.Uptime*float64(time.Second)))))
	if s.Upstream.Degraded {
		line("%s", p.degradedText(s.Upstream, now))
	}
	r := s.Requests
	line("%s", p.msg.Sprintf("requests: %d, %s of them hits, %d stale, %d failed, %s sent", r.Total, percent(r.HitRatio), r.Stale, r.Failed, bytesText(r.Bytes)))
	line("%s", p.msg.Sprintf("under way: %d files, %d lists and queries; %d requests wait, %d are held", s.Load.Fills, s.Load.Refreshes, s.Load.Waiting, s.Upstream.Held))
	if a := s.Load.Ahead; a.Files+int64(a.Running+a.Waiting) > 0 {
		line("%s", p.msg.Sprintf("fetched ahead: %d files, %s, of which %s asked for so far; %d under way, %d wait", a.Files, bytesText(a.Bytes), bytesText(a.AskedBytes), a.Running, a.Waiting))
	}
	if s.Store.Counted.IsZero() {
		line("%s", p.msg.Sprintf("stored: not yet counted; %d errors of the store", s.Store.Errors))
	} else {
		line("%s", p.msg.Sprintf("stored: %d files, %s, counted %s ago; %d errors of the store", s.Store.Files, bytesText(s.Store.Bytes), rough(now.Sub(s.Store.Counted)), s.Store.Errors))
	}
	line("%s", p.msg.Sprintf("not verified: %d files, private ones among them; %d answers are not in the history", s.Trust.Unverified, s.Trust.Unnoted))
	if own := s.Trust.Own; own != nil {
		line("%s", p.msg.Sprintf("own checksum database: %s, %d records", own.Name, own.Records))
	}
	for _, l := range s.Leaks {
		line("%s", p.leakText(l))
	}
	if len(s.Upstream.Upstreams) == 0 {
		line("%s", p.msg.Sprintf("no upstream is known"))
	}
	for _, u := range s.Upstream.Upstreams {
		line("")
		line("%s", p.upstreamText(u, now))
		for _, class := range []upstream.Class{upstream.Small, upstream.Zip, upstream.Sum} {
			if c, ok := u.Classes[class]; ok {
				line("    %s", p.classText(class, c, now))
			}
		}
	}
	return b.String()
}

func (p *process) leakText(l upstream.Leak) string {
	if l.Refused {
		return p.msg.Sprintf("REFUSED, looks internal: %s (%s), %d questions; to serve it set %s", l.Host, l.Why, l.Count, l.Add)
	}
	return p.msg.Sprintf("LEAK? looks internal and goes to public servers: %s (%s), %d questions; to keep it inside set %s", l.Host, l.Why, l.Count, l.Add)
}

func (p *process) degradedText(s upstream.Status, now time.Time) string {
	why := s.LastError
	if why == "" {
		why = p.msg.Sprintf("no reason is known")
	}
	if s.Since.IsZero() {
		return p.msg.Sprintf("DEGRADED: %s", why)
	}
	return p.msg.Sprintf("DEGRADED for %s, since %s: %s", rough(now.Sub(s.Since)), s.Since.Local().Format(time.DateTime), why)
}

func (p *process) upstreamText(u upstream.UpstreamStatus, now time.Time) string {
	text := p.msg.Sprintf("%s: ill", u.Name)
	if u.Healthy {
		text = p.msg.Sprintf("%s: healthy", u.Name)
	}
	text += p.msg.Sprintf(", %d under way of %d at once, %d wait, %d retries left", u.InFlight, u.Limit, u.Waiting, int64(u.Retries))
	if u.Paused.After(now) {
		text += p.msg.Sprintf(", paused for %s", rough(u.Paused.Sub(now)))
	}
	return text
}

func (p *process) classText(class upstream.Class, c upstream.ClassStatus, now time.Time) string {
	text := p.msg.Sprintf("%-6s %s, %d attempts, %d failed", class, p.state(c.State), c.Attempts, c.Failures)
	if c.P50 > 0 {
		text += p.msg.Sprintf(", first byte after %s, 95%%: %s, 99%%: %s", latency(c.P50), latency(c.P95), latency(c.P99))
	}
	if c.State != "closed" && !c.Since.IsZero() {
		text += p.msg.Sprintf(", for %s", rough(now.Sub(c.Since)))
	}
	if c.LastError != "" {
		text += p.msg.Sprintf("; last error: %s", c.LastError)
	}
	return text
}

func (p *process) state(s string) string {
	switch s {
	case "closed":
		return p.msg.Text("closed")
	case "open":
		return p.msg.Text("OPEN")
	case "half-open":
		return p.msg.Text("half-open")
	}
	return s
}

// oneLine takes out what could move the cursor or begin a line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

func percent(ratio float64) string { return strconv.FormatFloat(100*ratio, 'f', 1, 64) + "%" }

func latency(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// rough is a length of time with its two largest units: 3d4h, 5m20s.
func rough(d time.Duration) string {
	d = max(d, 0)
	type unit struct {
		of   time.Duration
		name string
	}
	units := []unit{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	first := slices.IndexFunc(units, func(u unit) bool { return d >= u.of })
	if first < 0 {
		return "0s"
	}
	text := ""
	for _, u := range units[first:min(first+2, len(units))] {
		if n := d / u.of; n > 0 {
			text += strconv.FormatInt(int64(n), 10) + u.name
		}
		d %= u.of
	}
	return text
}

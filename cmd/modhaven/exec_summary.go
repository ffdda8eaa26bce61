package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// summary is the one line at the end.
func (p *process) summary(s sum) string {
	if s.requests == 0 {
		return p.msg.Text("nothing was asked of the proxy")
	}
	parts := []string{p.msg.Sprintf("no modules, %s", bytesText(s.bytes))}
	if s.modules > 0 {
		modules := number(s.modules, p.msg.Text("1 module"), p.msg.Sprintf("%d modules", s.modules))
		parts[0] = p.msg.Sprintf("%s (%d from the store), %s", modules, s.stored, bytesText(s.bytes))
	}
	if s.stale > 0 {
		parts = append(parts, number(s.stale, p.msg.Text("1 stale list"), p.msg.Sprintf("%d stale lists", s.stale)))
	}
	if s.retried > 0 {
		parts = append(parts, number(s.retried, p.msg.Text("1 download had to be tried again"), p.msg.Sprintf("%d downloads had to be tried again", s.retried)))
	}
	if s.failed > 0 {
		parts = append(parts, number(s.failed, p.msg.Text("1 download failed"), p.msg.Sprintf("%d downloads failed", s.failed)))
	}
	if s.yielded > 0 {
		parts = append(parts, number(s.yielded, p.msg.Text("1 download was left to the command's own version control"), p.msg.Sprintf("%d downloads were left to the command's own version control", s.yielded)))
	}
	if s.unstored > 0 {
		why := scrub(s.storeErr.Error())
		parts = append(parts, number(s.unstored, p.msg.Sprintf("the store failed for 1 file: %s", why), p.msg.Sprintf("the store failed for %d files: %s", s.unstored, why)))
	}
	return strings.Join(parts, "; ")
}

// number picks the words for one thing or for n.
func number(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// bytesText returns a number of bytes for people, in units of 1000.
func bytesText(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v := float64(n)
	for _, unit := range []string{"kB", "MB", "GB"} {
		if v /= 1000; v < 999.95 {
			return strconv.FormatFloat(v, 'f', 1, 64) + " " + unit
		}
	}
	return strconv.FormatFloat(v/1000, 'f', 1, 64) + " TB"
}

// maxReasons is how many lines say why downloads failed.
const maxReasons = 8

// A reason is why an upstream failed, and for what.
type reason struct {
	upstream string // "" where nobody was asked
	why      string
	what     []string
}

// explainFailures says why downloads failed, for each upstream.
func (p *process) explainFailures(all []failure) {
	if len(all) == 0 {
		return
	}
	p.complain(number(len(all), p.msg.Text("1 download failed:"), p.msg.Sprintf("%d downloads failed:", len(all))))
	reasons := reasonsOf(all)
	for i, r := range reasons {
		if i == maxReasons {
			p.say(number(len(reasons)-i, p.msg.Text("and 1 other reason"), p.msg.Sprintf("and %d other reasons", len(reasons)-i)))
			break
		}
		p.say(p.reasonText(r))
	}
	if blocked(all) {
		p.say(p.msg.Sprintf("in mainland China use: %s", "modhaven exec --upstreams cn -- CMD"))
	}
}

// explainUnderWay says what the command did not wait for any longer, for each upstream.
func (p *process) explainUnderWay(all []question, now time.Time) {
	if len(all) == 0 {
		return
	}
	p.complain(number(len(all), p.msg.Text("1 download was under way when the command ended:"), p.msg.Sprintf("%d downloads were under way when the command ended:", len(all))))
	var reasons []reason
	for _, q := range all { // the oldest first
		i := slices.IndexFunc(reasons, func(r reason) bool { return r.upstream == q.upstream })
		if i < 0 {
			i = len(reasons)
			why := p.msg.Sprintf("no whole answer for %s", now.Sub(q.since).Round(time.Second).String())
			reasons = append(reasons, reason{upstream: q.upstream, why: why})
		}
		reasons[i].what = append(reasons[i].what, q.what)
	}
	for _, r := range reasons[:min(len(reasons), maxReasons)] {
		p.say(p.reasonText(r))
	}
}

// say writes a line that belongs to the one before it.
func (p *process) say(text string) { fmt.Fprintf(p.err, "    %s\n", text) }

func (p *process) reasonText(r reason) string {
	why := r.why
	if r.upstream != "" {
		why = r.upstream + ": " + why
	}
	if len(r.what) == 1 {
		return why + " (" + r.what[0] + ")"
	}
	return p.msg.Sprintf("%s (%d, such as %s)", why, len(r.what), r.what[0])
}

// reasonsOf puts equal reasons together, those with the most downloads first.
func reasonsOf(all []failure) []reason {
	var reasons []reason
	add := func(upstream string, err error, what string) {
		why := cause(upstream, err)
		i := slices.IndexFunc(reasons, func(r reason) bool { return r.upstream == upstream && r.why == why })
		if i < 0 {
			i = len(reasons)
			reasons = append(reasons, reason{upstream: upstream, why: why})
		}
		reasons[i].what = append(reasons[i].what, what)
	}
	for _, f := range all {
		for _, a := range f.tried {
			add(a.upstream, a.err, f.what)
		}
		if len(f.tried) == 0 {
			add("", f.err, f.what)
		}
	}
	slices.SortStableFunc(reasons, func(a, b reason) int { return cmp.Compare(len(b.what), len(a.what)) })
	return reasons
}

// cause is what an error of an upstream says, on one line, without the upstream's name and
// without secrets.
func cause(upstream string, err error) string {
	const most = 300
	text := strings.Join(strings.Fields(err.Error()), " ")
	if upstream != "" {
		text = strings.TrimPrefix(text, upstream+": ")
	}
	if text = scrub(text); len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// scrub takes users, passwords and queries out of the addresses in a text.
func scrub(text string) string {
	words := strings.Split(text, " ")
	for i, w := range words {
		at := strings.Index(w, "://")
		if at < 0 {
			continue
		}
		start := strings.LastIndexFunc(w[:at], func(r rune) bool { return !isSchemeRune(r) }) + 1
		address := strings.TrimRight(w[start:], `"',;:.)]>`)
		clean := goproxy.Redact(address)
		if u, err := url.Parse(address); err == nil && u.RawQuery != "" {
			clean, _, _ = strings.Cut(clean, "?")
			clean += "?…"
		}
		words[i] = w[:start] + clean + w[start+len(address):]
	}
	return strings.Join(words, " ")
}

func isSchemeRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '+' || r == '-'
}

// blocked reports whether the default upstream could not be reached, and no other.
func blocked(all []failure) bool {
	for _, f := range all {
		for _, a := range f.tried {
			var u *goproxy.Unavailable
			if a.upstream == "https://proxy.golang.org" && errors.As(a.err, &u) && u.Err != nil {
				return true
			}
		}
	}
	return false
}

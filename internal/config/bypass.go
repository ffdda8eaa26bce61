package config

import (
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Bypasses returns the exceptions from verification. One that has ended is returned too: it excepts nothing.
func (c *Config) Bypasses() ([]goproxy.Bypass, error) {
	var all []goproxy.Bypass
	for _, line := range strings.FieldsFunc(c.Bypass, func(r rune) bool { return r == '\n' || r == ';' }) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, rest, _ := strings.Cut(line, " ")
		day, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
		last, err := time.ParseInLocation(time.DateOnly, day, time.UTC)
		reason = strings.TrimSpace(reason)
		if err != nil || reason == "" {
			return nil, c.problem("checksum-bypass", "%q is not PATTERNS DAY REASON, such as `example.com/moved 2026-12-31 the tag was moved`", line)
		}
		if bad := goproxy.BadPattern(pattern); bad != "" {
			return nil, c.problem("checksum-bypass", "%q is no pattern of module paths", bad)
		}
		all = append(all, goproxy.Bypass{Pattern: pattern, Until: last.AddDate(0, 0, 1), Reason: reason})
	}
	return all, nil
}

func (c *Config) checkBypass() error {
	_, err := c.Bypasses()
	return err
}

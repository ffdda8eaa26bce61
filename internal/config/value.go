package config

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// set parses text as the key's type into c. On a problem c is as before.
func (k Key) set(c *Config, text string) *Message {
	text = strings.TrimSpace(text)
	isControl := unicode.IsControl
	if k.hasLines() {
		text = tidyLines(text)
		isControl = func(r rune) bool { return r != '\n' && unicode.IsControl(r) }
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, isControl) {
		return message("%s has a control character or is not UTF-8", quote(k, text))
	}
	switch v := k.value(c); v.Interface().(type) {
	case string:
		return k.setString(v, text)
	case int:
		return k.setInt(v, text)
	case time.Duration:
		return k.setDuration(v, text)
	case Size:
		return k.setSize(v, text)
	default:
		panic("config: no parser for the type of " + k.Name)
	}
}

// tidyLines returns the lines of text that say something: no comments, no blanks around
// them, and a space for each tab.
func tidyLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.ReplaceAll(line, "\t", " "))
		if line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func (k Key) setString(v reflect.Value, text string) *Message {
	if len(k.OneOf) > 0 && !k.allowed(text) {
		return message("%s is not allowed; it is one of: %s", quote(k, text), strings.Join(k.OneOf, ", "))
	}
	if (k.Arg == "DIR" || k.Arg == "FILE") && strings.HasPrefix(text, "~") {
		return message("%s begins with ~, which only a shell replaces; write the whole path", quote(k, text))
	}
	v.SetString(text)
	return nil
}

func (k Key) allowed(text string) bool {
	for _, o := range k.OneOf {
		if text == o {
			return true
		}
	}
	return text == "" && k.field.Tag.Get("optional") != ""
}

func (k Key) setInt(v reflect.Value, text string) *Message {
	low, _ := strconv.Atoi(k.field.Tag.Get("min"))
	high, _ := strconv.Atoi(k.field.Tag.Get("max"))
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return message("%s is not a whole number from %s to %s", quote(k, text), strconv.Itoa(low), strconv.Itoa(high))
	}
	v.SetInt(int64(n))
	return nil
}

func (k Key) setDuration(v reflect.Value, text string) *Message {
	low, _ := time.ParseDuration(k.field.Tag.Get("min"))
	d, err := time.ParseDuration(text)
	if err != nil {
		return message("%s is not a duration; write a number and a unit (ms, s, m, h), such as 90s or 1m30s", quote(k, text))
	}
	if d < low {
		return message("%s is too little; the least is %s", quote(k, text), FormatDuration(low))
	}
	v.SetInt(int64(d))
	return nil
}

func (k Key) setSize(v reflect.Value, text string) *Message {
	size, ok := ParseSize(text)
	if !ok {
		return message("%s is not a size; write a whole number and a unit (B, KiB, MiB, GiB), such as 16MiB", quote(k, text))
	}
	v.SetInt(int64(size))
	return nil
}

// text is the inverse of set.
func (k Key) text(c *Config) string {
	switch v := k.value(c).Interface().(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case time.Duration:
		return FormatDuration(v)
	case Size:
		return v.String()
	default:
		panic("config: no printer for the type of " + k.Name)
	}
}

// FormatDuration writes d as people do: d.String without units that are zero: "1m", not "1m0s".
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// A Size is a number of bytes.
type Size int64

// units are in falling order, so that String takes the largest that fits.
func units() []struct {
	name string
	size Size
} {
	return []struct {
		name string
		size Size
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

// ParseSize reads a whole number and a unit of 1024 (KiB, MiB, GiB, TiB) or B, in any
// case; without a unit it is bytes. MB and M are not taken, since people disagree on them.
func ParseSize(s string) (Size, bool) {
	digits := strings.TrimRightFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return 0, false
	}
	unit := strings.TrimSpace(s[len(digits):])
	if unit == "" {
		return Size(n), true
	}
	for _, u := range units() {
		if strings.EqualFold(unit, u.name) {
			if Size(n) > math.MaxInt64/u.size {
				return 0, false
			}
			return Size(n) * u.size, true
		}
	}
	return 0, false
}

// String returns the size in the largest unit that holds it exactly: "16MiB".
func (s Size) String() string {
	if s == 0 {
		return "0B"
	}
	for _, u := range units() {
		if s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

package config

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// An option is one of what can be set for an upstream.
type option struct {
	name string
	set  func(*goproxy.UpstreamOptions, optionValue) *Message
}

// An optionValue is the text of an option, and its upstream as messages show it.
type optionValue struct{ upstream, name, text string }

// quoted returns the option for messages: masked and not endless.
func (v optionValue) quoted() string {
	text := v.name + "=" + v.text
	if maskableWord(text) {
		text = maskWord(text)
	} else {
		text = maskAll(text)
	}
	return shortQuote(text)
}

// options are in the order of the manual.
func options() []option {
	type opts = goproxy.UpstreamOptions
	return []option{
		{"ca", fileOption(func(o *opts) *string { return &o.CA })},
		{"cert", fileOption(func(o *opts) *string { return &o.Cert })},
		{"key", fileOption(func(o *opts) *string { return &o.Key })},
		{"proxy", setProxy},
		{"bearer-file", fileOption(func(o *opts) *string { return &o.BearerFile })},
		{"headers-file", fileOption(func(o *opts) *string { return &o.Headers })},
		{"netrc", switchOption(func(o *opts) *goproxy.Switch { return &o.Netrc })},
		{"weight", numberOption(0, 100, func(o *opts) *int { return &o.Weight })},
		{"dial", durationOption(func(o *opts) *time.Duration { return &o.Dial })},
		{"tls", durationOption(func(o *opts) *time.Duration { return &o.TLS })},
		{"first", durationOption(func(o *opts) *time.Duration { return &o.First })},
		{"zip", durationOption(func(o *opts) *time.Duration { return &o.Zip })},
		{"idle", durationOption(func(o *opts) *time.Duration { return &o.Idle })},
		{"min-speed", setMinSpeed},
		{"attempts", numberOption(1, 100, func(o *opts) *int { return &o.Attempts })},
		{"retries", setRetries},
		{"hedge", switchOption(func(o *opts) *goproxy.Switch { return &o.Hedge })},
		{"hedge-after", durationOption(func(o *opts) *time.Duration { return &o.HedgeAfter })},
		{"ahead", switchOption(func(o *opts) *goproxy.Switch { return &o.Ahead })},
		{"concurrency", numberOption(4, 1024, func(o *opts) *int { return &o.Concurrency })},
		{"segments", numberOption(1, 32, func(o *opts) *int { return &o.Segments })},
		{"check", setCheck},
		{"breaker", switchOption(func(o *opts) *goproxy.Switch { return &o.Breaker })},
	}
}

// isFileOption reports whether an option's value is the name of a file.
func isFileOption(name string) bool {
	switch name {
	case "ca", "cert", "key", "bearer-file", "headers-file":
		return true
	}
	return false
}

// apply sets what a word says. On a problem o is as before.
func (l optionLine) apply(o *goproxy.UpstreamOptions, word string) *Message {
	name, text, ok := strings.Cut(word, "=")
	v := optionValue{l.shown(), name, text}
	if !ok || name == "" {
		return message("%s: %s is not NAME=VALUE, such as attempts=3", v.upstream, shortQuote(word))
	}
	var names []string
	for _, opt := range options() {
		if opt.name == name {
			return opt.set(o, v)
		}
		names = append(names, opt.name)
	}
	if near := Nearest(name, names); near != "" {
		return message("%s: %s is not an option; is %s meant?", v.upstream, shortQuote(name), near)
	}
	return message("%s: %s is not an option; the options are %s", v.upstream, shortQuote(name), strings.Join(names, ", "))
}

func fileOption(field func(*goproxy.UpstreamOptions) *string) func(*goproxy.UpstreamOptions, optionValue) *Message {
	return func(o *goproxy.UpstreamOptions, v optionValue) *Message {
		switch {
		case v.text == "":
			return message("%s: %s names no file", v.upstream, v.quoted())
		case strings.HasPrefix(v.text, "~"):
			return message("%s: %s begins with ~, which only a shell replaces; write the whole path", v.upstream, v.quoted())
		}
		*field(o) = v.text
		return nil
	}
}

func switchOption(field func(*goproxy.UpstreamOptions) *goproxy.Switch) func(*goproxy.UpstreamOptions, optionValue) *Message {
	return func(o *goproxy.UpstreamOptions, v optionValue) *Message {
		switch v.text {
		case "on":
			*field(o) = goproxy.On
		case "off":
			*field(o) = goproxy.NotOn
		default:
			return message("%s: %s is not allowed; it is one of: %s", v.upstream, v.quoted(), "on, off")
		}
		return nil
	}
}

func numberOption(low, high int, field func(*goproxy.UpstreamOptions) *int) func(*goproxy.UpstreamOptions, optionValue) *Message {
	return func(o *goproxy.UpstreamOptions, v optionValue) *Message {
		n, err := strconv.Atoi(v.text)
		if err != nil || n < low || n > high {
			return message("%s: %s is not a whole number from %s to %s", v.upstream, v.quoted(), strconv.Itoa(low), strconv.Itoa(high))
		}
		*field(o) = n
		return nil
	}
}

func durationOption(field func(*goproxy.UpstreamOptions) *time.Duration) func(*goproxy.UpstreamOptions, optionValue) *Message {
	return func(o *goproxy.UpstreamOptions, v optionValue) *Message {
		d, err := time.ParseDuration(v.text)
		if err != nil || d <= 0 {
			return message("%s: %s is not a duration above 0s; write a number and a unit (ms, s, m, h), such as 90s or 1m30s", v.upstream, v.quoted())
		}
		*field(o) = d
		return nil
	}
}

func setProxy(o *goproxy.UpstreamOptions, v optionValue) *Message {
	u, err := url.Parse(v.text)
	isAddress := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		(u.Path == "" || u.Path == "/") && !strings.ContainsAny(v.text, "?#")
	if v.text != goproxy.Direct && !isAddress {
		return message("%s: %s is neither the address of a proxy, such as http://proxy.example:3128, nor direct", v.upstream, v.quoted())
	}
	o.Proxy = v.text
	return nil
}

// maxMinSpeed fits an int everywhere.
const maxMinSpeed = 1 << 30

func setMinSpeed(o *goproxy.UpstreamOptions, v optionValue) *Message {
	size, ok := ParseSize(v.text)
	switch {
	case v.text == "off":
		o.MinSpeed = -1
	case ok && size > 0 && size <= maxMinSpeed:
		o.MinSpeed = int(size)
	default:
		return message("%s: %s is neither a size from 1B to 1GiB, such as 16KiB, nor off", v.upstream, v.quoted())
	}
	return nil
}

// setRetries makes none of 0, which is the default in the field.
func setRetries(o *goproxy.UpstreamOptions, v optionValue) *Message {
	n := 0
	m := numberOption(0, 1000, func(*goproxy.UpstreamOptions) *int { return &n })(o, v)
	if m == nil {
		o.Retries = cmp.Or(n, -1)
	}
	return m
}

func setCheck(o *goproxy.UpstreamOptions, v optionValue) *Message {
	d, err := time.ParseDuration(v.text)
	switch {
	case v.text == "off":
		o.Check = -1
	case err == nil && d > 0:
		o.Check = d
	default:
		return message("%s: %s is neither a duration above 0s, such as 30s, nor off", v.upstream, v.quoted())
	}
	return nil
}

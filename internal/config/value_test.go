package config

import (
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Size
		ok   bool
	}{
		{"0", 0, true}, {"17", 17, true}, {"17B", 17, true}, {"1KiB", 1 << 10, true}, {"16MiB", 16 << 20, true},
		{"16 mib", 16 << 20, true}, {"2GiB", 2 << 30, true}, {"3TiB", 3 << 40, true}, {"9223372036854775807", 1<<63 - 1, true},
		{"", 0, false}, {"MiB", 0, false}, {"-1", 0, false}, {"1.5MiB", 0, false}, {"16MB", 0, false}, {"16M", 0, false},
		{"1 6MiB", 0, false}, {"9223372036854775808", 0, false}, {"8388608TiB", 0, false}, {"9007199254740992KiB", 0, false}, {"+1", 0, false},
	} {
		if got, ok := ParseSize(tt.text); got != tt.want || ok != tt.ok {
			t.Errorf("ParseSize(%q) = %d, %v; want %d, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestSizeString(t *testing.T) {
	for size, want := range map[Size]string{0: "0B", 1: "1B", 1023: "1023B", 1 << 10: "1KiB", 1536: "1536B", 16 << 20: "16MiB", 3 << 40: "3TiB"} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d) = %s, want %s", int64(size), got, want)
		}
	}
}

func FuzzSize(f *testing.F) {
	f.Add("16MiB")
	f.Add("8388607 tib")
	f.Fuzz(func(t *testing.T, text string) {
		size, ok := ParseSize(text)
		if !ok {
			return
		}
		if again, ok := ParseSize(size.String()); !ok || again != size || size < 0 {
			t.Errorf("ParseSize(%q) = %d, printed %s, read again as %d, %v", text, int64(size), size, int64(again), ok)
		}
	})
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Minute: "1m", time.Hour: "1h", 90 * time.Second: "1m30s", time.Hour + time.Second: "1h0m1s",
		20 * time.Second: "20s", 10 * time.Minute: "10m", 100 * time.Millisecond: "100ms", time.Hour + 10*time.Minute: "1h10m",
	} {
		got := FormatDuration(d)
		if again, err := time.ParseDuration(got); got != want || again != d {
			t.Errorf("%v is written %s and read as %v (%v); want %s", d, got, again, err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := spellings(Key.YAML)
	for name, want := range map[string]string{
		"listn": "listen", "upstream": "upstreams", "Listen": "listen", "tls-cert": "tls_cert", "log_levle": "log_level",
		"refreshbudget": "refresh_budget", "sum_db": "sumdb", "xyz": "", "": "", "port": "",
	} {
		if got := Nearest(name, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

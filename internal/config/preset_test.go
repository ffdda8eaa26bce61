package config

import (
	"strings"
	"testing"
)

// TestPreset has a preset change defaults and nothing that was set, be it to the usual default.
func TestPreset(t *testing.T) {
	file := write(t, "preset: enterprise\nlisten: 127.0.0.1:3000\ndrain: 1s\n")
	c, err := Load(Sources{File: file, Environ: []string{"MODHAVEN_PRESET=team", "MODHAVEN_MEMORY=16MiB"}, Flags: map[string]string{"auth": "none"}, GoEnv: DefaultGoEnv()})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"From: environment MODHAVEN_PRESET.\npreset: team\n", "yaml:2.\nlisten: 127.0.0.1:3000\n", "MODHAVEN_MEMORY.\nmemory: 16MiB\n", "flag --auth.\nauth: none\n", "yaml:3.\ndrain: 1s\n",
		"From: preset team.\ntls_self_signed: on\n", "From: preset team.\naccess_log: on\n", "From: default.\nlog_format: text\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("config print lacks %q:\n%s", want, b.String())
		}
	}
	again, err := Load(Sources{File: write(t, b.String()), GoEnv: DefaultGoEnv()})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys() {
		if got, want := k.text(again), k.text(c); got != want && k.Name != "state" && k.Name != "upstreams" && k.Name != "sumdb" {
			t.Errorf("%s: %q after it was printed and read again, want %q", k.Name, got, want)
		}
	}
}

// TestPresets has all presets be of good values for keys that there are, and each change something.
func TestPresets(t *testing.T) {
	for name, set := range presets() {
		c, err := Load(Sources{Flags: map[string]string{"preset": name}, GoEnv: DefaultGoEnv()})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for key, text := range set {
			if got := c.Origin(key).String(); got != "preset "+name {
				t.Errorf("%s: %s=%s comes from %s", name, key, text, got)
			}
		}
		for _, k := range Keys() {
			if k.text(c) == k.text(Default()) && c.Origin(k.Name).Kind == FromPreset {
				t.Errorf("%s: %s is as it is without", name, k.Name)
			}
		}
	}
	if _, err := Load(Sources{Flags: map[string]string{"preset": "huge"}, GoEnv: DefaultGoEnv()}); err == nil || !strings.Contains(err.Error(), "laptop, ci, team, enterprise") {
		t.Errorf("an unknown preset: %v", err)
	}
}

// TestPresetTLS has a preset leave TLS alone where anything is set about it.
func TestPresetTLS(t *testing.T) {
	for key, value := range map[string]string{"tls-cert": "/c", "tls-key": "/k", "tls-acme": "go.corp.example", "tls-self-signed": "off", "tls-elsewhere": "on"} {
		c, err := Load(Sources{Flags: map[string]string{"preset": "team", key: value}, GoEnv: DefaultGoEnv()})
		if err != nil || c.SelfSigned() {
			t.Errorf("%s=%s: self-signed %v, %v", key, value, c.SelfSigned(), err)
		}
	}
}

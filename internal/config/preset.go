package config

// presets are the defaults that each preset has in place of the usual ones, by key name.
func presets() map[string]map[string]string {
	team := map[string]string{
		"listen":          ":3000",
		"auth":            "token",
		"tls-self-signed": "on",
		"rate-limit":      "100/s burst 20000",
		"access-log":      "on",
		"memory":          "64MiB",
	}
	enterprise := map[string]string{
		"listen":               ":3000",
		"auth":                 "token",
		"rate-limit":           "100/s burst 20000",
		"access-log":           "on",
		"log-format":           "json",
		"memory":               "256MiB",
		"checksum-unreachable": "refuse",
		"drain":                "60s",
	}
	return map[string]map[string]string{
		// One person's machine, which is often without a network: nothing is asked unless somebody waits, and what is
		// not there is said soon.
		"laptop": {"patience": "10s", "list-refresh": "0s", "refresh-budget": "1s", "fills": "32", "connections": "1000", "drain": "3s", "metrics": "off", "log-level": "warn"},
		// Beside the jobs of a CI: a late answer beats a red build.
		"ci":         {"patience": "5m", "fresh": "5m", "list-refresh": "0s", "drain": "10s", "log-format": "json"},
		"team":       team,
		"enterprise": enterprise,
	}
}

// tlsKeys are ways to the same end: where one is set a preset chooses no other.
var tlsKeys = []string{"tls-cert", "tls-key", "tls-acme", "tls-self-signed", "tls-elsewhere"}

// loadPreset sets what the preset has and nothing else has set.
func (c *Config) loadPreset() []error {
	if c.Preset == "" {
		return nil
	}
	set := presets()[c.Preset]
	hasTLS := false
	for _, name := range tlsKeys {
		hasTLS = hasTLS || c.IsSet(name)
	}
	var errs []error
	for _, k := range Keys() {
		text, ok := set[k.Name]
		if !ok || c.IsSet(k.Name) || hasTLS && k.Name == "tls-self-signed" {
			continue
		}
		if err := c.assign(k, text, Origin{Kind: FromPreset, Name: c.Preset}); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

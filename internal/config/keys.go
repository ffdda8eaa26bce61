package config

import (
	"reflect"
	"strings"
	"time"
)

// EnvPrefix begins every variable that sets a key; EnvFile names the file instead, and EnvToken is the credential of a client.
const (
	EnvPrefix = "MODHAVEN_"
	EnvFile   = EnvPrefix + "CONFIG"
	EnvToken  = EnvPrefix + "TOKEN"
)

// A Key describes one setting.
type Key struct {
	Name    string   // as a flag, without the dashes: "tls-cert"
	Arg     string   // what its value is called in help: "FILE"
	Default string   // as text; "" where the zero value has a meaning of its own
	Empty   string   // what stands in for an empty value, in words; "" for nothing
	OneOf   []string // the allowed values, where they can be listed
	Doc     string   // the manual, paragraphs apart by an empty line
	field   reflect.StructField
}

// YAML returns the key's spelling in a file: "tls_cert".
func (k Key) YAML() string { return strings.ReplaceAll(k.Name, "-", "_") }

// Env returns the name of its variable: "MODHAVEN_TLS_CERT".
func (k Key) Env() string { return EnvPrefix + strings.ToUpper(k.YAML()) }

// Flag returns the flag with its dashes: "--tls-cert".
func (k Key) Flag() string { return "--" + k.Name }

// Help returns the first sentence of the manual, without a full stop.
func (k Key) Help() string {
	help := strings.ReplaceAll(k.Doc, "\n", " ")
	for i := range help {
		if help[i] == '.' && (i+1 == len(help) || help[i+1] == ' ') {
			return help[:i]
		}
	}
	return help
}

// Values says what the key takes, for the manual.
func (k Key) Values() string {
	switch k.field.Type {
	case reflect.TypeFor[int]():
		return k.field.Tag.Get("min") + " to " + k.field.Tag.Get("max")
	case reflect.TypeFor[time.Duration]():
		return "a duration"
	case reflect.TypeFor[Size]():
		return "a size"
	}
	if len(k.OneOf) > 0 {
		return "`" + strings.Join(k.OneOf, "`, `") + "`"
	}
	return k.Arg
}

// Keys returns every setting in the order of Config's fields.
func Keys() []Key {
	var keys []Key
	docs := fieldDocs()
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		name, ok := f.Tag.Lookup("key")
		if !ok {
			continue
		}
		keys = append(keys, Key{
			Name:    name,
			Arg:     f.Tag.Get("arg"),
			Default: f.Tag.Get("default"),
			Empty:   f.Tag.Get("empty"),
			OneOf:   strings.Fields(f.Tag.Get("oneof")),
			Doc:     docs[name],
			field:   f,
		})
	}
	return keys
}

// spellings returns every key as it is spelled in one kind of source.
func spellings(spell func(Key) string) []string {
	var all []string
	for _, k := range Keys() {
		all = append(all, spell(k))
	}
	return all
}

// hasLines reports whether the value may have several lines.
func (k Key) hasLines() bool { return k.field.Tag.Get("lines") != "" }

func (k Key) value(c *Config) reflect.Value {
	return reflect.ValueOf(c).Elem().FieldByIndex(k.field.Index)
}

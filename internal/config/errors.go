package config

import (
	"fmt"
	"strconv"
)

// A Message is a sentence for people whose fixed part can be translated: Format is the
// English text, with verbs of package fmt for Args.
type Message struct {
	Format string
	Args   []any
}

func message(format string, args ...any) *Message { return &Message{format, args} }

// String returns the sentence in English.
func (m *Message) String() string { return fmt.Sprintf(m.Format, m.Args...) }

// An Error says what is wrong with one setting, or with a whole file.
type Error struct {
	Key    string // the key's name; "" where a whole source is meant or the key is not known
	Origin Origin
	*Message
}

// Where returns the part before the sentence: the source and the key as it is spelled there.
func (e *Error) Where() string {
	if e.Key == "" {
		return e.Origin.place()
	}
	switch e.Origin.Kind {
	case FromFile:
		return e.Origin.place() + ": " + Key{Name: e.Key}.YAML()
	case FromDefault, FromPreset:
		return Key{Name: e.Key}.YAML()
	default:
		return e.Origin.place()
	}
}

func (e *Error) Error() string { return e.Where() + ": " + e.Message.String() }

// A Kind of source, from the weakest to the strongest.
type Kind uint8

const (
	FromDefault Kind = iota
	FromPreset
	FromFile
	FromEnv
	FromFlag
)

// An Origin is where a value came from. The zero value is the default.
type Origin struct {
	Kind Kind
	Name string // the preset, the file, the variable, or the flag with its dashes
	Line int    // in the file, from 1; 0 when unknown
}

func (o Origin) place() string {
	if o.Line > 0 {
		return o.Name + ":" + strconv.Itoa(o.Line)
	}
	return o.Name
}

// String returns the origin for people: "file /etc/modhaven.yaml:3", "default".
func (o Origin) String() string {
	return [...]string{"default", "preset ", "file ", "environment ", "flag "}[o.Kind] + o.place()
}

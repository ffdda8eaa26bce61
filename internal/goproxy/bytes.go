package goproxy

import "bytes"

// Bytes is a Content's body that is in memory. The bytes are shared: nobody writes to them.
type Bytes struct {
	bytes.Reader
	all []byte
}

// NewBytes returns a body of b, which the caller must not change afterwards.
func NewBytes(b []byte) *Bytes {
	r := &Bytes{all: b}
	r.Reset(b)
	return r
}

// InMemory returns content of b, which the caller must not change afterwards. It is on the way of every hit: one
// allocation.
func InMemory(m Meta, b []byte) *Content {
	c := &struct {
		Content
		body Bytes
	}{Content: Content{Meta: m}, body: Bytes{all: b}}
	c.body.Reset(b)
	c.Body = &c.body
	return &c.Content
}

// All returns the whole body, wherever reading has come to.
func (b *Bytes) All() []byte { return b.all }

// Close does nothing.
func (b *Bytes) Close() error { return nil }

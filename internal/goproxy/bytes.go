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

// All returns the whole body, wherever reading has come to.
func (b *Bytes) All() []byte { return b.all }

// Close does nothing.
func (b *Bytes) Close() error { return nil }

package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certs is a certificate in two files, read again when they change. A pair that cannot be read leaves the
// one before it in use.
type Certs struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex // guards all below
	current *tls.Certificate
	seen    [2]fileState
	looked  time.Time
}

type fileState struct {
	size int64
	mod  time.Time
}

// lookAgain is how often the files are looked at, at most.
const lookAgain = time.Second

// NewCerts reads the pair.
func NewCerts(cert, key string, log *slog.Logger) (*Certs, error) {
	c := &Certs{cert: cert, key: key, log: log}
	seen, err := c.look()
	if err == nil {
		err = c.load(seen)
	}
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return c, nil
}

func (c *Certs) look() (seen [2]fileState, err error) {
	for i, name := range []string{c.cert, c.key} {
		fi, err := os.Stat(name)
		if err != nil {
			return seen, err
		}
		seen[i] = fileState{fi.Size(), fi.ModTime()}
	}
	return seen, nil
}

func (c *Certs) load(seen [2]fileState) error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", c.cert, c.key, err)
	}
	c.current, c.seen = &pair, seen
	return nil
}

// Get is tls.Config.GetCertificate.
func (c *Certs) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookAgain {
		c.looked = now
		seen, err := c.look()
		if err == nil && seen != c.seen {
			if err = c.load(seen); err == nil {
				c.log.Info("the certificate was read again", "file", c.cert)
			}
		}
		if err != nil {
			c.log.Error("the new certificate cannot be used; the one before it stays", "err", err)
		}
	}
	return c.current, nil
}

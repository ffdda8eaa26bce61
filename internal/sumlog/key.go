package sumlog

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
)

// GenerateKey makes a key pair for a database of that name, a host name with or without a path: "sum.corp.example".
// signer is secret; verifier goes to clients.
func GenerateKey(name string) (signer, verifier string, err error) {
	// The go command takes the name for a file's and, where nothing else is said, for a URL's.
	if err := module.CheckPath(name); err != nil {
		return "", "", fmt.Errorf("%q is no name of a checksum database; one looks like sum.corp.example", name)
	}
	return note.GenerateKey(rand.Reader, name)
}

// VerifierOf returns the verifier key that belongs to a signer key.
func VerifierOf(signer string) (string, error) {
	if _, err := note.NewSigner(signer); err != nil {
		return "", fmt.Errorf("signer key: %w", err)
	}
	// PRIVATE+KEY+NAME+HASH+BASE64, and the base64 text may have more signs of this kind.
	parts := strings.SplitN(signer, "+", 5)
	secret, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(secret) != 1+ed25519.SeedSize {
		return "", errors.New("signer key: not an Ed25519 key")
	}
	return note.NewEd25519VerifierKey(parts[2], ed25519.NewKeyFromSeed(secret[1:]).Public().(ed25519.PublicKey))
}

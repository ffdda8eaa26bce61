package access

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

const (
	maxJWT = 16 << 10
	skew   = time.Minute // between the clocks of an issuer and of this machine
)

// A jwt is a token that was read and not yet verified (RFC 7519): nothing of it is true.
type jwt struct {
	alg, kid  string
	claims    map[string]any // numbers are json.Number
	signed    []byte
	signature []byte
}

// isJWT reports whether a secret has the form of a signed token: three parts, the first of which begins an object.
func isJWT(secret string) bool {
	return strings.HasPrefix(secret, "eyJ") && strings.Count(secret, ".") == 2
}

func parseJWT(s string) (*jwt, error) {
	if len(s) > maxJWT {
		return nil, fmt.Errorf("it has %d bytes, and at most %d are possible", len(s), maxJWT)
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return nil, errors.New("it does not have three parts")
	}
	t := &jwt{signed: []byte(s[:len(parts[0])+1+len(parts[1])])}
	var head struct {
		Alg  string
		Kid  string
		Crit []any
	}
	if err := decodePart(parts[0], &head); err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	if head.Crit != nil { // RFC 7515, 4.1.11: what is not understood must be refused
		return nil, errors.New("its header has crit, of which nothing is supported")
	}
	if err := decodePart(parts[1], &t.claims); err != nil {
		return nil, fmt.Errorf("its claims: %w", err)
	}
	var err error
	if t.signature, err = base64.RawURLEncoding.Strict().DecodeString(parts[2]); err != nil {
		return nil, errors.New("its signature is not base64url")
	}
	t.alg, t.kid = head.Alg, head.Kid
	return t, nil
}

func decodePart(part string, to any) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return errors.New("it is not base64url")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return errors.New("it is not a JSON object")
	}
	if d.More() {
		return errors.New("it is more than a JSON object")
	}
	return nil
}

// claim returns a claim by its name, or where the name has dots and there is no such claim, by the way through objects: realm_access.roles.
func (t *jwt) claim(name string) any {
	if v, ok := t.claims[name]; ok {
		return v
	}
	var v any = t.claims
	for key := range strings.SplitSeq(name, ".") {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	return v
}

// text returns a claim that is a string; "" where it is not.
func (t *jwt) text(name string) string {
	s, _ := t.claim(name).(string)
	return s
}

// list returns a claim that is a string or a list of them.
func (t *jwt) list(name string) []string {
	switch v := t.claim(name).(type) {
	case string:
		return []string{v}
	case []any:
		all := make([]string, 0, len(v))
		for _, e := range v {
			if s, ok := e.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// when returns a claim that is a time in seconds since 1970.
func (t *jwt) when(name string) (time.Time, bool) {
	n, _ := t.claim(name).(json.Number)
	f, err := n.Float64()
	if err != nil || f <= 0 || f > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// checkTimes says what is wrong with the times of a token.
func (t *jwt) checkTimes(now time.Time) error {
	expires, ok := t.when("exp")
	switch {
	case !ok:
		return errors.New("it has no claim exp, so that it would never end")
	case now.After(expires.Add(skew)):
		return fmt.Errorf("it expired at %s; get a new one", expires.UTC().Format(time.RFC3339))
	}
	for _, name := range []string{"nbf", "iat"} {
		from, ok := t.when(name)
		if !ok && t.claim(name) != nil {
			return fmt.Errorf("its claim %s is no time", name)
		}
		if ok && now.Before(from.Add(-skew)) {
			return fmt.Errorf("it begins at %s (claim %s), and here it is %s; compare the clocks", from.UTC().Format(time.RFC3339), name, now.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// A key is one that an issuer signs with, and the only algorithm it is for: RS256 or ES256, those of all issuers that are known.
type key struct {
	id, alg string
	rsa     *rsa.PublicKey
	ecdsa   *ecdsa.PublicKey
}

// signs reports whether the signature of a token is this key's.
func (k key) signs(t *jwt) bool {
	sum := sha256.Sum256(t.signed)
	if t.alg != k.alg {
		return false
	}
	if k.rsa != nil {
		return rsa.VerifyPKCS1v15(k.rsa, crypto.SHA256, sum[:], t.signature) == nil
	}
	if len(t.signature) != 64 { // RFC 7518, 3.4: two numbers of 32 bytes
		return false
	}
	r, s := new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:])
	return ecdsa.Verify(k.ecdsa, sum[:], r, s)
}

const maxKeys = 100

// parseKeys reads a set of keys (RFC 7517). Those that are for something else are passed over.
func parseKeys(b []byte) ([]key, error) {
	var set struct {
		Keys []struct{ Kty, Use, Kid, Alg, Crv, N, E, X, Y string }
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, errors.New("it is not a JSON set of keys")
	}
	var keys []key
	for _, k := range set.Keys {
		if k.Use != "" && k.Use != "sig" || len(keys) == maxKeys {
			continue
		}
		var err error
		out := key{id: k.Kid}
		switch {
		case k.Kty == "RSA" && (k.Alg == "" || k.Alg == "RS256"):
			out.alg = "RS256"
			out.rsa, err = parseRSA(k.N, k.E)
		case k.Kty == "EC" && k.Crv == "P-256" && (k.Alg == "" || k.Alg == "ES256"):
			out.alg = "ES256"
			out.ecdsa, err = parseEC(k.X, k.Y)
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the key %.80q: %w", k.Kid, err)
		}
		keys = append(keys, out)
	}
	if len(keys) == 0 {
		return nil, errors.New("none of its keys is for RS256 or ES256")
	}
	return keys, nil
}

func parseRSA(n, e string) (*rsa.PublicKey, error) {
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	exponent, err2 := base64.RawURLEncoding.DecodeString(e)
	if err := errors.Join(err, err2); err != nil {
		return nil, errors.New("a number is not base64url")
	}
	k := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus)}
	exp := new(big.Int).SetBytes(exponent)
	if bits := k.N.BitLen(); bits < 2048 || bits > 8192 {
		return nil, fmt.Errorf("it has %d bits, and 2048 to 8192 are taken", bits)
	}
	if exp.BitLen() > 31 || exp.Int64() < 3 || exp.Bit(0) == 0 {
		return nil, errors.New("its exponent is none")
	}
	k.E = int(exp.Int64())
	return k, nil
}

func parseEC(x, y string) (*ecdsa.PublicKey, error) {
	bx, err := base64.RawURLEncoding.DecodeString(x)
	by, err2 := base64.RawURLEncoding.DecodeString(y)
	if err := errors.Join(err, err2); err != nil || len(bx) != 32 || len(by) != 32 {
		return nil, errors.New("it is no point of P-256")
	}
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, bx...), by...))
	if err != nil {
		return nil, errors.New("it is no point of P-256")
	}
	return k, nil
}

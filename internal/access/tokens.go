package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Token is what is kept of one: never the secret itself. At rest it is a SHA-256. A slow hash is for secrets that people choose;
// this one is 32 random bytes, which nobody finds by trying however fast the hash is, and each request costs a microsecond and not 50 ms.
type Token struct {
	Name    string
	Groups  []string
	Created time.Time
	Expires time.Time // zero for never
	Revoked time.Time // zero for not
	hash    [sha256.Size]byte
}

// prefix begins every token, so that scanners for secrets find one that was published.
const prefix = "modhaven_"

const (
	secretBytes  = 32
	maxTokenFile = 4 << 20
	maxTokens    = 10000
	maxName      = 64
)

// newSecret returns a token as clients have it.
func newSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// isToken reports whether a secret has the form of a token.
func isToken(secret string) bool {
	rest, ok := strings.CutPrefix(secret, prefix)
	return ok && len(rest) == base64.RawURLEncoding.EncodedLen(secretBytes)
}

// A tokenSet is a file of tokens.
type tokenSet struct {
	all    []Token // as in the file
	byHash map[[sha256.Size]byte]int
}

// find returns the token of a secret. Hashes are looked for, so that time tells nothing about what the file has: a client cannot
// choose the hash of what he tries.
func (s *tokenSet) find(secret string) (Token, bool) {
	if s == nil {
		return Token{}, false
	}
	h := hashOf(secret)
	i, ok := s.byHash[h]
	t := Token{}
	if ok {
		t = s.all[i]
	}
	return t, subtle.ConstantTimeCompare(t.hash[:], h[:]) == 1
}

// Problem says why the token is good for nothing at now; "" where it is good.
func (t *Token) Problem(now time.Time) string {
	switch {
	case !t.Revoked.IsZero():
		return "it was revoked at " + t.Revoked.UTC().Format(time.RFC3339)
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return "it expired at " + t.Expires.UTC().Format(time.RFC3339)
	}
	return ""
}

// header is the first line of a file of tokens.
const header = "# modhaven tokens 1: NAME SHA-256 CREATED EXPIRES REVOKED GROUPS; written by modhaven token\n"

// String returns the token's line, without its end: the inverse of parseToken.
func (t *Token) String() string {
	groups := "-"
	if len(t.Groups) > 0 {
		groups = strings.Join(t.Groups, ",")
	}
	return strings.Join([]string{t.Name, hex.EncodeToString(t.hash[:]), timeText(t.Created), timeText(t.Expires), timeText(t.Revoked), groups}, " ")
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func parseTokens(b []byte) (*tokenSet, error) {
	s := &tokenSet{byHash: map[[sha256.Size]byte]int{}}
	names := map[string]bool{}
	for i, line := range strings.Split(string(b), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		t, err := parseToken(strings.Fields(line))
		_, twice := s.byHash[t.hash]
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		case twice || names[t.Name]:
			return nil, fmt.Errorf("line %d: %s stands in the file twice; remove one of the lines", i+1, t.Name)
		case len(s.all) == maxTokens:
			return nil, fmt.Errorf("line %d: it is more than %d tokens; remove old lines", i+1, maxTokens)
		}
		s.byHash[t.hash] = len(s.all)
		names[t.Name] = true
		s.all = append(s.all, t)
	}
	return s, nil
}

func parseToken(f []string) (Token, error) {
	var t Token
	if len(f) != 6 {
		return t, errors.New("it does not have the six fields of a token; make tokens with: modhaven token create")
	}
	hash, err := hex.DecodeString(f[1])
	if t.Name = f[0]; CheckName(t.Name) != nil || err != nil || len(hash) != len(t.hash) {
		return t, errors.New("its name or its hash is not one of a token; make tokens with: modhaven token create")
	}
	copy(t.hash[:], hash)
	for i, to := range []*time.Time{&t.Created, &t.Expires, &t.Revoked} {
		if f[2+i] == "-" {
			continue
		}
		if *to, err = time.Parse(time.RFC3339, f[2+i]); err != nil || to.IsZero() {
			return t, fmt.Errorf("%.40q is no time, such as 2026-12-31T00:00:00Z", f[2+i])
		}
	}
	if f[5] != "-" {
		t.Groups = strings.Split(f[5], ",")
	}
	if i := slices.IndexFunc(t.Groups, func(g string) bool { return CheckName(g) != nil }); i >= 0 {
		return t, CheckName(t.Groups[i])
	}
	return t, nil
}

// CheckName says whether a token or a group of it can have this name: 1 to 64 letters, digits and . _ @ / + -, the first of
// them a letter, a digit or _.
func CheckName(name string) error {
	ok := 0 < len(name) && len(name) <= maxName && !strings.ContainsRune(".@/+-", rune(name[0]))
	for _, c := range name {
		ok = ok && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._@/+-", c))
	}
	if !ok {
		return fmt.Errorf("%.80q is no name: it is 1 to %d letters, digits and . _ @ / + -, the first of them a letter, a digit or _", name, maxName)
	}
	return nil
}

func hashOf(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

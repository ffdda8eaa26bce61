package credential

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// An app gets tokens of an installation of a GitHub App, which live for an hour.
// https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
type app struct {
	id, keyFile string
	addr        string
	client      *http.Client
	now         func() time.Time
}

const (
	// early is how long before its end a token is replaced, so that no fetch loses it on the way.
	early = 5 * time.Minute
	// slack is how far the clocks of this machine and of GitHub may differ.
	slack = time.Minute
	// jwtLife is below the ten minutes that GitHub accepts.
	jwtLife = 8 * time.Minute
)

func newApp(h *Host, client *http.Client) *app {
	api := "https://api.github.com"
	if h.Name != "github.com" {
		api = "https://" + h.Name + "/api/v3" // GitHub Enterprise Server
	}
	api = strings.TrimSuffix(cmp.Or(h.API, api), "/")
	return &app{id: h.App, keyFile: h.AppKey, addr: api + "/app/installations/" + h.Installation + "/access_tokens", client: client, now: time.Now}
}

// ask is a source.
func (a *app) ask(ctx context.Context) (Secret, time.Time, error) {
	key, err := readKey(a.keyFile)
	if err != nil {
		return Secret{}, time.Time{}, err
	}
	jwt, err := sign(a.id, key, a.now())
	if err != nil {
		return Secret{}, time.Time{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.addr, nil)
	if err != nil {
		return Secret{}, time.Time{}, err
	}
	req.Header.Set("Authorization", "Bearer "+jwt)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("User-Agent", "modhaven")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	resp, err := a.client.Do(req)
	if err != nil {
		return Secret{}, time.Time{}, err
	}
	defer resp.Body.Close()
	return a.read(resp)
}

func (a *app) read(resp *http.Response) (Secret, time.Time, error) {
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxSecret))
	var body struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires_at"`
		Message string    `json:"message"`
	}
	jerr := json.Unmarshal(b, &body)
	switch {
	case err != nil:
		return Secret{}, time.Time{}, fmt.Errorf("%s: %w", a.addr, err)
	case resp.StatusCode != http.StatusCreated:
		return Secret{}, time.Time{}, fmt.Errorf("%s: %s %.200s; are the App's identity, installation and key those of one App?", a.addr, resp.Status, strings.Map(printable, body.Message))
	case jerr != nil || body.Token == "" || body.Expires.IsZero():
		return Secret{}, time.Time{}, fmt.Errorf("%s: the answer has no token; is it the address of GitHub's API?", a.addr)
	}
	return Secret{defaultUser, body.Token}, body.Expires.Add(-early), nil
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// readKey reads a private key as GitHub gives it (PKCS #1), or in PKCS #8.
func readKey(name string) (*rsa.PrivateKey, error) {
	b, err := readBounded(name)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s: it is no private key in PEM", name)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	any8, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, ok := any8.(*rsa.PrivateKey); err == nil && ok {
		return key, nil
	}
	return nil, fmt.Errorf("%s: it is no RSA private key, which GitHub Apps have", name)
}

// sign returns a JSON Web Token (RFC 7519, RS256) that says to be the App.
func sign(id string, key *rsa.PrivateKey, now time.Time) (string, error) {
	claims, err := json.Marshal(map[string]any{"iss": id, "iat": now.Add(-slack).Unix(), "exp": now.Add(jwtLife).Unix()})
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	for _, part := range [][]byte{[]byte(`{"alg":"RS256","typ":"JWT"}`), claims} {
		b.WriteString(base64.RawURLEncoding.EncodeToString(part) + ".")
	}
	text := strings.TrimSuffix(b.String(), ".")
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errors.New("the App's private key cannot sign: it is too short or damaged")
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

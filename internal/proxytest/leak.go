package proxytest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// PrivateDomain is what all private names of tests end with or lie below: corp.example/lib, git.corp.example. A server of this package
// that hears of one, in whatever request, fails its test, unless it is one of the inside ([Server.Inside]).
const PrivateDomain = "corp.example"

var planted = struct {
	sync.Mutex
	all []string
}{all: []string{GitPassword}}

// Plant has every server of this package fail its test where a request has the secret in it, and returns the secret. It holds for the life of the
// process. Secrets are those that no upstream and no checksum database is given: of clients, and of version control.
func Plant(secret string) string {
	planted.Lock()
	defer planted.Unlock()
	if secret == "" || slices.Contains(planted.all, secret) {
		return secret
	}
	planted.all = append(planted.all, secret)
	return secret
}

// Inside makes the server one that may hear of private names: a company's own. Even so it may not in what is asked of a checksum database, and
// planted secrets are nothing for it. Call it before the first request.
func (s *Server) Inside() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside = true
}

// Never has the test fail where a request has one of the texts in it, whatever its case or escapes.
func (s *Server) Never(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.never = append(s.never, texts...)
}

const maxLeaks = 5 // that are told of

// listenFor looks for what must not be in a request, whose body stays readable.
func (s *Server) listenFor(r *http.Request) {
	var body []byte
	if r.Body != nil && r.Body != http.NoBody {
		b, err := io.ReadAll(r.Body)
		body = b
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(b), failing{err}))
	}
	texts := spoken(r, body)
	s.mu.Lock()
	defer s.mu.Unlock()
	forbidden := slices.Clone(s.never)
	if !s.inside || strings.HasPrefix(strings.TrimPrefix(r.URL.Path, "/"), "sumdb/") {
		forbidden = append(forbidden, PrivateDomain)
	}
	found := leaked(texts, forbidden)
	if found == "" {
		return
	}
	if len(s.leaks) < maxLeaks {
		s.leaks = append(s.leaks, fmt.Sprintf("proxytest: %s %s: the request has %q in it, which must not come here", r.Method, r.RequestURI, found))
	}
}

// failing is a reader of the error with which a body ended, nil for none.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

// spoken returns all that a request says, in all the ways that it can be read.
func spoken(r *http.Request, body []byte) (texts []string) {
	texts = append(texts, r.Host, r.RequestURI, string(body))
	for at := r.RequestURI; ; {
		plain, err := url.PathUnescape(at)
		if err != nil || plain == at {
			break
		}
		texts = append(texts, plain)
		at = plain
	}
	for key, values := range r.Header {
		texts = append(texts, key)
		for _, v := range values {
			texts = append(texts, v)
			for _, word := range strings.Fields(v) {
				if b, err := base64.StdEncoding.DecodeString(word); err == nil {
					texts = append(texts, string(b))
				}
			}
		}
	}
	return texts
}

// leaked returns what is found of the forbidden texts and the planted secrets; "" for nothing. Case and the escapes of module paths do not count.
func leaked(texts, forbidden []string) string {
	planted.Lock()
	secrets := slices.Clone(planted.all)
	planted.Unlock()
	for _, text := range texts {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				return secret
			}
		}
		plain := strings.ToLower(strings.ReplaceAll(text, "!", ""))
		for _, name := range forbidden {
			if strings.Contains(plain, strings.ToLower(name)) {
				return name
			}
		}
	}
	return ""
}

// tellLeaks fails the test where something leaked.
func (s *Server) tellLeaks() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, leak := range s.leaks {
		s.t.Errorf("%s", leak)
	}
}

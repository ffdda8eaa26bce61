package upstream_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/upstream"
)

// redirectTo redirects each request to the same name below base.
func redirectTo(base string) proxytest.Fault {
	return proxytest.Instead(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, base+r.URL.EscapedPath(), http.StatusFound)
	}))
}

// TestRedirectToStorage has a zip behind a signed address on another host, as real upstreams do.
func TestRedirectToStorage(t *testing.T) {
	u := proxytest.New(t, proxytest.RedirectZips())
	f, s := plainFile(goproxy.Zip), &sink{}
	meta, err := newSource(t, u.URL).Fetch(t.Context(), f, s)
	if err != nil {
		t.Fatal(err)
	}
	if want := proxytest.Fixture(t, f.Path, f.Version.Version).Zip; string(s.b) != string(want) {
		t.Errorf("got %d bytes, want %d", len(s.b), len(want))
	}
	if meta.From != u.URL { // not the storage, whose address is signed and means nothing later
		t.Errorf("From is %s, want %s", meta.From, u.URL)
	}
	for _, r := range u.Storage.Log() {
		if r.Header.Get("Referer") != "" {
			t.Errorf("the storage was told the referer %q", r.Header.Get("Referer"))
		}
	}
}

func TestEachKindOfRedirect(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		u, other := proxytest.New(t), proxytest.New(t)
		u.Fail("*", proxytest.Instead(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.EscapedPath(), code)
		})))
		for _, op := range operations() {
			if err := op.do(t.Context(), newSource(t, u.URL)); err != nil {
				t.Errorf("%d, %s: %v", code, op.name, err)
			}
		}
	}
}

// TestRedirectsEnd: at most ten are followed; a loop is trouble, neither absence nor the end of the process.
func TestRedirectsEnd(t *testing.T) {
	hops := 0
	u := proxytest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		fmt.Sscan(r.URL.Query().Get("n"), &n)
		if n == hops {
			fmt.Fprintln(w, "v1.0.0")
			return
		}
		http.Redirect(w, r, fmt.Sprintf("%s?n=%d", r.URL.Path, n+1), http.StatusFound)
	}))
	h := newSource(t, u.URL)
	for hops = 0; hops <= 10; hops++ {
		if _, err := h.List(t.Context(), "example.com/m"); err != nil {
			t.Errorf("%d redirects: %v", hops, err)
		}
	}
	u.Forget()
	_, err := h.List(t.Context(), "example.com/m")
	if kind(err) != "unavailable" || !strings.Contains(err.Error(), "stopped after 10 redirects") {
		t.Errorf("11 redirects: got %v", err)
	}
	if n := u.Requests("*"); n > 11 {
		t.Errorf("%d requests were made", n)
	}
	loop := proxytest.New(t)
	loop.Fail("*", proxytest.RedirectLoop())
	for _, op := range operations() {
		if got := kind(op.do(t.Context(), newSource(t, loop.URL))); got != "unavailable" {
			t.Errorf("a loop for %s: got %s", op.name, got)
		}
	}
}

func TestRedirectWithoutPlace(t *testing.T) {
	u := proxytest.New(t)
	u.Fail("*", proxytest.Status(302, "elsewhere\n"))
	_, err := newSource(t, u.URL).List(t.Context(), "example.com/m")
	if got := kind(err); got != "unavailable" && got != "wrong" {
		t.Errorf("got %s (%v)", got, err)
	}
}

// TestRedirectFromTLS: what came over TLS is never fetched without it, in one step or in two.
func TestRedirectFromTLS(t *testing.T) {
	for name, opt := range map[string]proxytest.Option{"HTTP/1.1": proxytest.TLS1(), "HTTP/2": proxytest.TLS()} {
		t.Run(name, func(t *testing.T) {
			plain, secure, hop := proxytest.New(t), proxytest.New(t, opt), proxytest.New(t, opt)
			secure.Fail("*/@v/list", redirectTo(plain.URL))
			secure.Fail("*.info", redirectTo(hop.URL))
			hop.Fail("*", redirectTo(plain.URL))
			h := sourceOver(t, secure.URL, secure.Client().Transport)
			_, err := h.List(t.Context(), "example.com/plain")
			wantInsecure(t, err, plain.URL)
			_, err = h.Query(t.Context(), "example.com/plain", "main")
			wantInsecure(t, err, plain.URL)
			if n := plain.Requests("*"); n != 0 {
				t.Errorf("%d requests went without TLS", n)
			}
			if _, err := h.Fetch(t.Context(), plainFile(goproxy.Mod), &sink{}); err != nil {
				t.Errorf("without a redirect: %v", err)
			}
		})
	}
}

func wantInsecure(t *testing.T, err error, to string) {
	t.Helper()
	if kind(err) != "unavailable" || !strings.Contains(err.Error(), "refused a redirect from https to "+to) {
		t.Errorf("got %v", err)
	}
}

const user, secret = "bob", "s3cr3t p@ss:word/x"

// withUser puts credentials into an address.
func withUser(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	u.User = url.UserPassword(user, secret)
	return u.String()
}

var basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))

// authorizations are the distinct values that a server was sent.
func authorizations(s *proxytest.Server) []string {
	var all []string
	for _, r := range s.Log() {
		if v := r.Header.Get("Authorization"); !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

func TestCredentialsAreSent(t *testing.T) {
	for name, opt := range map[string]proxytest.Option{"plain": proxytest.NoETag(), "TLS": proxytest.TLS()} {
		t.Run(name, func(t *testing.T) {
			u := proxytest.New(t, opt)
			h := sourceOver(t, withUser(u.URL), u.Client().Transport)
			for _, op := range operations() {
				if err := op.do(t.Context(), h); err != nil {
					t.Errorf("%s: %v", op.name, err)
				}
			}
			if got := authorizations(u.Server); !slices.Equal(got, []string{basic}) {
				t.Errorf("the upstream was sent %q, want %q each time", got, basic)
			}
			if h.Name() != u.URL {
				t.Errorf("Name is %s", h.Name())
			}
		})
	}
}

// TestCredentialsStay: they are for one scheme, host and port. A redirect elsewhere, another port of the same host too,
// goes without them, and so does what comes after it; one within keeps them.
func TestCredentialsStay(t *testing.T) {
	u, other := proxytest.New(t), proxytest.New(t)
	u.Fail("*/@v/list", redirectTo(other.URL))
	u.Fail("*.info", proxytest.Instead(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/v1.0.0.info") {
			http.Redirect(w, r, "/example.com/plain/@v/v1.0.0.info", http.StatusFound)
			return
		}
		fmt.Fprint(w, `{"Version":"v1.0.0"}`)
	})))
	h := newSource(t, withUser(u.URL))
	if _, err := h.Query(t.Context(), "example.com/plain", "main"); err != nil {
		t.Fatal(err)
	}
	if n, got := u.Requests("*.info"), authorizations(u.Server); n != 2 || !slices.Equal(got, []string{basic}) {
		t.Errorf("a redirect within: %d requests with %q", n, got)
	}
	if _, err := h.List(t.Context(), "example.com/plain"); err != nil {
		t.Fatal(err)
	}
	if got := authorizations(other.Server); !slices.Equal(got, []string{""}) {
		t.Errorf("another port was sent %q", got)
	}
	// The same host by another name, and a port written out, are other places too.
	local := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	u.Heal()
	u.Fail("*/@v/list", redirectTo(local))
	other.Forget()
	if _, err := h.List(t.Context(), "example.com/plain"); err != nil {
		t.Fatal(err)
	}
	if got := authorizations(other.Server); !slices.Equal(got, []string{""}) {
		t.Errorf("another name was sent %q", got)
	}
}

// TestSecretsAreNotShown: no error may hold the password in any spelling.
func TestSecretsAreNotShown(t *testing.T) {
	u := proxytest.New(t)
	refused := proxytest.New(t)
	refused.Refuse()
	var errs []error
	gather := func(base string) {
		for _, op := range operations() {
			errs = append(errs, op.do(t.Context(), newSource(t, base)))
		}
	}
	gather(withUser(refused.URL))
	for _, f := range []proxytest.Fault{
		proxytest.Status(401, "no\n"), proxytest.Status(403, ""), proxytest.Status(404, ""), proxytest.Status(500, ""),
		proxytest.HTML(), proxytest.RedirectLoop(), proxytest.Reset(-1), proxytest.Close(1), proxytest.Status(302, ""),
		proxytest.Instead(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "gopher://x")
			w.WriteHeader(302)
		})),
	} {
		u.Heal()
		u.Fail("*", f)
		gather(withUser(u.URL))
	}
	for _, base := range []string{ // what no URL is
		"http://bob:s3cr3t p@host", "http://bob:s3cr3t/x@host", "http://bob:s3cr3t@ho st", "http://bob:s3cr3t%zz@host", "://bob:s3cr3t@host",
	} {
		_, err := newPool(t, upstream.PoolOptions{}).Upstream(base, http.DefaultTransport, once)
		if err == nil {
			t.Errorf("%s was taken", base)
		}
		errs = append(errs, err)
	}
	for _, err := range errs {
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), "s3cr3t") || strings.Contains(e.Error(), base64.StdEncoding.EncodeToString([]byte(secret))) {
				t.Errorf("the password is shown: %v", e)
			}
		}
	}
}

// TestHeadersOfARequest: an upstream hears who asks and nothing of whom it is for.
func TestHeadersOfARequest(t *testing.T) {
	u := proxytest.New(t)
	var once sync.Once
	for _, op := range operations() {
		if err := op.do(t.Context(), newSource(t, u.URL)); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range u.Log() {
		want := map[string]string{"User-Agent": "modhaven", "Accept-Encoding": "gzip"}
		if strings.HasSuffix(r.Name, ".zip") {
			want["Accept-Encoding"] = "identity"
		}
		for key := range r.Header {
			if r.Header.Get(key) != want[key] {
				once.Do(func() { t.Errorf("%s %s: %s is %q", r.Method, r.Name, key, r.Header[key]) })
			}
		}
		if r.Query != "" {
			t.Errorf("%s has the query %q", r.Name, r.Query)
		}
	}
}

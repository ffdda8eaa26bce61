package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/modhaven/modhaven/internal/access"
	"github.com/modhaven/modhaven/internal/goproxy"
)

// guarded NAME UPSTREAM RULES AUTH… starts a server over TLS in front of an upstream that asks who it is; each AUTH is a line of the setting
// auth, without token where the file tokens is meant. $NAME is its address, $HOST_NAME its host and port, and the go command trusts it.
func guarded(ts *testscript.TestScript, _ bool, args []string) {
	auth, err := access.ParseAuth(strings.Join(args[3:], "\n"), ts.MkAbs("."))
	ts.Check(err)
	rules, err := access.ParseRules(args[2])
	ts.Check(err)
	guard, err := access.New(access.Options{Auth: auth, Rules: rules, HTTP: httptest.NewTLSServer(nil).Client()})
	ts.Check(err)
	ts.Defer(guard.Close)
	to, err := url.Parse(ts.Getenv(args[1]))
	ts.Check(err)
	next := httputil.NewSingleHostReverseProxy(to)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := guard.Check(r)
		if req, bad := goproxy.Parse(strings.TrimPrefix(r.URL.Path, "/")); err == nil && bad == nil {
			err = guard.May(id, req.Path)
		}
		var refused *goproxy.Refused
		switch {
		case err == nil:
			r.Header.Del("Authorization")
			next.ServeHTTP(w, r)
		case errors.As(err, &refused):
			w.Header().Set("WWW-Authenticate", access.Challenge)
			http.Error(w, err.Error(), refused.Status)
		default:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	ts.Defer(srv.Close)
	trust(ts, args[0], srv)
}

// trust sets $NAME and $HOST_NAME, and has programs trust the certificate, which is the same for all servers of package httptest.
func trust(ts *testscript.TestScript, name string, srv *httptest.Server) {
	file := ts.MkAbs("trusted.pem")
	ts.Check(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600))
	ts.Setenv("SSL_CERT_FILE", file)
	ts.Setenv(name, srv.URL)
	ts.Setenv("HOST_"+name, srv.Listener.Addr().String())
}

// actions NAME AUDIENCE starts an OpenID Connect issuer that gives tokens to a job of GitHub Actions, whose variables it sets, of the subject
// "job", the group "dev" and the owner "corp".
func actions(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	point, err := key.PublicKey.Bytes()
	ts.Check(err)
	b64 := base64.RawURLEncoding.EncodeToString
	var srv *httptest.Server
	mux := http.NewServeMux()
	answer := func(path string, v func(*http.Request) any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(v(r)) })
	}
	answer("/.well-known/openid-configuration", func(*http.Request) any {
		return map[string]string{"issuer": srv.URL, "jwks_uri": srv.URL + "/keys"}
	})
	answer("/keys", func(*http.Request) any {
		return map[string]any{"keys": []any{map[string]string{"kty": "EC", "crv": "P-256", "kid": "1", "x": b64(point[1:33]), "y": b64(point[33:])}}}
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer of-the-job" || r.URL.Query().Get("api-version") != "2.0" || r.URL.Query().Get("audience") != args[1] {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		claims, _ := json.Marshal(map[string]any{"iss": srv.URL, "aud": args[1], "sub": "job", "owner": "corp", "groups": "dev", "exp": time.Now().Add(time.Hour).Unix()})
		signed := b64([]byte(`{"alg":"ES256","kid":"1"}`)) + "." + b64(claims)
		sum := sha256.Sum256([]byte(signed))
		x, y, _ := ecdsa.Sign(rand.Reader, key, sum[:])
		json.NewEncoder(w).Encode(map[string]string{"value": signed + "." + b64(append(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))...))})
	})
	srv = httptest.NewTLSServer(mux)
	ts.Defer(srv.Close)
	trust(ts, args[0], srv)
	ts.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", srv.URL+"/token?api-version=2.0")
	ts.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
}

// fill FILE NAME replaces $NAME in a file by the text of the file NAME without the space around it, or else by the variable.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	for _, name := range args[1:] {
		value := ts.Getenv(name)
		if b, err := os.ReadFile(filepath.Join(ts.MkAbs("."), name)); err == nil {
			value = strings.TrimSpace(string(b))
		}
		text = strings.ReplaceAll(text, "$"+name, value)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// setenv NAME FILE sets a variable to the text of a file without the space around it.
func setenv(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

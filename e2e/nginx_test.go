package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/proxytest"
)

const nginxConf = `
daemon off;
master_process off;
pid DIR/pid;
error_log DIR/error.log;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/temp;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	proxy_cache_path DIR/cache keys_zone=all:1m;
	server {
		listen unix:DIR/sock;
		location / {
			proxy_pass URL;
			proxy_cache all;
			add_header X-Cache $upstream_cache_status always;
		}
	}
}
`

// nginx starts a caching proxy in front of a server, and returns what asks it.
func nginx(t *testing.T, url string) *http.Transport {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skipf("nginx is not installed, which is the cache here (apt-get install nginx-light): %v", err)
	}
	dir, err := os.MkdirTemp("", "nginx") // short: it is in the name of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte(strings.NewReplacer("DIR", dir, "URL", url).Replace(nginxConf)), 0o644); err != nil {
		t.Fatal(err)
	}
	var said buffer
	cmd := exec.Command(program, "-p", dir, "-c", conf)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); <-ended })
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "sock"))
	}
	for limit := time.Now().Add(time.Minute); ; runtime.Gosched() {
		if c, err := dial(t.Context(), "", ""); err == nil {
			c.Close()
			break
		}
		select {
		case <-ended:
			t.Fatalf("nginx ended: %s", said.String())
		default:
		}
		if time.Now().After(limit) {
			t.Fatalf("nginx does not listen: %s", said.String())
		}
	}
	tr := &http.Transport{DialContext: dial, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// TestBehindCache has nothing that needed a credential come out of a cache for somebody else, and what everybody may have come out of it.
func TestBehindCache(t *testing.T) {
	t.Parallel()
	for _, open := range []bool{true, false} {
		t.Run(fmt.Sprintf("anonymous=%v", open), func(t *testing.T) {
			t.Parallel()
			team := proxytest.Module{Path: teamModule, Version: "v1.0.0", Refs: []string{"main"}, Files: map[string]string{"go.mod": "module " + teamModule + "\n"}}
			u := proxytest.New(t, proxytest.Modules(team))
			u.Inside()
			tokens := filepath.Join(t.TempDir(), "tokens")
			token := proxytest.Plant(run1(t, "token", "create", "ci", "--groups", "dev", "--file", tokens))
			auth := "token " + tokens
			if open {
				auth += "; anonymous"
			}
			keyFile, _ := ownKey(t)
			hv := serve(t, u.URL, "--private", "corp.example", "--sumdb-own", ownName, "--sumdb-own-key", keyFile, "--auth", auth, "--access", "dev corp.example/team")
			tr := nginx(t, hv.URL)
			ask := func(path, secret string, headers ...string) (status int, cache, body string) {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://cache/"+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if secret != "" {
					req.Header.Set("Authorization", basic("robot", secret))
				}
				for i := 0; i+1 < len(headers); i += 2 {
					req.Header.Set(headers[i], headers[i+1])
				}
				resp, err := tr.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return resp.StatusCode, resp.Header.Get("X-Cache"), string(b)
			}
			endpoints := []string{"/@v/list", "/@latest", "/@v/v1.0.0.info", "/@v/v1.0.0.mod", "/@v/v1.0.0.zip"}
			paths := []string{"sumdb/" + ownName + "/lookup/" + teamModule + "@v1.0.0", "status", "sumdb/" + ownName + "/tile/8/data/000.p/1"}
			for _, e := range endpoints {
				paths = append(paths, teamModule+e)
			}
			if !open { // then all is for those with a credential
				for _, e := range endpoints {
					paths = append(paths, "example.com/plain"+e)
				}
			}
			for _, path := range paths {
				for _, step := range []struct {
					secret string
					want   int
				}{{"", 401}, {token, 200}, {"", 401}, {token + "x", 401}, {token, 200}} {
					status, cache, body := ask(path, step.secret)
					if status != step.want || cache == "HIT" {
						t.Errorf("%s, with a credential: %v: got %d, %s, %.100q; want %d and not from the cache", path, step.secret != "", status, cache, body, step.want)
					}
				}
				if status, _, _ := ask(path, "", "Range", "bytes=0-1"); status != 401 {
					t.Errorf("a part of %s: got %d", path, status)
				}
			}
			if !open {
				return
			}
			for _, e := range endpoints {
				first, _, body := ask("example.com/plain"+e, token)
				status, cache, again := ask("example.com/plain"+e, "")
				if first != 200 || status != 200 || cache != "HIT" || again != body {
					t.Errorf("%s: got %d, then %d, %s; want what everybody may have from the cache", e, first, status, cache)
				}
			}
		})
	}
}

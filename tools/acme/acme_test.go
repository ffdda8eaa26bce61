// Package acme_test has the built program get certificates of Pebble, the ACME server that Let's Encrypt tests clients with: it
// verifies challenges over the network, rejects some nonces, and is strict.
package acme_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const host = "go.corp.example"

// A program is a running process whose output is read as it comes.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	mu   sync.Mutex
	out  bytes.Buffer
	line chan string
}

func start(t *testing.T, env []string, name string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(name, args...), line: make(chan string, 1000)}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), env...), w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(p.line)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			p.mu.Lock()
			p.out.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			select {
			case p.line <- lines.Text():
			default: // nobody waits any more
			}
		}
	}()
	t.Cleanup(func() { p.stop(); <-ended; r.Close() })
	return p
}

// stop ends the process; it may be called twice.
func (p *program) stop() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
	}
}

// wait waits until the process prints a line with that text.
func (p *program) wait(text string) {
	p.t.Helper()
	late := time.After(15 * time.Second)
	for {
		select {
		case line, ok := <-p.line:
			if ok && strings.Contains(line, text) {
				return
			}
			if ok {
				continue
			}
		case <-late:
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("%s has not said %q:\n%s", p.cmd.Path, text, p.out.String())
	}
}

func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", name, pkg)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return name
}

// freePort returns one that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// names answers every question for an address with 127.0.0.1, over TCP, which is how Pebble asks.
func names(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				for answerName(c) == nil {
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); all.Wait() })
	return ln.Addr().String()
}

// answerName answers one question (RFC 1035, 4.2.2).
func answerName(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		return err
	}
	m.Response, m.Additionals = true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
	}
	answer, err := m.AppendPack(make([]byte, 2, 512))
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint16(answer, uint16(len(answer)-2))
	_, err = c.Write(answer)
	return err
}

// certificate writes one for loopback, which is its own authority, and its key.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// A pebble is a running Pebble.
type pebble struct {
	*program
	directory, manage, ca string
}

// newPebble asks those ports for challenges.
func newPebble(t *testing.T, bin string, tlsPort, httpPort int) *pebble {
	t.Helper()
	cert, key := certificate(t)
	listen, manage := freePort(t), freePort(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf("127.0.0.1:%d", listen), "managementListenAddress": fmt.Sprintf("127.0.0.1:%d", manage),
		"certificate": cert, "privateKey": key, "httpPort": httpPort, "tlsPort": tlsPort, "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "of the test", "validityPeriod": 7776000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &pebble{program: start(t, []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20"}, bin, "-config", file, "-strict", "-dnsserver", names(t)), ca: cert}
	p.wait("ACME directory available at")
	p.directory = fmt.Sprintf("https://127.0.0.1:%d/dir", listen)
	p.manage = fmt.Sprintf("https://127.0.0.1:%d", manage)
	return p
}

// roots are the authorities that sign what it gives out, once it has given something.
func (p *pebble) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(p.ca)
	if err != nil {
		t.Fatal(err)
	}
	own := x509.NewCertPool()
	own.AppendCertsFromPEM(b)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: own}}}
	resp, err := client.Get(p.manage + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	root, err := io.ReadAll(resp.Body)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(root) {
		t.Fatalf("no root: %q, %v", root, err)
	}
	return roots
}

// shown returns the certificate that a server shows who asks for a name, verified.
func shown(t *testing.T, port int, roots *x509.CertPool, name string) (*x509.Certificate, string) {
	t.Helper()
	c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{RootCAs: roots, ServerName: name, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], c.ConnectionState().NegotiatedProtocol
}

// TestACME has a certificate be got by each kind of challenge, be kept, and be shown after a restart with the authority away.
func TestACME(t *testing.T) {
	modhaven, bin := build(t, "../..", "./cmd/modhaven"), build(t, ".", "github.com/letsencrypt/pebble/v2/cmd/pebble")
	for _, kind := range []string{"tls-alpn-01", "http-01"} {
		t.Run(kind, func(t *testing.T) {
			listen, http := freePort(t), freePort(t)
			tlsPort, more := listen, ""
			if kind == "http-01" {
				tlsPort, more = freePort(t), fmt.Sprintf(" http=127.0.0.1:%d", http)
			}
			p := newPebble(t, bin, tlsPort, http)
			state := filepath.Join(t.TempDir(), "state")
			serve := func() *program {
				s := start(t, []string{"SSL_CERT_FILE=" + p.ca, "GOENV=off"}, modhaven, "serve", "--listen", fmt.Sprintf("127.0.0.1:%d", listen), "--state", state,
					"--upstreams", "off", "--sumdb", "off", "--log-level", "debug", "--tls-acme", host+" email=ops@corp.example directory="+p.directory+more)
				s.wait("a certificate is at hand")
				return s
			}
			t.Cleanup(func() {
				if t.Failed() {
					p.mu.Lock()
					defer p.mu.Unlock()
					t.Logf("Pebble:\n%s", p.out.String())
				}
			})
			s := serve()
			roots := p.roots(t)
			first, proto := shown(t, listen, roots, host)
			if proto != "h2" {
				t.Errorf("the protocol is %q", proto)
			}
			if kind == "http-01" {
				redirected(t, http)
			}
			s.stop()
			p.stop()
			serve()
			if again, _ := shown(t, listen, roots, host); !again.Equal(first) {
				t.Error("another certificate after the restart")
			}
			check := exec.Command(modhaven, "healthcheck", "--listen", fmt.Sprintf("127.0.0.1:%d", listen), "--tls-acme", host)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("healthcheck: %v\n%s", err, out)
			}
			private(t, filepath.Join(state, "acme"))
		})
	}
}

// redirected wants who comes without TLS be sent to https.
func redirected(t *testing.T, port int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/example.com/m/@v/list", port), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if to := resp.Header.Get("Location"); to != "https://"+host+"/example.com/m/@v/list" {
		t.Errorf("%s to %q", resp.Status, to)
	}
}

// private wants files that nobody else can read.
func private(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", dir, files, err)
	}
	for _, f := range files {
		if fi, err := f.Info(); err != nil || fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", f.Name(), fi.Mode(), err)
		}
	}
}

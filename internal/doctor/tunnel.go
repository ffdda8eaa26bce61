package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"time"
)

// proxyPatience is how long an HTTP proxy may take to connect to a server.
const proxyPatience = 4 * time.Second

// tunnelFacts are what an HTTP proxy said to CONNECT.
type tunnelFacts struct {
	target *target
	status string // "407 Proxy Authentication Required"; "" where none came
	code   int
	header http.Header
	sent   bool // a user and password
	err    error
	took   time.Duration
}

func (t *target) connectTunnel(ctx context.Context) bool {
	conn, f := t.openTunnel(ctx)
	t.tunnel = f
	if conn == nil {
		return false
	}
	conn.Close()
	t.addr = t.proxy.addr
	return true
}

// tunnelled reports whether the proxy is asked for a connection, and not for each file.
func (t *target) tunnelled() bool { return t.url.Scheme == "https" || t.socks() }

// openTunnel asks the HTTP proxy for a connection to the target. A plain target is asked through the proxy itself.
func (t *target) openTunnel(ctx context.Context) (*wire, *tunnelFacts) {
	f := &tunnelFacts{target: t, sent: t.via.User != nil}
	start := time.Now()
	defer func() { f.took = time.Since(start) }()
	conn, d := open(ctx, t.proxy.addr, sockOptions{}, connectPatience)
	if conn == nil {
		f.err = d.err
		return nil, f
	}
	if !t.tunnelled() {
		return conn, f
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(proxyPatience))
	var over net.Conn = conn
	if t.via.Scheme == "https" {
		over = tls.Client(conn, &tls.Config{ServerName: t.via.Hostname(), RootCAs: t.roots.pool(), MinVersion: tls.VersionTLS12})
	}
	ask := t.ask
	if t.socks() {
		ask = t.askSOCKS
	}
	if f.err = ask(over, f); f.err != nil || f.code != http.StatusOK {
		conn.Close()
		return nil, f
	}
	_ = conn.SetDeadline(time.Time{})
	return &wire{over, conn.sock}, f
}

func (t *target) ask(conn net.Conn, f *tunnelFacts) error {
	host := net.JoinHostPort(t.host, t.port)
	auth := ""
	if u := t.via.User; u != nil {
		password, _ := u.Password()
		auth = "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)) + "\r\n"
	}
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", host, host, auth); err != nil {
		return err
	}
	r := bufio.NewReaderSize(conn, 64<<10)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	resp.Body.Close()
	f.status, f.code, f.header = oneLine(resp.Status), resp.StatusCode, resp.Header
	return nil
}

package gocmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

const (
	envGuard = "MODHAVEN_GUARD" // where the guard is that connections of SSH go through
	agentSSH = "modhaven-ssh"   // who asks it for them
)

// connectSSH is what ssh runs in place of a connection of its own (ProxyCommand): it has the guard make it, and copies.
func connectSSH(ctx context.Context, host, port string, in io.Reader, out io.Writer) error {
	guard := os.Getenv(envGuard)
	if guard == "" {
		return errors.New("this is run by ssh, when modhaven has git fetch a module")
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", guard)
	if err != nil {
		return err
	}
	defer conn.Close()
	addr := net.JoinHostPort(host, port)
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\nUser-Agent: %s\r\n\r\n", addr, agentSSH); err != nil {
		return err
	}
	answers := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answers, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // it is the connection
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, maxDetail))
		return fmt.Errorf("%s: %s", addr, strings.TrimSpace(string(why)))
	}
	go func() { // ends with the process, at the latest
		_, _ = io.Copy(conn, in)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(out, answers)
	return err
}

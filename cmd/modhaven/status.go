package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/telemetry"
)

// exitDegraded says that a server works, though not all of its upstreams do.
const exitDegraded = 3

// maxStatus bounds what a server may say of itself.
const maxStatus = 4 << 20

func statusCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "status [URL] [OPTIONS]"}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return p.usagef("%s: one argument too many", args[1])
		}
		return nil
	}
	p.addSettings(cmd, "listen", "tls-cert", "tls-key")
	asJSON := cmd.Flags().Bool("json", false, p.msg.Text("Print what the server says, in JSON"))
	timeout := addSpan(cmd, "timeout", 5*time.Second, p.msg.Text("How long to wait for the answer"))
	p.document(cmd, manual{
		short: "show how a server and its upstreams are",
		about: `
			Asks /status of the server at URL and prints it for a person: the upstreams, each with
			the state of its breakers, its health and its latencies, what clients asked, and what is
			stored. Without URL the server that is configured on this machine is asked, as
			healthcheck does.

			A server that wants a credential is shown the token of MODHAVEN_TOKEN, over https or on
			this machine.

			A breaker is closed while an upstream is asked, open while it is left alone after
			failures, and half-open while it is tried again.`,
		variables: settingVariables(),
		exits: []exit{
			{exitOK, "all is well"},
			{exitFailed, "no status could be had; the reason is on standard error"},
			{exitUsage, "wrong use, or a wrong configuration"},
			{exitDegraded, "the server works, and some group of its upstreams has none that does"},
		},
		examples: []example{
			{"The server on this machine", "modhaven status"},
			{"Another, for a script", "modhaven status https://goproxy.corp.example --json"},
		},
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		base, client, err := p.statusOf(cmd, args)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		return p.showStatus(ctx, client, base+"/status", *asJSON)
	}
	return cmd
}

// statusOf returns which server is meant, and how to ask it.
func (p *process) statusOf(cmd *cobra.Command, args []string) (string, *http.Client, error) {
	if len(args) == 1 {
		base, err := serverURL(args[0])
		if err != nil {
			return "", nil, p.usagef("%q is not the URL of a server, such as http://127.0.0.1:3000", goproxy.Redact(args[0]))
		}
		return base, probeClient(false), nil
	}
	cfg, err := p.load(cmd)
	if err != nil {
		return "", nil, err
	}
	if _, port, err := net.SplitHostPort(cfg.Listen); err != nil || port == "0" {
		return "", nil, p.failf("listen: %q names no port that could be asked", cfg.Listen)
	}
	return cfg.URL(cfg.Listen), probeClient(true), nil
}

func (p *process) showStatus(ctx context.Context, client *http.Client, addr string, asJSON bool) error {
	b, err := p.fetchStatus(ctx, client, addr)
	if err != nil {
		return err
	}
	var s telemetry.Status
	if err := json.Unmarshal(b, &s); err != nil || s.Started.IsZero() {
		return p.failf("%s: the answer is not the status of a Modhaven", goproxy.Redact(addr))
	}
	if asJSON {
		_, err = p.out.Write(b)
	} else {
		_, err = fmt.Fprint(p.out, p.statusText(s, time.Now()))
	}
	if err == nil && s.Upstream.Degraded {
		return exitStatus(exitDegraded)
	}
	return err
}

func (p *process) fetchStatus(ctx context.Context, client *http.Client, addr string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, addr, nil)
	if err != nil {
		return nil, err
	}
	if token := p.token(); token != "" && mayCarry(req.URL, client) {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		var urlErr *url.Error
		if errors.As(err, &urlErr) {
			err = urlErr.Err
		}
		return nil, p.failf("%s: no answer: %s", goproxy.Redact(addr), err.Error())
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, p.failf("%s: the answer is %s", goproxy.Redact(addr), resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxStatus))
	if err != nil {
		return nil, p.failf("%s: no answer: %s", goproxy.Redact(addr), err.Error())
	}
	return b, nil
}

// token is the credential in the environment, "" for none.
func (p *process) token() (token string) {
	for _, kv := range p.environ {
		if v, ok := strings.CutPrefix(kv, config.EnvToken+"="); ok {
			token = v
		}
	}
	return token
}

// mayCarry reports whether a credential reaches nobody else on the way to u: over TLS with a certificate that is checked, or on
// this machine.
func mayCarry(u *url.URL, client *http.Client) bool {
	if u.Scheme == "https" {
		tr, ok := client.Transport.(*http.Transport)
		return ok && !tr.TLSClientConfig.InsecureSkipVerify
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback() || u.Hostname() == "localhost"
}

package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func healthcheckCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "healthcheck [OPTIONS]", Args: p.arguments()}
	p.addSettings(cmd, "listen", "tls-cert", "tls-key", "tls-acme", "tls-self-signed", "preset")
	timeout := addSpan(cmd, "timeout", 5*time.Second, p.msg.Text("How long to wait for the answer"))
	p.document(cmd, manual{
		short: "ask the server on this machine whether it is alive",
		about: `
			Asks /healthz of the server that is configured on this machine, for the health check
			of a container. Given the same file and environment as serve it finds the address by
			itself. The certificate is not verified, since it belongs to another name.

			Only whether the process answers is asked; use wait to know whether it is ready.`,
		variables: settingVariables(),
		exits: []exit{
			{exitOK, "the server is alive"},
			{exitFailed, "it is not, or anything else is wrong; other statuses are not used here"},
		},
		examples: []example{{"In a Dockerfile", "HEALTHCHECK CMD [\"modhaven\", \"healthcheck\"]"}},
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.load(cmd)
		if err != nil {
			return err
		}
		if _, port, err := net.SplitHostPort(cfg.Listen); err != nil || port == "0" {
			return p.failf("listen: %q names no port that could be asked", cfg.Listen)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		return p.probe(ctx, probeClient(true), cfg.URL(cfg.Listen)+"/healthz")
	}
	return cmd
}

// probeClient returns a client that connects straight (no HTTP_PROXY stands between
// a server and its health check), keeps no connection and follows no redirect. anyCertificate
// is for asking this machine by a name that its certificate does not have: nothing secret
// is sent, and an answer means no more than that somebody answers there.
func probeClient(anyCertificate bool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: anyCertificate}, //nolint:gosec // see above
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

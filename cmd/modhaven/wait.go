package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/spf13/cobra"
)

func waitCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "wait URL [--timeout DURATION]", Args: p.arguments("URL")}
	timeout := addSpan(cmd, "timeout", time.Minute, p.msg.Text("How long to wait in all"))
	p.document(cmd, manual{
		short: "wait until a server is ready",
		about: `
			Asks /readyz of the server at URL again and again until it answers 200, for scripts
			that start a server and go on when it can be used. http:// may be left out. It connects
			straight: HTTP_PROXY and its like do not count.`,
		exits: []exit{
			{exitOK, "the server is ready"},
			{exitFailed, "it was not ready in time; the last reason is on standard error"},
			{exitUsage, "wrong use"},
		},
		examples: []example{{"In a script", "modhaven serve &\nmodhaven wait http://127.0.0.1:3000 --timeout 10s && go build ./..."}},
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		base, err := serverURL(args[0])
		if err != nil {
			return p.usagef("%q is not the URL of a server, such as http://127.0.0.1:3000", goproxy.Redact(args[0]))
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		if last := p.waitReady(ctx, base+"/readyz"); last != nil {
			return p.failf("not ready after %s: %s", config.FormatDuration(*timeout), last.Error())
		}
		return nil
	}
	return cmd
}

func serverURL(arg string) (string, error) {
	if !strings.Contains(arg, "://") {
		arg = "http://" + arg
	}
	u, err := url.Parse(arg)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("no server")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// waitReady asks until the answer is 200, often at first and once a second later on. It
// returns the last reason when ctx ends.
func (p *process) waitReady(ctx context.Context, addr string) error {
	client := probeClient(false)
	var last error
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := p.probe(try, client, addr)
		cancel()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // being out of time is not the reason
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(pause):
		}
	}
}

// probe returns nil when a GET of addr is answered 200, and else the reason.
func (p *process) probe(ctx context.Context, client *http.Client, addr string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, addr, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		var urlErr *url.Error
		if errors.As(err, &urlErr) {
			err = urlErr.Err
		}
		return p.failf("%s: no answer: %s", goproxy.Redact(addr), err.Error())
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	if line := firstLine(resp.Body); line != "" {
		return p.failf("%s: the answer is %s: %s", goproxy.Redact(addr), resp.Status, line)
	}
	return p.failf("%s: the answer is %s", goproxy.Redact(addr), resp.Status)
}

func firstLine(r io.Reader) string {
	line, _ := bufio.NewReader(io.LimitReader(r, 512)).ReadString('\n')
	return strings.ToValidUTF8(strings.TrimSpace(line), "?")
}

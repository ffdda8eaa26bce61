package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/doctor"
)

func doctorCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "doctor [MODULE[@VERSION]] [OPTIONS]"}
	asJSON := cmd.Flags().Bool("json", false, p.msg.Text("Print the report in JSON: docs/doctor.schema.json"))
	verbose := cmd.Flags().BoolP("verbose", "v", false, p.msg.Text("Print what each probe showed"))
	captures := addCaptureFlags(p, cmd)
	again := addWatchFlag(p, cmd)
	var server serverName
	cmd.Flags().Var(&server, "server", p.msg.Text("Ask the Modhaven at URL to probe its upstreams from where it runs, and probe the way to it from here"))
	p.document(cmd, doctorManual())
	cmd.AddCommand(doctorExplainCommand(p))
	var o doctor.Options
	cmd.Args = func(cmd *cobra.Command, args []string) (err error) {
		if len(args) > 1 {
			return p.usagef("%s: one argument too many", args[1])
		}
		if len(args) == 1 {
			o.Module, o.Version, err = p.moduleQuery(args[0])
		}
		if err != nil {
			return err
		}
		if err := captures.checkWatch(p, *again); err != nil {
			return err
		}
		if server != "" && captures.listen != "" {
			return p.usagef("--server and --listen: only one of them can be given")
		}
		if cmd.Flags().Changed("server") {
			if err := server.check(p); err != nil {
				return err
			}
		}
		if server != "" && (len(captures.pcaps) > 0 || captures.record > 0) {
			return p.usagef("--server: neither --pcap nor --capture goes with it")
		}
		return captures.check(p, o.Module)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Environ = p.environ
		consult := captures.consult
		if server != "" {
			consult = server.consult
		}
		if *again > 0 {
			look := func(ctx context.Context) (*doctor.Report, error) { return consult(ctx, p, o) }
			return p.watching(p.consultation(*verbose), *asJSON, time.Duration(*again), look).runUntilInterrupt(cmd.Context())
		}
		r, err := consult(cmd.Context(), p, o)
		if err != nil {
			return err
		}
		if err := captures.pack(cmd.Context(), p, o, r); err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(p.out, r)
		} else {
			_, err = io.WriteString(p.out, p.consultation(*verbose).report(r))
		}
		if err == nil && r.Exit != exitOK {
			return exitStatus(r.Exit)
		}
		return err
	}
	return cmd
}

func doctorManual() manual {
	return manual{
		short: "say why module downloads fail, and what to do",
		about: `
			Walks every stage of a download that the settings of this machine lead to: the settings
			themselves, DNS, TCP, the HTTP proxy, TLS, HTTP, the module proxy's answers, the checksum
			database, and version control where modules come from there. It prints what is wrong,
			how it is known, who can mend it and how, and a table of the stages. It takes less than
			15 seconds whatever is broken, needs no privileges, and changes nothing.

			With MODULE the files of that module are asked for, at VERSION or the latest; else those of
			a well-known public module. A module that GONOPROXY or GOPRIVATE matches is asked of its own
			host only.

			With --pcap a capture of tcpdump is judged in place of probes, or two of them, of the client's
			and the server's side, to say where packets died. With --capture one is recorded here first;
			with --bundle too, it is the probes' own traffic. What is said in the clear is left out of
			captures in a bundle, and not of the file that is recorded.

			With --server a running Modhaven is asked to probe what it is configured with, from where it
			runs, while the way to it is probed from here; each finding says from where it was seen. A
			server that wants a credential is shown the token of MODHAVEN_TOKEN, over https or on this
			machine; the token must be one that may read everything.

			With --listen, on the machine of a server, it is said who listens on the address that clients
			connect to, where the port is mapped to, and what of that machine itself keeps clients out: a
			program that is not there or listens elsewhere, its firewall, a full queue.

			With --watch it is done again and again: the first report is printed whole, then a line each time
			that the verdict is another one, and after Ctrl-C how long each class was that of the verdict. With --json
			it is a line with the whole report for each change. The exit status is that of the last verdict.

			A finding is certain where a probe has excluded what looks the same; else it says what that
			is, and what would tell it apart. Each finding has a code, which doctor explain explains.`,
		variables: []variable{
			{"GOPROXY, GOSUMDB, GOPRIVATE and others", "As the go command reads them, with what go env -w has set"},
			{"HTTPS_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE, NETRC", "As the go command heeds them"},
			{"NO_COLOR", "No colours on a terminal, where it is not empty"},
		},
		exits: []exit{
			{exitOK, "all is well"},
			{exitFailed, "the doctor itself failed; the reason is on standard error"},
			{exitUsage, "wrong use"},
			{exitDegraded, "downloads work, and something is not as it should be"},
			{doctor.Config.Exit(), "config: a setting of this machine"},
			{doctor.Local.Exit(), "local: this machine's disk, clock, routes or certificates"},
			{doctor.DNS.Exit(), "dns: a name has no right address"},
			{doctor.Firewall.Exit(), "firewall: something does not let packets through"},
			{doctor.Path.Exit(), "path: routes, packet sizes or loss"},
			{doctor.PortMapping.Exit(), "port-mapping: the port leads to the wrong place"},
			{doctor.HTTPProxy.Exit(), "http-proxy: the proxy of HTTPS_PROXY or HTTP_PROXY"},
			{doctor.TLS.Exit(), "tls: a handshake or a certificate"},
			{doctor.OriginDown.Exit(), "origin-down: the server is not there"},
			{doctor.OriginSick.Exit(), "origin-sick: the server does not do its work"},
			{doctor.Content.Exit(), "content: an answer is not the file"},
			{doctor.Checksum.Exit(), "checksum: the checksum database, or a file that is not what it knows"},
			{doctor.NotFound.Exit(), "not-found: there is no such module or version"},
			{doctor.Auth.Exit(), "auth: a credential is missing or wrong"},
		},
		examples: []example{
			{"Is all well?", "modhaven doctor"},
			{"Why does this version not come?", "modhaven doctor golang.org/x/text@v0.14.0"},
			{"What does this code mean?", "modhaven doctor explain MH1301"},
			{"Is it the server, or the way to it?", "modhaven doctor --server https://goproxy.corp.example"},
			{"What does this capture show?", "modhaven doctor --pcap client.pcap"},
			{"Where do packets to the proxy die?", "modhaven doctor --pcap client.pcap --pcap server.pcap --filter :443"},
			{"What happens on this server in the next half minute?", "sudo modhaven doctor --capture 30s --filter :443"},
			{"Why are clients of this server refused?", "sudo modhaven doctor --listen proxy.example.com:443"},
			{"When does it fail, and for how long?", "modhaven doctor --watch=30s"},
			{"What does the network team need?", "modhaven doctor --bundle doctor.zip"},
		},
	}
}

func doctorExplainCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "explain CODE", Args: p.arguments("CODE")}
	p.document(cmd, manual{
		short:    "explain a code of the doctor",
		about:    `Prints what a finding means, how it is known, and what can be done. Nothing is probed.`,
		exits:    commonExits(),
		examples: []example{{"What does this code mean?", "modhaven doctor explain MH1301"}},
	})
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var codes []string
		for _, e := range doctor.Catalogue() {
			codes = append(codes, string(e.Code))
		}
		return codes, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		e, ok := doctor.Lookup(doctor.Code(strings.ToUpper(args[0])))
		if !ok {
			return p.usagef("%s: there is no such code; codes are MH and four digits", args[0])
		}
		_, err := io.WriteString(p.out, p.explainCode(e))
		return err
	}
	return cmd
}

// moduleQuery reads MODULE or MODULE@VERSION.
func (p *process) moduleQuery(arg string) (path, version string, err error) {
	path, version, versioned := strings.Cut(arg, "@")
	if module.CheckPath(path) != nil || versioned && version == "" {
		return "", "", p.usagef("%q is not MODULE or MODULE@VERSION, such as golang.org/x/text@v0.14.0", arg)
	}
	return path, version, nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// consultation returns what prints reports for this reader.
func (p *process) consultation(verbose bool) *consultation {
	c := &consultation{process: p, verbose: verbose}
	if f, ok := p.out.(*os.File); ok && isTerminal(f, p.environ) && p.variable("NO_COLOR") == "" {
		c.colour = true
	}
	locale := strings.ToLower(p.variable("LC_ALL") + p.variable("LC_CTYPE") + p.variable("LANG"))
	c.plain = !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8")
	return c
}

// variable returns one of the environment.
func (p *process) variable(name string) (value string) {
	for _, kv := range p.environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v
		}
	}
	return value
}

// explainCode is the whole entry of a code. Names in braces stand for what a report fills in.
func (p *process) explainCode(e doctor.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n\n%s\n%s", e.Code, e.Class(), wrap(p.msg.Text(e.Summary), 0), wrap(p.msg.Text(e.Meaning), 0))
	for i, r := range e.Fixes {
		if i == 0 {
			fmt.Fprintf(&b, "\n%s\n", p.msg.Text("What to do:"))
		}
		b.WriteString(wrap("- "+p.who(r.Who)+": "+p.msg.Text(r.Title), 2))
		if r.Command != "" {
			fmt.Fprintf(&b, "        %s\n", r.Command)
		}
	}
	for i, o := range e.Or {
		if i == 0 {
			fmt.Fprintf(&b, "\n%s\n", p.msg.Text("What looks the same, and what tells it apart:"))
		}
		b.WriteString(wrap("- "+string(o.Class)+": "+p.msg.Text(o.Tell), 2))
	}
	return b.String()
}

// who says who has to do something.
func (p *process) who(w doctor.Who) string {
	switch w {
	case doctor.Network:
		return p.msg.Text("your network team")
	case doctor.Owner:
		return p.msg.Text("the service's owner")
	}
	return p.msg.Text("you")
}

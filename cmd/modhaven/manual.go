package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A manual is the help of one command. Texts are in English; they are translated when
// they are shown. In about an empty line ends a paragraph.
type manual struct {
	short     string // no capital, no full stop
	about     string
	variables []variable
	exits     []exit
	examples  []example
}

// A variable of the environment that the command heeds.
type variable struct{ name, text string }

type exit struct {
	status int
	text   string
}

type example struct{ text, command string }

func commonExits() []exit {
	return []exit{
		{exitOK, "done"},
		{exitFailed, "it failed; the reason is on standard error"},
		{exitUsage, "wrong use, or a wrong configuration"},
	}
}

func settingVariables() []variable {
	return []variable{
		{config.EnvFile, "The YAML file with settings, where --config is not given"},
		{config.EnvPrefix + "…", "Every option above in capitals, with _ for -, such as MODHAVEN_LOG_LEVEL. An option goes before its variable, that before the file"},
	}
}

func goVariables() []variable {
	return []variable{
		{"GOPROXY, GOSUMDB, GOENV, GOROOT, PATH", "Where the go command's own settings are found, which stand in for --upstreams and --sumdb where these are not given"},
	}
}

// document gives cmd its help.
func (p *process) document(cmd *cobra.Command, m manual) {
	cmd.Short = p.msg.Text(m.short)
	cmd.Flags().SortFlags = false
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprint(p.out, p.render(cmd, m)) })
	cmd.Flags().BoolP("help", "h", false, p.msg.Text("Print this help and end"))
}

// render lays a manual out as manual pages are, 80 columns wide.
func (p *process) render(cmd *cobra.Command, m manual) string {
	var b strings.Builder
	section := func(title string) { fmt.Fprintf(&b, "\n%s\n", p.msg.Text(title)) }
	fmt.Fprintf(&b, "%s - %s\n", cmd.CommandPath(), cmd.Short)
	section("SYNOPSIS")
	fmt.Fprintf(&b, "    %s\n", synopsis(cmd))
	section("DESCRIPTION")
	for i, paragraph := range strings.Split(m.about, "\n\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(wrap(p.msg.Text(paragraph), 4))
	}
	if cmd.HasAvailableSubCommands() {
		section("COMMANDS")
		p.renderCommands(&b, cmd)
	}
	section("OPTIONS")
	p.renderFlags(&b, cmd)
	if len(m.variables) > 0 {
		section("ENVIRONMENT")
		for _, v := range append(m.variables, variable{"LC_ALL, LC_MESSAGES, LANG", "The language of messages: English or Simplified Chinese"}) {
			fmt.Fprintf(&b, "    %s\n%s", v.name, wrap(p.msg.Text(v.text), 8))
		}
	}
	section("EXIT STATUS")
	for _, e := range m.exits {
		fmt.Fprintf(&b, "    %d   %s\n", e.status, strings.TrimSpace(wrap(p.msg.Text(e.text), 8)))
	}
	if len(m.examples) > 0 {
		section("EXAMPLES")
		for _, e := range m.examples {
			fmt.Fprintf(&b, "    %s:\n        %s\n", p.msg.Text(e.text), strings.ReplaceAll(e.command, "\n", "\n        "))
		}
	}
	return b.String()
}

func synopsis(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return cmd.Use
	}
	return cmd.Parent().CommandPath() + " " + cmd.Use
}

func (p *process) renderCommands(b *strings.Builder, cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			fmt.Fprintf(b, "    %-12s %s\n", c.Name(), c.Short)
		}
	}
	text := p.msg.Sprintf("More of each: %s", strings.Replace(cmd.CommandPath(), "modhaven", "modhaven help", 1)+" COMMAND")
	fmt.Fprintf(b, "\n    %s\n", text)
}

func (p *process) renderFlags(b *strings.Builder, cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if f.Value.Type() != "bool" {
			name += " " + f.Value.Type()
		}
		text := f.Usage
		if s, ok := f.Value.(*setting); ok && len(s.key.OneOf) > 0 {
			text = p.msg.Sprintf("%s; one of: %s", text, strings.Join(s.key.OneOf, ", "))
		}
		if value := p.defaultOf(f); value != "" {
			text = p.msg.Sprintf("%s (default %s)", text, value)
		}
		fmt.Fprintf(b, "    %s\n%s", name, wrap(text, 8))
	})
}

func (p *process) defaultOf(f *pflag.Flag) string {
	switch v := f.Value.(type) {
	case *setting:
		return cmp.Or(v.key.Default, p.msg.Text(v.key.Empty))
	case *span, *fileName:
		return f.DefValue
	}
	return ""
}

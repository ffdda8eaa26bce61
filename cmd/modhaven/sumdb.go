package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/modhaven/modhaven/internal/sumlog"
	"github.com/spf13/cobra"
)

func sumdbCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "sumdb COMMAND"}
	p.document(cmd, manual{
		short: "make keys for a checksum database, and audit one",
		about: `
			A checksum database is a log of the hashes of module versions that can only grow. The go
			command checks every new version against it. With one of your own, private modules are
			checked too: docs/own-checksum-database.md.`,
		exits: commonExits(),
	})
	p.isGroup(cmd)
	cmd.AddCommand(sumdbKeyCommand(p), sumdbAuditCommand(p))
	return cmd
}

func sumdbKeyCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "key NAME [--out FILE] | --show FILE"}
	out, show := addFile(cmd, "out", p.msg.Text("The new file of the signer key; without it NAME.key, with _ for /")), addFile(cmd, "show", p.msg.Text("Print what belongs to the signer key in a file, and make none"))
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if show.name == "" {
			return p.arguments("NAME")(cmd, args)
		}
		return p.arguments()(cmd, args)
	}
	p.document(cmd, manual{
		short: "make the keys of a checksum database",
		about: `
			Makes a key pair for a checksum database that is to be called NAME, a host name with or
			without a path. The signer key, which is secret, goes to a new file that its owner alone
			can read; a file that exists is never touched. The verifier key is printed, and the
			setting that clients need.

			Whoever has the signer key can show your builds a history of their own. It need not be on
			any other machine than the one that appends. A lost one cannot be made again: keep a copy.`,
		exits: commonExits(),
		examples: []example{
			{"Make the keys", "modhaven sumdb key sum.corp.example --out /etc/modhaven/sumdb.key"},
			{"Print the setting again", "modhaven sumdb key --show /etc/modhaven/sumdb.key"},
		},
	})
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		switch {
		case show.name != "" && out.name != "":
			return p.usagef("--show and --out do not go together")
		case show.name != "":
			return p.showKey(show.name)
		}
		if out.name == "" {
			out.name = strings.ReplaceAll(args[0], "/", "_") + ".key"
		}
		return p.makeKey(args[0], out.name)
	}
	return cmd
}

// addFile gives cmd a flag with the name of a file.
func addFile(cmd *cobra.Command, name, usage string) *fileName {
	f := &fileName{}
	cmd.Flags().Var(f, name, usage)
	_ = cmd.MarkFlagFilename(name)
	return f
}

// makeKey writes a new signer key to a new file.
func (p *process) makeKey(name, file string) error {
	signer, verifier, err := sumlog.GenerateKey(name)
	if err != nil {
		return usageError(err.Error())
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return p.failf("%s: it exists and is left as it is; name another file, or print its keys with --show", file)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(signer + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(file) // half a key is none
		return err
	}
	return p.printKey(file, verifier)
}

// maxKey is more than a signer key has.
const maxKey = 4 << 10

// readKey reads the signer key in a file.
func readKey(file string) (string, error) {
	b, err := readFile(file, maxKey)
	return strings.TrimSpace(string(b)), err
}

// isReadable reports whether others than the owner of a file can read it, as far as its mode says.
func isReadable(file string) bool {
	fi, err := os.Stat(file)
	return err == nil && fi.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows"
}

// showKey prints what belongs to the signer key in a file.
func (p *process) showKey(file string) error {
	key, err := readKey(file)
	if err != nil {
		return err
	}
	verifier, err := sumlog.VerifierOf(key)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if isReadable(file) {
		p.complain(p.msg.Sprintf("warning: %s: others than its owner can read it; chmod 600 changes that", file))
	}
	return p.printKey(file, verifier)
}

func (p *process) printKey(file, verifier string) error {
	_, err := p.msg.Fprintf(p.out, "signer key, secret: %s\nverifier key, for clients and audits:\n%s\nthe setting of clients:\nGOSUMDB=%s\n", file, verifier, verifier)
	return err
}

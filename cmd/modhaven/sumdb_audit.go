package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/sumlog"
	"github.com/spf13/cobra"
)

// exitNotAudited is the status of an audit that could not be made.
const exitNotAudited = 3

// The database that the go command knows, and the key of it that is in the go command.
const (
	publicDB  = "https://sum.golang.org"
	publicKey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
)

// A verifierKey is a flag with such a key.
type verifierKey struct{ key string }

func (k *verifierKey) Set(key string) error { k.key = key; return nil }
func (k *verifierKey) String() string       { return k.key }
func (k *verifierKey) Type() string         { return "VERIFIER" }

func sumdbAuditCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "audit URL|DIR [--key VERIFIER] [--since FILE] [--save FILE]", Args: p.arguments("URL|DIR")}
	var key verifierKey
	cmd.Flags().Var(&key, "key", p.msg.Text("The verifier key that clients have in GOSUMDB; that of https://sum.golang.org is known"))
	since := addFile(cmd, "since", p.msg.Text("A signed head of an earlier day, which the log must continue"))
	save := addFile(cmd, "save", p.msg.Text("Where to write the signed head of a good log, for the next --since"))
	p.document(cmd, auditManual())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a := audit{process: p, of: args[0], key: key.key, since: since.name, save: save.name}
		if a.key == "" && strings.TrimRight(a.of, "/") == publicDB {
			a.key = publicKey
		}
		if a.key == "" {
			return p.usagef("--key is missing: the verifier key of %s, which clients have in GOSUMDB; modhaven sumdb key --show FILE prints it", goproxy.Redact(a.of))
		}
		return a.run(cmd.Context())
	}
	return cmd
}

func auditManual() manual {
	return manual{
		short: "replay a checksum database and check all of it",
		about: `
			Reads every tile of the checksum database at URL or in the directory DIR, and computes its
			tree of hashes anew: each record must have its hash in the lowest tiles, each tile its own
			in the next, and all of them the hash that is signed. Each record must be the two lines of
			one version, and no version may have two. With --since the log must also continue an
			earlier signed head: nothing that was signed then has changed or gone.

			URL may be that of the database itself or of a proxy with it, PROXY/sumdb/NAME. All records
			are read, so that a large database takes long: about 250 bytes for each. What fails for
			reasons of the network is tried again. Memory stays within a few dozen MiB; of more than a
			million records, 16 bytes each go to temporary files.`,
		exits: []exit{
			{exitOK, "the log is good"},
			{exitFailed, "the log is wrong; what is wrong in which tile is on standard error"},
			{exitUsage, "wrong use"},
			{exitNotAudited, "it could not be read, so nothing is known; the reason is on standard error"},
		},
		examples: []example{
			{"The files of a database of one's own", "modhaven sumdb audit /srv/sumdb --key sum.corp.example+1234abcd+…"},
			{"Every night, from outside", "modhaven sumdb audit https://go.corp.example/sumdb/sum.corp.example \\\n    --key sum.corp.example+1234abcd+… --since head --save head"},
		},
	}
}

// An audit is one run of sumdb audit.
type audit struct {
	*process
	of, key, since, save string
}

func (a *audit) run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := a.audit(ctx)
	if err == nil && a.save != "" {
		err = replaceFile(a.save, r.Signed)
	}
	switch {
	case errors.As(err, new(*sumlog.Broken)):
		a.complain(a.msg.Sprintf("%s is WRONG: %s", goproxy.Redact(a.of), err.Error()))
		return exitStatus(exitFailed)
	case err != nil:
		a.complain(a.msg.Sprintf("%s was not audited: %s", goproxy.Redact(a.of), err.Error()))
		return exitStatus(exitNotAudited)
	case a.since == "":
		_, err = a.msg.Fprintf(a.out, "%s: good: %d records, %d tiles, tree hash %s\n", r.Name, r.Tree.N, r.Tiles, r.Tree.Hash.String())
	default:
		_, err = a.msg.Fprintf(a.out, "%s: good: %d records, %d tiles, tree hash %s; it continues the head of %d records\n", r.Name, r.Tree.N, r.Tiles, r.Tree.Hash.String(), r.Since.N)
	}
	return err
}

func (a *audit) audit(ctx context.Context) (sumlog.Report, error) {
	var o sumlog.AuditOptions
	if a.since != "" {
		var err error
		if o.Since, err = readFile(a.since, sumlog.MaxAnswer); err != nil {
			return sumlog.Report{}, err
		}
	}
	line := a.statusLine()
	defer line.erase()
	o.Progress = func(done, total int64) {
		line.show(func() string { return a.msg.Sprintf("%d of %d records (%d %%)", done, total, 100*done/total) })
	}
	fetch := fromDir(a.of)
	if strings.Contains(a.of, "://") {
		base, err := serverURL(a.of)
		if err != nil {
			return sumlog.Report{}, a.failf("%q is not the URL of a server, such as http://127.0.0.1:3000", goproxy.Redact(a.of))
		}
		fetch = fromURL(base)
	}
	return sumlog.Audit(ctx, fetch, a.key, o)
}

// fromDir reads a database's files.
func fromDir(dir string) sumlog.Fetch {
	return func(_ context.Context, name string) ([]byte, error) {
		if _, err := os.Stat(dir); err != nil {
			return nil, err // there is no log to be wrong
		}
		b, err := readFile(filepath.Join(dir, filepath.FromSlash(name)), sumlog.MaxAnswer)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, goproxy.Absent("not found: %s", name)
		}
		return b, err
	}
}

// readFile returns a file's bytes, at most max.
func readFile(name string, max int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(b)) > max {
		err = fmt.Errorf("%s: more than %d bytes", name, max)
	}
	return b, err
}

// replaceFile gives a file new bytes, or leaves it as it is.
func replaceFile(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".head-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// How often and how long one name is asked for.
const (
	auditTries    = 6
	auditPause    = 250 * time.Millisecond // before the second try; then twice as long each
	auditPatience = time.Minute
)

// fromURL asks a database, or a proxy that has it.
func fromURL(base string) sumlog.Fetch {
	client := &http.Client{Timeout: auditPatience}
	return func(ctx context.Context, name string) ([]byte, error) {
		pause := auditPause
		for try := 1; ; try++ {
			b, again, err := getOnce(ctx, client, base+"/"+name)
			if err == nil || !again || try == auditTries {
				return b, err
			}
			select {
			case <-ctx.Done():
				return nil, cmp.Or(context.Cause(ctx), err)
			case <-time.After(pause):
				pause *= 2
			}
		}
	}
}

// getOnce asks once. again says that it is worth asking again.
func getOnce(ctx context.Context, client *http.Client, addr string) (b []byte, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, addr, nil)
	if err != nil {
		return nil, false, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, ctx.Err() == nil, err // client.Do leaves passwords out
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		return nil, false, goproxy.Absent("not found: %s", goproxy.Redact(addr))
	case code != http.StatusOK:
		return nil, code >= 500 || code == http.StatusTooManyRequests, fmt.Errorf("%s: the answer is %s: %s", goproxy.Redact(addr), resp.Status, firstLine(resp.Body))
	}
	b, err = io.ReadAll(io.LimitReader(resp.Body, sumlog.MaxAnswer+1))
	if err == nil && len(b) > sumlog.MaxAnswer {
		return nil, false, fmt.Errorf("%s: more than %d bytes", goproxy.Redact(addr), sumlog.MaxAnswer)
	}
	return b, true, err
}

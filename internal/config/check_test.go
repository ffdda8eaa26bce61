package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	const open = "is reachable from other machines; say who may ask with `auth`, or write `auth: none` (flag --auth none, MODHAVEN_AUTH=none) if anyone may"
	const inTheClear = "--auth: credentials would come over the network in the clear; set tls_cert and tls_key, tls_acme or tls_self_signed, or tls_elsewhere: on where another server ends TLS"
	for _, tt := range []struct {
		flags map[string]string
		want  []string
	}{
		{nil, nil},
		{map[string]string{"listen": "localhost:1"}, nil},
		{map[string]string{"listen": "LocalHost:1"}, nil},
		{map[string]string{"listen": "127.1.2.3:65535"}, nil},
		{map[string]string{"listen": "[::1]:0"}, nil},
		{map[string]string{"listen": "[::ffff:127.0.0.1]:1"}, nil},
		{map[string]string{"listen": "0.0.0.0:1", "auth": "none"}, nil},
		{map[string]string{"listen": "0.0.0.0:1", "auth": "token"}, []string{inTheClear}},
		{map[string]string{"listen": "0.0.0.0:1", "auth": "token", "tls-elsewhere": "on"}, nil},
		{map[string]string{"listen": "0.0.0.0:1", "auth": "token", "tls-cert": "/c", "tls-key": "/k"}, nil},
		{map[string]string{"auth": "token", "access": "dev corp.example"}, nil},
		{map[string]string{"auth": "none", "access": "dev corp.example"}, []string{"--access: rules need to know who asks; set auth"}},
		{map[string]string{"access": "dev corp.example"}, []string{"--access: rules need to know who asks; set auth"}},
		{map[string]string{"listen": ":1", "auth": "none"}, nil},
		{map[string]string{"listen": "go.corp.example:1", "auth": "none"}, nil},
		{map[string]string{"listen": "0.0.0.0:3000"}, []string{"--listen: 0.0.0.0:3000 " + open}},
		{map[string]string{"listen": ":3000"}, []string{"--listen: :3000 " + open}},
		{map[string]string{"listen": "[::]:3000"}, []string{"--listen: [::]:3000 " + open}},
		{map[string]string{"listen": "192.0.2.1:3000"}, []string{"--listen: 192.0.2.1:3000 " + open}},
		{map[string]string{"listen": "localhost.example:3000"}, []string{"--listen: localhost.example:3000 " + open}},
		{map[string]string{"listen": "128.0.0.1:3000"}, []string{"--listen: 128.0.0.1:3000 " + open}},
		{map[string]string{"listen": "3000"}, []string{`--listen: "3000" is not HOST:PORT, such as 127.0.0.1:3000 or [::1]:3000`}},
		{map[string]string{"listen": ""}, []string{`--listen: "" is not HOST:PORT, such as 127.0.0.1:3000 or [::1]:3000`}},
		{map[string]string{"listen": "::1:3000"}, []string{`--listen: "::1:3000" is not HOST:PORT, such as 127.0.0.1:3000 or [::1]:3000`}},
		{map[string]string{"listen": "127.0.0.1:http"}, []string{`--listen: "127.0.0.1:http" has no port from 0 to 65535, as in 127.0.0.1:3000`}},
		{map[string]string{"listen": "127.0.0.1:65536"}, []string{`--listen: "127.0.0.1:65536" has no port from 0 to 65535, as in 127.0.0.1:3000`}},
		{map[string]string{"listen": "127.0.0.1:"}, []string{`--listen: "127.0.0.1:" has no port from 0 to 65535, as in 127.0.0.1:3000`}},
		{map[string]string{"listen": "http//x:1"}, []string{`--listen: "http//x:1" has no address or name of this machine before the port, as in 127.0.0.1:3000`}},
		{map[string]string{"tls-cert": "c"}, []string{"--tls-cert: a certificate needs its private key; set tls_key too"}},
		{map[string]string{"tls-key": "k"}, []string{"--tls-key: a private key needs its certificate; set tls_cert too"}},
		{map[string]string{"tls-cert": "c", "tls-key": "k"}, nil},
		{map[string]string{"upstreams": "off"}, nil},
		{map[string]string{"upstreams": "cn"}, nil},
		{map[string]string{"upstreams": "https://a.example,direct"}, nil},
		{map[string]string{"upstreams": "direct"}, nil},
		{map[string]string{"upstreams": "direct,https://a.example"}, nil},
		{map[string]string{"upstreams": "proxy"}, []string{`--upstreams: "proxy" is neither an address, a named list (default, cn), direct nor off`}},
		{map[string]string{"upstreams": "file:///srv/modules"}, []string{`--upstreams: "file:///srv/modules": the scheme must be https or http`}},
		{map[string]string{"upstreams": "http://localhost:3000|https://a.example"}, []string{"--upstreams: http://localhost:3000 is this very server, which would ask itself without end"}},
		{map[string]string{"upstreams": "https://…@a.example"}, []string{"--upstreams: the user and the password are masked, as config print shows them; write the real ones"}},
		{map[string]string{"sumdb": "sum.golang.org https://…@a.example"}, []string{"--sumdb: the user and the password are masked, as config print shows them; write the real ones"}},
		{map[string]string{"sumdb": "sum.golang.google.cn"}, nil},
		{map[string]string{"sumdb-own": "sum.corp.example", "sumdb-own-key": "/key"}, nil},
		{map[string]string{"direct-credentials": `h token-command="a b"`}, nil},
		{map[string]string{"direct-credentials": `h token-command=a"b"`}, []string{`--direct-credentials: a double quote stands only around a whole value, as in token-command="/usr/bin/vault read git"`}},
		{map[string]string{"listen": "0.0.0.0:1", "auth": "token", "tls-self-signed": "on"}, nil},
		{map[string]string{"listen": "0.0.0.0:1", "auth": "token", "tls-self-signed": "off"}, []string{inTheClear}},
		{map[string]string{"tls-acme": "go.corp.example,b.corp.example email=a@b.example directory=https://acme.corp.example/d http=:80"}, nil},
		{map[string]string{"tls-acme": "localhost"}, []string{`--tls-acme: "localhost" is no name of a host, such as go.corp.example; an authority of ACME knows no addresses and no names with *`}},
		{map[string]string{"tls-acme": "10.1.2.3"}, []string{`--tls-acme: "10.1.2.3" is no name of a host, such as go.corp.example; an authority of ACME knows no addresses and no names with *`}},
		{map[string]string{"tls-acme": "*.corp.example"}, []string{`--tls-acme: "*.corp.example" is no name of a host, such as go.corp.example; an authority of ACME knows no addresses and no names with *`}},
		{map[string]string{"tls-acme": "go.corp.example directory=http://a"}, []string{`--tls-acme: "directory=http://a" is none of email=ADDRESS, directory=URL (https) and http=HOST:PORT`}},
		{map[string]string{"tls-acme": "go.corp.example http=80"}, []string{`--tls-acme: "http=80" is none of email=ADDRESS, directory=URL (https) and http=HOST:PORT`}},
		{map[string]string{"tls-cert": "c", "tls-key": "k", "tls-self-signed": "on"}, []string{"--tls-cert: there is more than one source of certificates; set one of tls_cert, tls_acme and tls_self_signed"}},
		{map[string]string{"tls-acme": "go.corp.example", "tls-self-signed": "on"}, []string{"--tls-acme: there is more than one source of certificates; set one of tls_cert, tls_acme and tls_self_signed"}},
		{map[string]string{"preset": "team"}, nil},
		{map[string]string{"preset": "enterprise"}, []string{strings.Replace(inTheClear, "--auth", "auth", 1)}},
		{map[string]string{"preset": "enterprise", "tls-elsewhere": "on"}, nil},
		{map[string]string{"preset": "team", "tls-cert": "c", "tls-key": "k"}, nil},
		{map[string]string{"sumdb-own": "sum.corp.example"}, []string{"--sumdb-own: a checksum database of one's own needs its signer key; make one with `modhaven sumdb key sum.corp.example` and set sumdb_own_key to its file"}},
		{map[string]string{"sumdb-own-key": "/key"}, []string{"--sumdb-own-key: a signer key needs the name of its checksum database; set sumdb_own too"}},
		{map[string]string{"sumdb": "sum.golang.org", "sumdb-own": "sum.golang.org", "sumdb-own-key": "/key"}, []string{"--sumdb-own: sum.golang.org is the public checksum database that sumdb names; give your own another name"}},
		{map[string]string{"sumdb-own": "../x", "sumdb-own-key": "/key"}, []string{`--sumdb-own: "../x" is no name of a checksum database; one looks like sum.corp.example`}},
		{map[string]string{"listen": ":1", "tls-key": "k", "upstreams": "proxy"}, []string{
			"--listen: :1 " + open,
			"--tls-key: a private key needs its certificate; set tls_cert too",
			`--upstreams: "proxy" is neither an address, a named list (default, cn), direct nor off`,
		}},
	} {
		c, err := Load(Sources{Flags: tt.flags, GoEnv: DefaultGoEnv()})
		if err != nil {
			t.Errorf("%v: %v", tt.flags, err)
			continue
		}
		if diff := cmp.Diff(tt.want, problems(c.Check())); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.flags, diff)
		}
	}
}

// A key with a bad value has a mistake of its own; what follows from it is not another.
func TestCheckAfterBadValue(t *testing.T) {
	c, err := Load(Sources{File: write(t, "listen: 127.0.0.1:3000\nfailover: nine\n"), GoEnv: DefaultGoEnv()})
	if want := []string{`modhaven.yaml:2: failover: "nine" is not allowed; it is one of: strict, any`}; cmp.Diff(want, problems(err)) != "" {
		t.Errorf("Load: %q, want %q", problems(err), want)
	}
	if err := c.Check(); err != nil {
		t.Errorf("Check: %v, want nothing more", err)
	}
}

func TestCheckNamesTheSource(t *testing.T) {
	c, err := Load(Sources{File: write(t, "\ntls_cert: c\n"), Environ: []string{"MODHAVEN_SUMDB=x y z"}, GoEnv: DefaultGoEnv()})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"modhaven.yaml:2: tls_cert: a certificate needs its private key; set tls_key too",
		`MODHAVEN_SUMDB: "x y z" has 3 fields; it needs a name or key, and may have an address after it`,
	}
	if diff := cmp.Diff(want, problems(c.Check())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStateDir(t *testing.T) {
	c := Default()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("this user has no cache directory: ", err)
	}
	if got, err := c.StateDir(); err != nil || got != filepath.Join(cache, "modhaven") {
		t.Errorf("StateDir() = %q, %v; want modhaven in %s", got, err, cache)
	}
	c.State = "here"
	want, _ := filepath.Abs("here")
	if got, err := c.StateDir(); err != nil || got != want {
		t.Errorf("StateDir() = %q, %v; want %q", got, err, want)
	}
}

func TestURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:3000": "http://127.0.0.1:3000", "0.0.0.0:80": "http://127.0.0.1:80", ":1": "http://127.0.0.1:1",
		"[::]:1": "http://[::1]:1", "[::1]:1": "http://[::1]:1", "go.corp.example:1": "http://go.corp.example:1",
	} {
		if got := Default().URL(addr); got != want {
			t.Errorf("URL(%s) = %s, want %s", addr, got, want)
		}
	}
	c := Default()
	c.TLSCert = "c"
	if got, want := c.URL("localhost:1"), "https://localhost:1"; got != want {
		t.Errorf("with TLS: %s, want %s", got, want)
	}
}

func TestWarnings(t *testing.T) {
	const tail = " asks https://proxy.golang.org then for modules that match no private pattern"
	for _, tt := range []struct {
		flags map[string]string
		want  []string
	}{
		{nil, nil},
		{map[string]string{"upstreams": "default"}, nil},
		{map[string]string{"upstreams": "cn"}, nil},
		{map[string]string{"upstreams": "off"}, nil},
		{map[string]string{"upstreams": "https://a.example,direct"}, nil},
		{map[string]string{"upstreams": "https://a.example,off"}, nil},
		{map[string]string{"upstreams": "https://a.example|https://b.example,direct"}, nil},
		{map[string]string{"upstreams": "https://a.example,direct,https://b.example"}, nil},
		{map[string]string{"upstreams": "https://u:p@a.example,default"}, []string{
			"while https://…@a.example is out of reach nothing behind its ',' is asked, so public modules fail too; `failover: any`" + tail}},
		{map[string]string{"upstreams": "https://b.example|https://a.example,https://proxy.golang.org"}, []string{
			"while https://a.example is out of reach nothing behind its ',' is asked, so public modules fail too; `failover: any`" + tail}},
		{map[string]string{"upstreams": "https://a.example,default", "failover": "any", "private": "corp.example"}, nil},
		{map[string]string{"upstreams": "https://a.example,default", "failover": "any"}, []string{
			"failover is any and private is empty, so every module counts as public: while https://a.example is out of reach the names it guards are asked of https://proxy.golang.org; list them in private"}},
		{map[string]string{"upstreams": "https://a.example|https://b.example|https://c.example,direct", "upstream-options": "a.example weight=60;b.example weight=40"}, nil},
		{map[string]string{"upstreams": "https://a.example|direct", "upstream-options": "* weight=0"}, nil},
		{map[string]string{"upstreams": "https://u:p@a.example|direct", "upstream-options": "a.example weight=10"}, []string{
			"the weight of https://…@a.example has no effect: weights share the questions out among upstreams that '|' joins, and it is joined to none"}},
		{map[string]string{"upstreams": "https://a.example|https://b.example,https://c.example", "failover": "any", "private": "x", "upstream-options": "* weight=60"}, []string{
			"the weights of https://a.example and those that '|' joins to it come to 120 percent, and there are 100 to share out",
			"the weight of https://c.example has no effect: weights share the questions out among upstreams that '|' joins, and it is joined to none"}},
		{map[string]string{"upstreams": "http://a.example|http://127.0.0.1:1", "upstream-options": "* bearer-file=b ca=c"}, []string{
			"what bearer-file and headers-file send to http://a.example goes through the network unencrypted; use https",
			"ca, cert and key have no effect on http://a.example, which is not asked over https",
			"ca, cert and key have no effect on http://127.0.0.1:1, which is not asked over https"}},
		{map[string]string{"upstreams": "https://u:p@a.example,default", "offline": "on", "upstream-options": "* weight=60"}, nil},
	} {
		c, err := Load(Sources{Flags: tt.flags, GoEnv: DefaultGoEnv()})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range c.Warnings() {
			got = append(got, w.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.flags, diff)
		}
	}
}

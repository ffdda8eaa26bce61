package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/doctor"
	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	// reportPatience is how long a server has for its report: an examination takes 15 seconds at most.
	reportPatience = 18 * time.Second
	maxReport      = 4 << 20
	// greeting is how a Modhaven answers at its root, those without /doctor too.
	greeting = "Modhaven, a Go module proxy"
)

// A serverName is a flag with the address of a server.
type serverName string

func (s *serverName) Set(text string) error { *s = serverName(text); return nil }

// check reads what was given. The flag's own error would show a password.
func (s *serverName) check(p *process) error {
	base, err := serverURL(string(*s))
	if err != nil {
		return p.usagef("%q is not the URL of a server, such as http://127.0.0.1:3000", goproxy.Redact(string(*s)))
	}
	*s = serverName(base)
	return nil
}

func (s *serverName) String() string { return goproxy.Redact(string(*s)) }
func (s *serverName) Type() string   { return "URL" }

// consult probes the way to the server from here, has it probe its upstreams from there, and puts the two together.
func (s *serverName) consult(ctx context.Context, p *process, o doctor.Options) (*doctor.Report, error) {
	base, err := url.Parse(string(*s))
	if err != nil {
		return nil, err
	}
	client := probeClient(false)
	client.Transport.(*http.Transport).Proxy = http.ProxyFromEnvironment
	o.Given = doctor.GivenByArguments
	o.Override = map[string]string{"GOPROXY": string(*s), "GOSUMDB": goproxy.Off}
	if mayCarry(base, client) {
		o.Token = p.token()
	}
	asking, stop := context.WithTimeout(ctx, reportPatience)
	defer stop()
	here := make(chan *doctor.Report, 1)
	go func() {
		r := doctor.Examine(ctx, o)
		if unreached(r) {
			stop()
		}
		here <- r
	}()
	question := o.Module
	if o.Version != "" {
		question += "@" + o.Version
	}
	a := reportAsk{base: base, client: client, token: o.Token}
	there, missed := a.report(asking, question)
	r := <-here
	r.Server = base.Host
	switch {
	case there != nil:
		r.Join(there, base.Host)
	case missed.code == doctor.Speechless && r.Verdict.Class.Exit() > doctor.Degraded.Exit():
		// What is wrong between here and the server says why.
	default:
		r.Note(missed.code, missed.severity, missed.vars, "GET {url}: {status}", "it says: {words}")
	}
	return r, nil
}

// unreached reports whether there is no way to the server: nothing more will come from it.
func unreached(r *doctor.Report) bool {
	for _, f := range r.Findings {
		if f.Severity == doctor.Fail && slices.Contains([]doctor.Stage{doctor.StageSettings, doctor.StageDNS, doctor.StageTCP, doctor.StageProxy, doctor.StageTLS}, f.Stage) {
			return true
		}
	}
	return false
}

// A missed says why a server gave no report.
type missed struct {
	code     doctor.Code
	severity doctor.Severity
	vars     doctor.Vars
}

// A reportAsk asks a server for its report.
type reportAsk struct {
	base   *url.URL
	client *http.Client
	token  string // "" for none
}

// report asks until ctx ends.
func (a *reportAsk) report(ctx context.Context, question string) (*doctor.Report, missed) {
	v := doctor.Vars{"url": goproxy.Redact(a.base.String())}
	speechless := func(why string) (*doctor.Report, missed) {
		v["why"] = doctor.Clean(why)
		return nil, missed{doctor.Speechless, doctor.Warn, v}
	}
	query := url.Values{}
	if question != "" {
		query.Set("module", question)
	}
	status, body, err := a.get(ctx, "/doctor?"+query.Encode())
	if err != nil {
		return speechless(err.Error())
	}
	v["status"] = status.text
	if w := doctor.Clean(body); status.plain && w != "" {
		v["words"] = w
	}
	switch status.code {
	case http.StatusOK:
		r, err := doctor.ReadReport([]byte(body))
		if err == nil {
			return r, missed{}
		}
		if a.isModhaven(ctx) {
			return speechless(err.Error())
		}
		return nil, missed{doctor.Foreign, doctor.Warn, v}
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, missed{doctor.NotAllowed, doctor.Fail, v}
	case http.StatusBadRequest, http.StatusTooManyRequests:
		return speechless(status.text)
	}
	if status.code < http.StatusInternalServerError {
		if a.isModhaven(ctx) {
			return nil, missed{doctor.TooOld, doctor.Warn, v}
		}
		return nil, missed{doctor.Foreign, doctor.Warn, v}
	}
	return speechless(status.text)
}

// isModhaven reports whether a Modhaven answers at the root of the server.
func (a *reportAsk) isModhaven(ctx context.Context) bool {
	status, body, err := a.get(ctx, "/")
	return err == nil && status.code == http.StatusOK && strings.HasPrefix(body, greeting)
}

// An answerLine is how an answer begins.
type answerLine struct {
	code  int
	text  string // "404 Not Found"
	plain bool   // the body is a text for people
}

func (a *reportAsk) get(ctx context.Context, path string) (s answerLine, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base.String()+path, nil)
	if err != nil {
		return s, "", errors.New("the address cannot be asked")
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		if ctx.Err() != nil {
			err = errors.New("no answer in time")
		}
		return s, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReport))
	s = answerLine{resp.StatusCode, doctor.Clean(resp.Status), strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain")}
	return s, string(b), err
}

package main

import (
	"context"
	"strings"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/doctor"
	"github.com/modhaven/modhaven/internal/goproxy"
)

// maxDiagnosis is how many lines the doctor may say at the end of exec.
const maxDiagnosis = 10

// diagnose asks the doctor about the upstreams, where downloads failed, and says what it found. Where it finds
// nothing wrong it is silent: the reasons that the upstreams gave stand there already.
func (e *execution) diagnose(ctx context.Context, l left) {
	if !e.consult || len(l.failed) == 0 && len(l.underWay) == 0 {
		return
	}
	db := e.settings.db.Spec()
	if e.settings.db.URL != "" {
		db += " " + e.settings.db.URL
	}
	o := doctor.Options{Environ: e.environ, Override: map[string]string{
		"GOPROXY": goproxy.FormatUpstreams(e.settings.ups), "GOSUMDB": db, "GONOSUMDB": e.settings.noSumDB,
	}}
	if len(l.failed) > 0 {
		o.Module, o.Version = moduleIn(l.failed[0].what)
		if !e.mayName(o.Module) {
			o.Module, o.Version = "", ""
		}
	}
	r := doctor.Examine(ctx, o)
	if r.Exit == exitOK {
		return
	}
	for i, line := range e.consultation(false).brief(r, maxDiagnosis) {
		if i == 0 {
			e.complain(e.msg.Sprintf("doctor: %s", line))
		} else {
			e.say(strings.TrimPrefix(line, "    "))
		}
	}
}

// mayName reports whether the doctor may be told of a module. One that is private by GONOPROXY it asks of its own host
// only; what else is private for the proxy it would ask everybody about.
func (e *execution) mayName(path string) bool {
	return !goproxy.MatchesAny(e.settings.Private, path) || goproxy.MatchesAny(config.ReadGoEnv(e.environ).Get("GONOPROXY").Value, path)
}

// moduleIn returns which module and version were asked for, as wording says it; no module where that is not clear.
func moduleIn(what string) (path, version string) {
	path, rest, ok := strings.Cut(what, "@")
	if !ok {
		return "", ""
	}
	path = strings.TrimSuffix(path, "/")
	for _, kind := range []string{".info", ".mod", ".zip"} {
		if v, ok := strings.CutSuffix(rest, kind); ok && goproxy.Fits(path, v) {
			return path, v
		}
	}
	return path, ""
}

package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/modhaven/modhaven/internal/sumlog"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/module"
)

// sumlog DIR KEYFILE N URLNAME brings a checksum database to N records, and serves its files: $URLNAME is where, and
// $KEY its verifier key.
func makeSumlog(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	l, err := sumlog.Open(dir, strings.TrimSpace(ts.ReadFile(args[1])))
	ts.Check(err)
	var rs []sumlog.Record
	for i := range n {
		v := module.Version{Path: "corp.example/m", Version: fmt.Sprintf("v1.%d.0", i)}
		h := "h1:" + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%032d", i))
		rs = append(rs, sumlog.Record{Version: v, Text: fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", v.Path, v.Version, h, v.Path, v.Version, h)})
	}
	_, err = l.Append(context.Background(), rs)
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv("KEY", l.Verifier())
	srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
	ts.Defer(srv.Close)
	ts.Setenv(args[3], srv.URL)
}

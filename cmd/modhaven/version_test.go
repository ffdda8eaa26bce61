package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestBuild(t *testing.T) {
	tail := ", " + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123abcd"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}}
	for _, tt := range []struct {
		version, commit string
		info            *debug.BuildInfo
		want            string
	}{
		{"", "", nil, "modhaven (devel) (commit unknown" + tail},
		{"", "", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "modhaven v1.2.3 (commit unknown" + tail},
		{"", "", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs}, "modhaven (devel) (commit 0123abcd" + tail},
		{"", "", &debug.BuildInfo{Settings: append(vcs, debug.BuildSetting{Key: "vcs.modified", Value: "true"})}, "modhaven (devel) (commit 0123abcd+changes" + tail},
		{"v2.0.0", "feed", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: vcs}, "modhaven v2.0.0 (commit feed" + tail},
	} {
		if got := newBuild(tt.version, tt.commit, tt.info).String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

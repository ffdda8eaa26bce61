package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// benchSize measures the stripped binary, the memory of a Modhaven that nobody asks, and
// the time from exec to the first 200 of /readyz.
func benchSize(ctx context.Context, l *lab) ([]row, error) {
	st, err := os.Stat(l.modhaven)
	if err != nil {
		return nil, err
	}
	rows := []row{{figure: "stripped binary", value: mib(st.Size()), target: "< 25 MiB", met: reached(st.Size() < 25<<20)}}
	site, err := l.siteFixture()
	if err != nil {
		return rows, err
	}
	up, err := l.startUpstream(upstreamSettings{Dir: site})
	if err != nil {
		return rows, err
	}
	defer up.stop()
	idle, err := l.idleMemory(ctx, up)
	if err != nil {
		return rows, err
	}
	rows = append(rows, row{figure: "resident memory, idle", value: fmt.Sprintf("%.1f MiB", idle.median()), spread: idle.spread("%.1f"),
		target: "< 25 MiB", met: reached(idle.median() < 25)})
	starts, err := l.startTimes(ctx, up)
	if err != nil {
		return rows, err
	}
	return append(rows, row{figure: "exec to ready, empty state", value: fmt.Sprintf("%.1f ms", starts.median()), spread: starts.spread("%.1f"),
		target: "< 50 ms", met: reached(starts.median() < 50)}), nil
}

// idleMemory lets Modhaven idle for some seconds after its start. It returns MiB.
func (l *lab) idleMemory(ctx context.Context, up *upstream) (sample, error) {
	var idle sample
	for range l.rounds(3, 1) {
		err := l.withEmpty(ctx, up.url(), func(m *server) error {
			time.Sleep(l.lasting(6 * time.Second))
			rss, _, err := m.memory()
			idle = append(idle, float64(rss)/(1<<20))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return idle, nil
}

// startTimes returns milliseconds.
func (l *lab) startTimes(ctx context.Context, up *upstream) (sample, error) {
	var took sample
	for range l.rounds(20, 5) {
		state, err := l.emptyState()
		if err != nil {
			return nil, err
		}
		begin := time.Now()
		m, err := l.execModhaven(state, up.url())
		if err != nil {
			return nil, err
		}
		err = m.until(ctx, "/readyz", 200*time.Microsecond, 10*time.Second, m.ready)
		ms := time.Since(begin).Seconds() * 1000
		m.stop()
		if err != nil {
			return nil, err
		}
		took = append(took, ms)
	}
	return took, nil
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const hangers = 200

// benchHang measures hits at a fixed rate with and without 200 clients that wait for zips
// of a dead upstream, which accepts connections and says nothing.
func benchHang(ctx context.Context, l *lab) ([]row, error) {
	h, err := l.startHits(ctx)
	if err != nil {
		return nil, err
	}
	dead, err := l.startUpstream(upstreamSettings{Dead: true})
	if err != nil {
		return nil, err
	}
	defer dead.stop()
	var quiet, hung tail
	var waiting sample
	err = l.turns(ctx, l.rounds(5, 2), slices.Concat(quiet.samples(), hung.samples(), []*sample{&waiting}),
		func(int) error {
			return h.with(ctx, dead, func(m *server) error {
				p50, p99, err := h.measure(ctx, m)
				quiet.add(p50, p99)
				return err
			})
		},
		func(int) error {
			return h.with(ctx, dead, func(m *server) error {
				c, err := hang(ctx, m, hangers)
				if err != nil {
					return err
				}
				p50, p99, err := h.measure(ctx, m)
				hung.add(p50, p99)
				waiting = append(waiting, float64(c.leave()))
				return err
			})
		})
	if err != nil {
		return nil, err
	}
	st, err := dead.take()
	if err != nil {
		return nil, err
	}
	if st.Conns == 0 {
		return nil, fmt.Errorf("the dead upstream was never asked")
	}
	return []row{
		hung.row(fmt.Sprintf("p99 of hits at %d a second while %d fills hang", hitRate, hangers), &quiet),
		quiet.row("p99 of hits without", nil),
		{figure: "clients still waiting at the end", value: fmt.Sprintf("%.0f of %d", waiting.median(), hangers), spread: waiting.spread("%.0f")},
	}, nil
}

// A queue of clients that wait for zips which never come.
type hungClients struct {
	cancel  context.CancelFunc
	done    sync.WaitGroup
	waiting atomic.Int64
}

// hang has n clients ask for a zip each. Those that are answered (the server gave up) ask for
// another. It returns when all have asked and have been waiting for a moment.
func hang(ctx context.Context, m *server, n int) (*hungClients, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &hungClients{cancel: cancel}
	t := &http.Transport{DisableKeepAlives: true}
	for i := range n {
		c.done.Go(func() {
			for try := 0; ctx.Err() == nil; try++ {
				c.ask(ctx, t, fmt.Sprintf("%s/example.com/hang/m%d/@v/v1.%d.0.zip", m.url(), i, try))
			}
		})
	}
	err := m.until(ctx, "200 waiting clients", time.Millisecond, 5*time.Second, func() bool { return c.waiting.Load() == int64(n) })
	if err == nil {
		time.Sleep(300 * time.Millisecond)
	}
	return c, err
}

// ask waits for an answer or the end of ctx. An answer 200 is impossible and counts as not waiting.
func (c *hungClients) ask(ctx context.Context, t *http.Transport, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	c.waiting.Add(1)
	defer c.waiting.Add(-1)
	resp, err := t.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
		time.Sleep(10 * time.Millisecond) // a server that refuses at once is not to be flooded
	}
}

// leave ends all clients and returns how many were waiting.
func (c *hungClients) leave() int64 {
	n := c.waiting.Load()
	c.cancel()
	c.done.Wait()
	return n
}

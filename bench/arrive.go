package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// An open load is requests for the files of [smallFile] at a fixed rate, each for another
// one, whatever became of those before. They come from several addresses, as from several clients.
type openLoad struct {
	base  string // of the server
	rate  int    // a second
	from  int    // number of the first file
	limit time.Duration
}

// openClients is the number of addresses.
const openClients = 16

// An answered request: took counts until its last byte. Bytes that are wrong are no success.
type answered struct {
	asked  time.Time
	took   time.Duration
	ok     bool
	status int // 0 where the connection broke
}

// run asks while more says so.
func (o openLoad) run(ctx context.Context, more func(i int) bool) []answered {
	var all []answered
	var mu sync.Mutex
	var done sync.WaitGroup
	clients := o.clients()
	start := time.Now()
	for i := 0; ctx.Err() == nil && more(i); i++ {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(o.rate))))
		done.Go(func() {
			a := o.ask(ctx, clients[i%len(clients)], tailPath(o.from+i))
			mu.Lock()
			defer mu.Unlock()
			all = append(all, a)
		})
	}
	done.Wait()
	for _, c := range clients {
		c.CloseIdleConnections()
	}
	slices.SortFunc(all, func(a, b answered) int { return a.asked.Compare(b.asked) })
	return all
}

func (o openLoad) clients() []*http.Client {
	all := make([]*http.Client, openClients)
	for i := range all {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i))}}
		all[i] = &http.Client{Timeout: o.limit, Transport: &http.Transport{
			DialContext: d.DialContext, MaxIdleConnsPerHost: 256, DisableCompression: true,
		}}
	}
	return all
}

func (o openLoad) ask(ctx context.Context, c *http.Client, path string) answered {
	a := answered{asked: time.Now()}
	want, _ := smallFile(path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.base+path, nil)
	if err != nil {
		return a
	}
	resp, err := c.Do(req)
	if err == nil {
		defer resp.Body.Close()
		a.status = resp.StatusCode
		var got []byte
		got, err = io.ReadAll(resp.Body)
		a.ok = err == nil && resp.StatusCode == http.StatusOK && bytes.Equal(got, want)
	}
	a.took = time.Since(a.asked)
	return a
}

// latencies are sorted milliseconds, of failures too.
func latencies(all []answered) sample {
	s := make(sample, len(all))
	for i, a := range all {
		s[i] = a.took.Seconds() * 1000
	}
	slices.Sort(s)
	return s
}

func failures(all []answered) int {
	n := 0
	for _, a := range all {
		if !a.ok {
			n++
		}
	}
	return n
}

// recovery is how long after the moment well a server went on failing requests: until the
// last request that failed, or that took longer than slow, was asked. 0 is at once.
func recovery(all []answered, well time.Time, slow time.Duration) time.Duration {
	var last time.Duration
	for _, a := range all {
		if after := a.asked.Sub(well); after > 0 && (!a.ok || a.took > slow) {
			last = max(last, after)
		}
	}
	return last
}

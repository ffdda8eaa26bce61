package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// floodSettings is what a flood is started with: GETs at a rate, over so many connections.
type floodSettings struct {
	Addr  string
	Rate  int // a second
	Conns int
	Paths []string // asked in turn; where there are none, every request is for a new absent name
	Salt  string   // makes the absent names new
}

// floodResult is what it saw.
type floodResult struct {
	Statuses map[int]int
	Failed   int    // connections that broke
	Error    string // of one of them
	Seconds  float64
}

// A flood is the role: a process of its own, so that its work does not disturb the clock of
// the benchmark.
type flood struct {
	floodSettings
	start time.Time
	seq   atomic.Int64

	mu  sync.Mutex
	res floodResult
}

func runFlood(ctx context.Context, settings []byte, stdout io.Writer) error {
	f := &flood{start: time.Now(), res: floodResult{Statuses: map[int]int{}}}
	if err := json.Unmarshal(settings, &f.floodSettings); err != nil {
		return err
	}
	if err := sayHello(stdout, nil, nil); err != nil {
		return err
	}
	for range f.Conns {
		go f.connection(ctx)
	}
	<-ctx.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.res.Seconds = time.Since(f.start).Seconds()
	return json.NewEncoder(stdout).Encode(f.res)
}

// connection takes the next request that is due, as often as it can; a broken
// connection is made anew.
func (f *flood) connection(ctx context.Context) {
	var k *keptConn
	for ctx.Err() == nil {
		n := f.seq.Add(1)
		time.Sleep(time.Until(f.start.Add(time.Duration(n) * time.Second / time.Duration(f.Rate))))
		if k == nil {
			var err error
			if k, err = dialKeptConn(f.Addr); err != nil {
				f.failed(ctx, err)
				continue
			}
		}
		status, _, err := k.get(f.path(n))
		if err != nil {
			f.failed(ctx, err)
			k.Close()
			k = nil
		}
		if status != 0 {
			f.mu.Lock()
			f.res.Statuses[status]++
			f.mu.Unlock()
		}
	}
}

func (f *flood) failed(ctx context.Context, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() == nil {
		f.res.Failed++
		f.res.Error = err.Error()
	}
}

func (f *flood) path(n int64) string {
	if len(f.Paths) > 0 {
		return f.Paths[n%int64(len(f.Paths))]
	}
	if n%2 == 0 {
		return fmt.Sprintf("/example.com/absent/%s%d/@v/list", f.Salt, n)
	}
	return fmt.Sprintf("/example.com/absent/%s%d/@v/v1.0.0.info", f.Salt, n)
}

// A runningFlood is a flood seen from the benchmark.
type runningFlood struct {
	*server
	lines *bufio.Reader
}

// startFlood starts a flood that takes only the processor time which the others leave: it stands for another machine.
func (l *lab) startFlood(s floodSettings) (*runningFlood, error) {
	srv, _, lines, err := l.startRole("flood", s, "nice", "-n", "19")
	return &runningFlood{srv, lines}, err
}

// end stops the flood and returns what it saw.
func (f *runningFlood) end() (floodResult, error) {
	var r floodResult
	f.in.Close()
	line, err := f.lines.ReadBytes('\n')
	f.stop()
	if err != nil {
		return r, f.failure("said nothing at its end")
	}
	return r, json.Unmarshal(line, &r)
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// A load is requests at a fixed rate, whatever the answers do: request i is due at
// start + i/rate, and a late answer does not make the next request later than that
// unless its connection is still busy, in which case the wait counts as latency
// (no coordinated omission). A generator that woke late by itself does not count.
type load struct {
	addr    string
	paths   []string          // asked in turn
	want    map[string][]byte // the only right answers
	rate    int               // a second
	conns   int
	lasting time.Duration
}

// run returns the latencies, sorted. A status that is not 200, or other bytes, is an error.
func (l load) run(ctx context.Context) ([]time.Duration, error) {
	perConn := int(l.lasting.Seconds() * float64(l.rate) / float64(l.conns))
	took := make([][]time.Duration, l.conns)
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now().Add(20 * time.Millisecond)
	for i := range l.conns {
		g.Go(func() error {
			var err error
			took[i], err = l.connection(ctx, i, perConn, start)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Sorted(slices.Values(slices.Concat(took...))), nil
}

// connection sends every conns-th request, beginning with the i-th.
func (l load) connection(ctx context.Context, i, n int, start time.Time) ([]time.Duration, error) {
	k, err := dialKeptConn(l.addr)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	took := make([]time.Duration, 0, n)
	var last time.Time
	for j := range n {
		seq := i + j*l.conns
		begin := start.Add(time.Duration(seq) * time.Second / time.Duration(l.rate))
		if last.Before(begin) {
			time.Sleep(time.Until(begin))
			begin = time.Now()
		}
		path := l.paths[seq%len(l.paths)]
		status, body, err := k.get(path)
		if err != nil {
			return nil, err
		}
		last = time.Now()
		took = append(took, last.Sub(begin))
		if status != http.StatusOK || !bytes.Equal(body, l.want[path]) {
			return nil, fmt.Errorf("%s: status %d, %d bytes; want 200 and the %d bytes of the fixture", path, status, len(body), len(l.want[path]))
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return took, nil
}

// A keptConn sends requests over one connection, one at a time, at little cost.
type keptConn struct {
	net.Conn
	r    *bufio.Reader
	host string
	out  []byte
	body bytes.Buffer
}

func dialKeptConn(addr string) (*keptConn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &keptConn{Conn: c, r: bufio.NewReaderSize(c, 32<<10), host: addr}, nil
}

// ask sends a request and returns the answer, whose body has to be read before the next.
func (k *keptConn) ask(path string) (*http.Response, error) {
	k.out = fmt.Appendf(k.out[:0], "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\n\r\n", path, k.host)
	if _, err := k.Write(k.out); err != nil {
		return nil, err
	}
	return http.ReadResponse(k.r, nil)
}

// get returns the status and the body, which is valid until the next get.
func (k *keptConn) get(path string) (int, []byte, error) {
	resp, err := k.ask(path)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	k.body.Reset()
	if _, err := io.Copy(&k.body, resp.Body); err != nil {
		return 0, nil, err
	}
	if resp.Close {
		err = fmt.Errorf("%s: the server closes the connection after status %d", path, resp.StatusCode)
	}
	return resp.StatusCode, k.body.Bytes(), err
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// idleSample is what connections that wait for their next request cost.
type idleSample struct {
	Proxy       string `json:"proxy"`
	Connections int    `json:"connections"`
	// KiB is the growth of the proxy's memory, for each connection. What the
	// kernel keeps for a socket is not in it.
	KiB float64 `json:"kibPerConnection"`
}

// measureIdle opens connections, sends a request on each, and looks what the
// proxy's memory has grown by.
func (b *bench) measureIdle(ctx context.Context, p proxy) (idleSample, error) {
	most, err := filesMax()
	if err != nil {
		return idleSample{}, err
	}
	m := idleSample{Proxy: p.name, Connections: min(b.options.idle, most-200)}
	if m.Connections < 1 {
		return m, fmt.Errorf("only %d files may be open: raise ulimit -n", most)
	}
	s, err := b.start(ctx, p, variantPlain)
	if err != nil {
		return m, err
	}
	defer s.Stop()
	before, err := b.settled(ctx, s)
	if err != nil {
		return m, err
	}
	for range m.Connections {
		conn, err := askOnce(s.address)
		if err != nil {
			return m, err
		}
		defer conn.Close() // after the measurement
	}
	after, err := b.settled(ctx, s)
	m.KiB = float64(after-before) / 1024 / float64(m.Connections)
	progress("idle connections  %-8s %.1f KiB each", p.name, m.KiB)
	return m, err
}

// settled is the proxy's memory after a rest, in which it may put its buffers
// away.
func (b *bench) settled(ctx context.Context, s *server) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-time.After(b.options.settle):
	}
	return memory(s.PID())
}

// askOnce sends a request on a new connection, and leaves that open.
func askOnce(address string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return nil, err
	}
	if err := ask(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func ask(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+conn.RemoteAddr().String()+"\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || n != bodyBytes || response.Close {
		return fmt.Errorf("status %d, %d bytes, closing %v", response.StatusCode, n, response.Close)
	}
	return nil
}

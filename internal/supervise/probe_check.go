package supervise

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

const (
	probeBodyMax      = 10 << 10
	probeHeaderMax    = 64 << 10
	probeRedirectsMax = 10
)

// checkHTTP asks the server at addr, on a connection of its own.
func checkHTTP(ctx context.Context, c *HTTPProbe, addr string) error {
	transport := &http.Transport{
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: probeHeaderMax,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: sameHost(addr)}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Scheme+"://"+addr+c.Path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "afloat-probe")
	req.Header.Set("Accept", "*/*")
	for name, value := range c.Headers {
		req.Header.Set(name, value)
		if strings.EqualFold(name, "Host") {
			req.Host = value
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("GET %s: %w", c.Path, plain(ctx, err))
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, probeBodyMax)); err != nil {
		return fmt.Errorf("GET %s: read body: %w", c.Path, plain(ctx, err))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return fmt.Errorf("GET %s: status %d", c.Path, resp.StatusCode)
	}
	return nil
}

// sameHost follows redirects that stay at addr; the others are answers themselves, and good ones.
func sameHost(addr string) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		if req.URL.Host != addr {
			return http.ErrUseLastResponse
		}
		if len(via) >= probeRedirectsMax {
			return fmt.Errorf("more than %d redirects", probeRedirectsMax)
		}
		return nil
	}
}

// checkTCP opens a connection to addr and closes it.
func checkTCP(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", addr)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", addr, plain(ctx, err))
	}
	return conn.Close()
}

var errNoAnswer = errors.New("no answer in time")

// plain is the cause of a network error, without what the caller says already.
func plain(ctx context.Context, err error) error {
	var errno syscall.Errno
	switch {
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		return errNoAnswer
	case errors.As(err, &errno):
		return errno
	}
	return err
}

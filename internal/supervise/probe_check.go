package supervise

import (
	"bytes"
	"cmp"
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

	"github.com/afloat-dev/afloat/internal/grpchealth"
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

// checkGRPC asks the server at addr for its health, in HTTP/2 without TLS on a connection of its own.
func checkGRPC(ctx context.Context, c *GRPCProbe, addr string) error {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, MaxResponseHeaderBytes: probeHeaderMax}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+grpchealth.Path, bytes.NewReader(grpchealth.Request(c.Service)))
	if err != nil {
		return err
	}
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"afloat-probe"}}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("grpc health: %w", plain(ctx, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("grpc health: status %d", resp.StatusCode)
	}
	message, err := io.ReadAll(io.LimitReader(resp.Body, grpchealth.AnswerMax))
	if err != nil {
		return fmt.Errorf("grpc health: %w", plain(ctx, err))
	}
	// An answer without a message has its status in the header.
	status := cmp.Or(resp.Trailer.Get("Grpc-Status"), resp.Header.Get("Grpc-Status"))
	if status != "0" {
		return fmt.Errorf("grpc health: grpc-status %q: %s", status, cmp.Or(resp.Trailer.Get("Grpc-Message"), resp.Header.Get("Grpc-Message")))
	}
	if err := grpchealth.Answer(message); err != nil {
		return fmt.Errorf("grpc health: %w", err)
	}
	return nil
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

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
	"github.com/afloat-dev/afloat/internal/freeport"
)

// bodyBytes is the size of the service's answer.
const bodyBytes = 1024

// origin is the service behind the proxies: an nginx that says the same always.
type origin struct {
	*rig.Process
	addresses []string
	status    string // where it counts its requests
}

func startOrigin(ctx context.Context, dir string) (*origin, error) {
	path, err := rig.Find(nginx)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	free, err := freeport.Addresses(3)
	if err != nil {
		return nil, err
	}
	o := &origin{addresses: free[:2], status: free[2]}
	_, port, _ := net.SplitHostPort(o.status)
	file := filepath.Join(dir, "nginx.conf")
	body := strings.Repeat("afloat. ", bodyBytes/8)
	err = writeTemplate(file, "origin.conf.tmpl", site{Dir: dir, Port: port, OriginList: o.addresses, Body: body})
	if err != nil {
		return nil, err
	}
	if o.Process, err = startProcess(loadCore, nil, path, "-e", "stderr", "-p", dir, "-c", file); err != nil {
		return nil, err
	}
	for _, address := range o.addresses {
		if err := awaitBody(ctx, o.Process, address, 10*time.Second); err != nil {
			o.Stop()
			return nil, err
		}
	}
	return o, nil
}

// requests is how many requests the origin has answered so far.
func (o *origin) requests(ctx context.Context) (n int64, err error) {
	_, text, err := get(ctx, o.status)
	if err != nil {
		return 0, err
	}
	lines := strings.Split(text, "\n")
	var accepts, handled int64
	if len(lines) < 3 {
		return 0, fmt.Errorf("the origin's status has no counters: %q", text)
	}
	if _, err := fmt.Sscan(lines[2], &accepts, &handled, &n); err != nil {
		return 0, fmt.Errorf("the origin's status has no counters: %w", err)
	}
	return n, nil
}

// awaitBody waits until the address gives the origin's answer.
func awaitBody(ctx context.Context, p *rig.Process, address string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		status, body, err := get(ctx, address)
		if err == nil && status == http.StatusOK && len(body) == bodyBytes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve (status %d, %v): %s", p.Name, status, err, p.Said())
		case <-p.Ended:
			return fmt.Errorf("%s ended: %s", p.Name, p.Said())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// get asks an address once, on a connection of its own.
func get(ctx context.Context, address string) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return 0, "", err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return response.StatusCode, string(text), err
}

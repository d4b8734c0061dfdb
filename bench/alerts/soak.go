package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

const (
	soakRate     = 50   // requests a second to each service
	soakFailures = 0.01 // of the answers of an endpoint, which are tried again elsewhere
	soakSlow     = 30 * time.Millisecond
	brokenShare  = 10              // of the time an endpoint is out of order
	outTold      = 5 * time.Minute // from which on that is told, as a P2
)

// soak runs an Afloat under what is normal and returns the notices that there
// were: a few answers fail and are tried again, one endpoint is slow, one is out
// of order for a tenth of the time and ejected, and the configuration changes, by
// which processes are replaced.
func soak(ctx context.Context, afloat string, d time.Duration) (notices []notice, err error) {
	dir, err := os.MkdirTemp("", "bench-alerts-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	h, err := newHook()
	if err != nil {
		return nil, err
	}
	defer func() { _ = h.server.Close() }()
	var broken atomic.Bool
	var endpoints []any
	for n := range 4 {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				time.Sleep(soakSlow)
			}
			if n == 0 && broken.Load() || rand.Float64() < soakFailures {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		defer s.Close()
		endpoints = append(endpoints, s.Listener.Addr().String())
	}
	web := fmt.Sprintf("{retry: {}, endpoints: ['%s', '%s', '%s', '%s']}", endpoints...)
	app := func(version int) string {
		return fmt.Sprintf("{process: {command: ['%s', sample], env: {VERSION: '%d'}, replicas: 2}}", afloat, version)
	}
	listen, stop, err := start(afloat, dir, "{web: "+web+", app: "+app(1)+"}\nroutes: [{match: [{path: {prefix: /app}}], to: [{service: app}]}, {to: [{service: web}]}]", h.url)
	if err != nil {
		return nil, err
	}
	defer stop()
	loading, end := context.WithCancel(ctx)
	defer end()
	go load(loading, "http://"+listen, soakRate)
	go load(loading, "http://"+listen+"/app", soakRate)

	file := filepath.Join(dir, "afloat.yaml")
	for n, change := range []func() error{
		func() error { return nil },
		func() error { broken.Store(true); return nil },
		func() error { broken.Store(false); return nil },
		func() error {
			before, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return os.WriteFile(file, []byte(strings.Replace(string(before), app(1), app(2), 1)), 0o600)
		},
	} {
		if err := change(); err != nil {
			return nil, err
		}
		wait := d * 3 / 10
		if n == 1 {
			wait = d / brokenShare
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
	return h.rest(), nil
}

// check is the soak and two outages, of which each is told once and its end once;
// how fast says the measurement alone.
func check(ctx context.Context, afloat string, d time.Duration) error {
	notices, err := soak(ctx, afloat, d)
	if err != nil {
		return err
	}
	wrong := 0
	for _, n := range notices {
		fmt.Println(n)
		if d/brokenShare < outTold || !n.only("EndpointOut", "P2") {
			wrong++
		}
	}
	fmt.Printf("%v of what is normal: %d notices, %d of them of nothing\n", d, len(notices), wrong)
	if wrong > 0 {
		return fmt.Errorf("somebody was told %d times of nothing", wrong)
	}
	const outages = 2
	r, err := measure(ctx, afloat, faults[0], faults[0].rates[1], outages)
	if err != nil {
		return err
	}
	fmt.Printf("%d outages: %d notices\n", outages, r.notices)
	if r.notices != 2*outages {
		return fmt.Errorf("%d outages were told by %d notices", outages, r.notices)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/afloat-dev/afloat/bench/rig"
)

// Who runs where: the proxy has a core for itself.
const (
	proxyCore = 0
	loadCore  = 1
)

// bench is one run of the whole measurement.
type bench struct {
	options options
	dir     string // for what is built and written; removed at the end
	wrk     string
	proxies []proxy
	origin  *origin
	script  string // what wrk reports with
	logs    *logs
}

func newBench(ctx context.Context, o options) (b *bench, err error) {
	if err := checkMachine(); err != nil {
		return nil, err
	}
	b = &bench{options: o}
	if b.dir, err = os.MkdirTemp("", "afloat-bench"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := os.Chmod(b.dir, 0o755); err != nil { // nginx's worker may run as another user
		return nil, err
	}
	if b.wrk, err = rig.Find("wrk"); err != nil {
		return nil, err
	}
	if b.proxies, err = findProxies(ctx, o, b.dir); err != nil {
		return nil, err
	}
	if b.logs, err = openLogs(b.dir); err != nil {
		return nil, err
	}
	b.script = filepath.Join(b.dir, "report.lua")
	if err := writeTemplate(b.script, "report.lua", site{}); err != nil {
		return nil, err
	}
	b.origin, err = startOrigin(ctx, filepath.Join(b.dir, "origin"))
	return b, err
}

func checkMachine() error {
	if runtime.GOOS != "linux" {
		return errors.New("CPU time is read from Linux's /proc: run this on Linux")
	}
	if runtime.NumCPU() < 2 {
		return errors.New("needs two cores: one for the proxy, one for the load")
	}
	return nil
}

// close stops what runs and removes what was written.
func (b *bench) close() {
	if b.origin != nil {
		b.origin.Stop()
	}
	if b.logs != nil {
		b.logs.close()
	}
	_ = os.RemoveAll(b.dir) // in the system's temporary directory: it may stay
}

// measure runs all rounds. The proxies take turns, so that a disturbance that
// lasts hits all of them.
func (b *bench) measure(ctx context.Context) (*report, error) {
	r := newReport(b)
	for round := range b.options.rounds {
		for _, variant := range variants {
			for i := range b.proxies {
				p := b.proxies[(round+i)%len(b.proxies)]
				if !slices.Contains(p.variants, variant) {
					continue
				}
				samples, err := b.visit(ctx, p, variant, round)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", p.name, variant, err)
				}
				r.Samples = append(r.Samples, samples...)
			}
		}
	}
	if err := b.measurePaced(ctx, r); err != nil {
		return nil, err
	}
	if b.options.idle > 0 {
		for _, p := range b.proxies {
			if !p.compared() {
				continue
			}
			m, err := b.measureIdle(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("%s, idle connections: %w", p.name, err)
			}
			r.Idle = append(r.Idle, m)
		}
	}
	return r, r.summarize()
}

// visit starts a proxy, warms it up and measures it with each number of
// connections.
func (b *bench) visit(ctx context.Context, p proxy, variant string, round int) ([]sample, error) {
	s, err := b.start(ctx, p, variant)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	if b.options.warmup > 0 {
		if _, err := b.load(ctx, s.address, b.options.connections[0], b.options.warmup); err != nil {
			return nil, err
		}
	}
	var all []sample
	for _, n := range b.options.connections {
		one, err := b.sample(ctx, s, n)
		if err != nil {
			return nil, err
		}
		one.Proxy, one.Variant, one.Round, one.Connections = p.name, variant, round+1, n
		progress("round %d/%d  %-8s %-8s %3d connections  %s", round+1, b.options.rounds, variant, p.name, n, one)
		all = append(all, one)
	}
	return all, nil
}

// progress tells who waits where the measurement is.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

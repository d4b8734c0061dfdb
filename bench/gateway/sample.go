package main

import (
	"context"
	"fmt"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
)

// sample is one measurement.
type sample struct {
	Variant     string `json:"variant"`
	Proxy       string `json:"proxy"`
	Connections int    `json:"connections"`
	Round       int    `json:"round"`
	Requests    int64  `json:"requests"`
	// Void says why the measurement does not count; empty when it does.
	Void string `json:"void,omitempty"`
	// CPU is what 100,000 requests cost the proxy, in seconds.
	CPU float64 `json:"cpuSecondsPer100k"`
	// Rate is in requests per second.
	Rate float64 `json:"requestsPerSecond"`
	// P50 and P99 are times until the answer, in milliseconds.
	P50 float64 `json:"p50Milliseconds"`
	P99 float64 `json:"p99Milliseconds"`
	// Memory is what the proxy had at the end, in MiB.
	Memory float64 `json:"memoryMiB"`
	// Others is the share of the proxy's core that others used meanwhile.
	Others float64 `json:"othersShare"`
}

func (s sample) String() string {
	if s.Void != "" {
		return "void: " + s.Void
	}
	return fmt.Sprintf("%.2f CPU-s per 100k  %6.0f/s  others took %.0f%% of the core", s.CPU, s.Rate, 100*s.Others)
}

// gauges are read before and after a measurement.
type gauges struct {
	cpu         time.Duration // of the proxy
	busy, total time.Duration // of its core
	served      int64         // by the origin
}

func (b *bench) read(ctx context.Context, s *server) (g gauges, err error) {
	if g.served, err = b.origin.requests(ctx); err != nil {
		return g, err
	}
	if g.busy, g.total, err = rig.Busy(proxyCore); err != nil {
		return g, err
	}
	g.cpu, err = rig.CPU(s.PID())
	return g, err
}

// sample measures a proxy once.
func (b *bench) sample(ctx context.Context, s *server, connections int) (sample, error) {
	before, err := b.read(ctx, s)
	if err != nil {
		return sample{}, err
	}
	r, err := b.load(ctx, s.address, connections, b.options.duration)
	if err != nil {
		return sample{}, err
	}
	after, err := b.read(ctx, s)
	if err != nil {
		return sample{}, err
	}
	bytes, err := memory(s.PID())
	if err != nil {
		return sample{}, err
	}
	used := after.cpu - before.cpu
	one := sample{
		Requests: r.Requests,
		Void:     fault(r, after.served-before.served, connections),
		CPU:      used.Seconds() * 100_000 / float64(max(r.Requests, 1)),
		Rate:     float64(r.Requests) * 1e6 / float64(max(r.Microseconds, 1)),
		P50:      float64(r.P50) / 1000,
		P99:      float64(r.P99) / 1000,
		Memory:   float64(bytes) / (1 << 20),
		Others:   max(0, float64(after.busy-before.busy-used)) / float64(max(after.total-before.total, 1)),
	}
	return one, nil
}

// fault says why a measurement does not count: an answer was not the origin's,
// or the origin did not do the same work as for the others.
func fault(r *loadResult, served int64, connections int) string {
	// Health checks, and requests under way at the end that wrk does not count.
	slack := int64(connections) + 100 + r.Requests/100
	switch {
	case r.errors() > 0:
		return fmt.Sprintf("%d answers of another status, %d failures to connect, %d to read, %d to write, %d timeouts",
			r.StatusErrors, r.ConnectErrors, r.ReadErrors, r.WriteErrors, r.Timeouts)
	case r.Requests == 0:
		return "no request was answered"
	case r.Bytes < r.Requests*bodyBytes:
		return fmt.Sprintf("answers were %d bytes long on average", r.Bytes/r.Requests)
	case served < r.Requests || served > r.Requests+slack:
		return fmt.Sprintf("the origin served %d requests for %d", served, r.Requests)
	}
	return ""
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
)

// pacedSample is how long answers take when requests come at a rate that all
// proxies can take: half of what HAProxy answers at most, or what the load can
// send where that is less, in an open loop, each time from when the request was
// due.
type pacedSample struct {
	Proxy string `json:"proxy"`
	Round int    `json:"round"`
	// Rate is in requests per second.
	Rate float64 `json:"requestsPerSecond"`
	// Void says why the measurement does not count; empty when it does.
	Void string `json:"void,omitempty"`
	// P50, P99 and Lag99 are in milliseconds. Lag99 is the part of P99 that the
	// load itself was late.
	P50   float64 `json:"p50Milliseconds"`
	P99   float64 `json:"p99Milliseconds"`
	Lag99 float64 `json:"lag99Milliseconds"`
}

// compared is whether the proxy is one of those that Afloat wants to equal.
func (p *proxy) compared() bool { return p.name == afloat || p.name == haproxy || p.name == nginx }

// measurePaced measures the proxies with their policies, in turns.
func (b *bench) measurePaced(ctx context.Context, r *report) error {
	most, err := r.row(variantPolicies, b.options.connections[0], haproxy)
	if err != nil {
		return err
	}
	rate, err := b.bearable(ctx, most.Rate/2)
	if err != nil {
		return err
	}
	for round := range b.options.rounds {
		for i := range b.proxies {
			p := b.proxies[(round+i)%len(b.proxies)]
			if !p.compared() {
				continue
			}
			one, err := b.paced(ctx, p, rate)
			if err != nil {
				return fmt.Errorf("%s, paced: %w", p.name, err)
			}
			one.Proxy, one.Round, one.Rate = p.name, round+1, rate
			progress("round %d/%d  paced    %-8s %s", round+1, b.options.rounds, p.name, one)
			r.Paced = append(r.Paced, one)
		}
	}
	return nil
}

// bearable is the highest rate, at most this one and at least a quarter of it,
// at which the load sends everything through HAProxy. It shares a core with the
// origin, and may be slower than what it measures.
func (b *bench) bearable(ctx context.Context, most float64) (float64, error) {
	at := slices.IndexFunc(b.proxies, func(p proxy) bool { return p.name == haproxy }) // there is a row of it
	for rate := most; ; rate *= 0.8 {
		s, err := b.paced(ctx, b.proxies[at], rate)
		if err != nil {
			return 0, fmt.Errorf("haproxy, paced: %w", err)
		}
		s.Rate = rate
		progress("paced     haproxy  trying %s", s)
		if s.Void == "" || rate < most/4 {
			return math.Floor(rate), nil
		}
	}
}

func (s pacedSample) String() string {
	if s.Void != "" {
		return "void: " + s.Void
	}
	return fmt.Sprintf("%.0f/s  p50 %.2f ms  p99 %.2f ms, of which the load was late %.2f ms", s.Rate, s.P50, s.P99, s.Lag99)
}

// paced measures a proxy once, with the load in a process of its own.
func (b *bench) paced(ctx context.Context, p proxy, rate float64) (pacedSample, error) {
	s, err := b.start(ctx, p, variantPolicies)
	if err != nil {
		return pacedSample{}, err
	}
	defer s.Stop()
	self, err := os.Executable()
	if err != nil {
		return pacedSample{}, err
	}
	load, err := startProcess(loadCore, []string{"GOMAXPROCS=1", pacing + "=1"}, self, s.address, fmt.Sprint(rate),
		b.options.duration.String(), strconv.Itoa(b.options.connections[0]))
	if err != nil {
		return pacedSample{}, err
	}
	defer load.Stop()
	select {
	case <-load.Ended:
	case <-ctx.Done():
		return pacedSample{}, context.Cause(ctx)
	case <-time.After(b.options.duration + 20*time.Second):
		return pacedSample{}, errors.New("the load does not end")
	}
	var stats capacity.Stats
	if err := json.Unmarshal([]byte(load.Said()), &stats); err != nil {
		return pacedSample{}, fmt.Errorf("the load's report: %w: %s", err, load.Said())
	}
	return newPacedSample(stats), nil
}

func newPacedSample(s capacity.Stats) pacedSample {
	one := pacedSample{P50: milliseconds(s.Latency.P50), P99: milliseconds(s.Latency.P99), Lag99: milliseconds(s.Lag.P99)}
	if s.OK < s.Requests-s.Pending || s.OK == 0 {
		one.Void = fmt.Sprintf("of %d requests %d failed, %d were refused and %d never sent", s.Requests, s.Failed, s.Shed, s.Overrun)
	}
	return one
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// pacing is the variable of the environment in which this program is the load.
const pacing = "AFLOAT_BENCH_PACED"

// pace sends requests to ADDRESS at RATE for DURATION on CONNECTIONS, and
// writes what became of them.
func pace(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 4 {
		return errors.New("ADDRESS RATE DURATION CONNECTIONS")
	}
	rate, err1 := strconv.ParseFloat(args[1], 64)
	duration, err2 := time.ParseDuration(args[2])
	connections, err3 := strconv.Atoi(args[3])
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	// Connections are made and programs warmed up before what counts.
	load := capacity.Load{Targets: []string{"http://" + args[0] + "/"}, Rate: rate, Connections: connections, Duration: time.Second}
	load.InFlightMax = max(int(rate/10), connections) // what waits for a connection for longer than that is never caught up with
	if _, err := drive(ctx, load); err != nil {
		return err
	}
	load.Duration = duration
	stats, err := drive(ctx, load)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(stats)
}

func drive(ctx context.Context, load capacity.Load) (capacity.Stats, error) {
	recorder := capacity.NewRecorder()
	generator, err := capacity.NewGenerator(load, recorder)
	if err != nil {
		return capacity.Stats{}, err
	}
	if err := generator.Serve(ctx); err != nil {
		return capacity.Stats{}, err
	}
	return recorder.Total(), nil
}

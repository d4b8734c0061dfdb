package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/control/rollout"
)

// proof is a promise and how it is shown. What was measured comes in words.
type proof struct {
	name, promise string
	prove         func(ctx context.Context, dir, path string, s size) (found string, holds bool, err error)
}

var proofs = []proof{
	{"canary: half of its requests fail, weight 5%, 200 requests/s", "at most 12 user errors in p99 of the releases, weight 0 within 5 s", badCanary(0.05, 0.5, 12)},
	{"canary: a tenth fail, weight 10%, 200 requests/s", "at most 20 user errors in p99 of the releases", badCanary(0.1, 0.1, 20)},
	{"abort: weight 50%, 500 requests/s", "the last request to the new version at most 100 ms after it", aborts},
	{"rolling: 3 replicas, in a row, with bodies, slow bodies, sockets and event streams", "0 failures, p99 at most 1.5 times that of a steady time, always 3 ready and at most 4 replicas", rolls},
}

// badCanary releases a version of which some requests fail, again and again.
func badCanary(weight, errors float64, most int) func(context.Context, string, string, size) (string, bool, error) {
	return func(ctx context.Context, dir, path string, s size) (string, bool, error) {
		a, err := start(ctx, dir, path, service{replicas: 2, rolling: "{}", release: fmt.Sprintf("{steps: [{weight: %v%%, hold: 1h}]}", 100*weight)})
		if err != nil {
			return "", false, err
		}
		defer a.process.Stop()
		var counts []int
		var took []time.Duration
		for i := range s.runs {
			version := fmt.Sprint("bad", i)
			u := come(ctx, a.listen, 200, plain)
			if err := a.begin(version, errors); err != nil {
				return "", false, err
			}
			r, err := a.ended(ctx)
			if err != nil {
				return "", false, err
			}
			u.leave()
			if r.Phase != rollout.PhaseAborted || !strings.HasPrefix(r.Why, "the judge") || u.errors["v0"] > 0 {
				return "", false, fmt.Errorf("%s: %s; errors %v", r.Phase, r.Why, u.errors)
			}
			counts = append(counts, u.errors[version])
			took = append(took, u.last[version].Sub(u.first[version]))
		}
		slices.Sort(counts)
		p99 := counts[min(int(0.99*float64(len(counts))), len(counts)-1)]
		found := fmt.Sprintf("%d releases: errors p50 %d, p99 %d, most %d; from its first request to its last p50 %.1f s, most %.1f s",
			len(counts), counts[len(counts)/2], p99, counts[len(counts)-1], quantile(took, 0.5).Seconds(), quantile(took, 1).Seconds())
		// How long it takes is a matter of errors per second, too.
		return found, p99 <= most && (errors < 0.5 || quantile(took, 1) < 5*time.Second), nil
	}
}

// aborts releases and aborts under load.
func aborts(ctx context.Context, dir, path string, s size) (string, bool, error) {
	a, err := start(ctx, dir, path, service{replicas: 2, rolling: "{}", release: "{steps: [{weight: 50%, gate: true}], unjudged: true}"})
	if err != nil {
		return "", false, err
	}
	defer a.process.Stop()
	var late []time.Duration
	failures, example := 0, ""
	for i := range min(s.runs, 20) {
		version := fmt.Sprint("new", i)
		u := come(ctx, a.listen, 500, plain)
		if err := a.begin(version, 0); err != nil {
			return "", false, err
		}
		if err := a.until(ctx, func() bool {
			r, err := a.release()
			return err == nil && strings.Contains(r.Why, "gate")
		}); err != nil {
			return "", false, err
		}
		time.Sleep(300 * time.Millisecond) // of traffic to both
		asked := time.Now()
		if err := a.steer("abort", ""); err != nil {
			return "", false, err
		}
		if _, err := a.ended(ctx); err != nil {
			return "", false, err
		}
		u.leave()
		late = append(late, u.last[version].Sub(asked))
		if failures += len(u.failures); len(u.failures) > 0 {
			example = ", such as " + u.failures[0]
		}
	}
	found := fmt.Sprintf("%d aborts: the last request began p50 %.1f ms, at most %.1f ms after it was asked for; %d requests failed%s",
		len(late), ms(quantile(late, 0.5)), ms(quantile(late, 1)), failures, example)
	return found, quantile(late, 1) <= 100*time.Millisecond && failures == 0, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// restTime is between two releases in a row.
const restTime = 3 * time.Second

// rolls releases one version after the other while the load goes on.
func rolls(ctx context.Context, dir, path string, s size) (string, bool, error) {
	a, err := start(ctx, dir, path, service{replicas: 3, rolling: "{maxSurge: 1, maxUnavailable: 0, minReady: 100ms}", release: "{strategy: rolling}"})
	if err != nil {
		return "", false, err
	}
	defer a.process.Stop()
	sampled := sample(ctx, a, 3, 4) // in the steady time, too: to ask costs the machine something
	steady := come(ctx, a.listen, s.rate, mixed)
	time.Sleep(10 * time.Second)
	steady.leave()
	u := come(ctx, a.listen, s.rate, mixed)
	for i := range s.releases {
		time.Sleep(restTime)
		if err := a.begin(fmt.Sprint("v", i+1), 0); err != nil {
			return "", false, err
		}
		r, err := a.ended(ctx)
		if err != nil {
			return "", false, err
		}
		if r.Phase != rollout.PhaseComplete {
			return "", false, fmt.Errorf("%s: %s", r.Phase, r.Why)
		}
	}
	outside, samples := sampled()
	u.leave()
	total := 0
	for n := range maps.Values(u.requests) {
		total += n
	}
	before, during := quantile(steady.took, 0.99), quantile(u.took, 0.99)
	found := fmt.Sprintf("%d releases, %d requests at %d/s (%d with a body, %d of them slow, %d sockets, %d streams): %d failed; p99 %.1f ms, %.2f times the %.1f ms of a steady time; %d of %d samples outside the bounds",
		s.releases, total, s.rate, u.requests["post"]+u.requests["slow body"], u.requests["slow body"], u.requests["socket"], u.requests["events"],
		len(u.failures), ms(during), float64(during)/float64(before), ms(before), outside, samples)
	if len(u.failures) > 0 {
		found += ": " + strings.Join(u.failures[:min(3, len(u.failures))], "; ")
	}
	return found, len(u.failures) == 0 && outside == 0 && float64(during) <= 1.5*float64(before), nil
}

// sample looks every 10 ms how many replicas are ready and alive.
func sample(ctx context.Context, a *afloat, readyMin, aliveMax int) (stop func() (outside, samples int)) {
	ctx, cancel := context.WithCancel(ctx)
	ended, outside, samples := make(chan struct{}), 0, 0
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			ready, alive, err := a.replicas()
			if err != nil {
				continue
			}
			samples++
			if ready < readyMin || alive > aliveMax {
				outside++
			}
		}
	}()
	return func() (int, int) { cancel(); <-ended; return outside, samples }
}

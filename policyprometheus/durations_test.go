package policyprometheus

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/afloat-dev/afloat/policy"
)

// counted is how many calls of a class were measured.
func counted(t *testing.T, d *Durations, name string, class policy.Class) uint64 {
	t.Helper()
	var m dto.Metric
	if err := d.WithLabelValues(name, class.String()).(prometheus.Metric).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram().GetSampleCount()
}

func TestDurationsAreMeasuredByClass(t *testing.T) {
	d := NewDurations(DurationsConfig{NativeFactor: 1.1})
	breaker := must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 1}))
	chain := policy.Chain(d.Of("cart"), breaker)
	_, _ = policy.Do(t.Context(), chain, working)
	_, _ = policy.Do(t.Context(), chain, failing)
	_, _ = policy.Do(t.Context(), chain, working)
	for class, want := range map[policy.Class]uint64{policy.Success: 1, policy.Failure: 1, policy.Shed: 1, policy.Ignored: 0} {
		if n := counted(t, d, "cart", class); n != want {
			t.Errorf("%v: %d calls, want %d", class, n, want)
		}
	}
}

func TestDurationOfACallThatStaysOpenLastsUntilItsEnd(t *testing.T) {
	d := NewDurations(DurationsConfig{})
	_, ending, err := policy.Open(t.Context(), policy.Chain(d.Of("cart")), working, nil)
	if err != nil || counted(t, d, "cart", policy.Success) != 0 {
		t.Errorf("%v, and it was measured before its end", err)
	}
	ending.End(context.Canceled)
	if n := counted(t, d, "cart", policy.Failure); n != 1 {
		t.Errorf("%d failures, want the one that broke off", n)
	}
}

func TestDurationOfACallThatPanicsIsAFailures(t *testing.T) {
	d := NewDurations(DurationsConfig{})
	for _, end := range []func(){func() { panic("boom") }, runtime.Goexit} {
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() { _ = recover() }()
			_, _ = policy.Do(t.Context(), policy.Chain(d.Of("cart")), func(context.Context) (int, error) { end(); return 0, nil })
		})
		wg.Wait()
	}
	if n := counted(t, d, "cart", policy.Failure); n != 2 {
		t.Errorf("%d failures, want 2", n)
	}
}

func TestDurationOfAClassThatThereIsNotIsAFailures(t *testing.T) {
	d := NewDurations(DurationsConfig{})
	chain := policy.Chain(d.Of("cart")).Classified(func(context.Context, any, error) (policy.Class, time.Duration) { return policy.Shed + 1, 0 })
	if v, err := policy.Do(t.Context(), chain, working); v != 1 || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
	if n := counted(t, d, "cart", policy.Failure); n != 1 {
		t.Errorf("%d failures, want 1", n)
	}
}

func BenchmarkDurations(b *testing.B) {
	chain := policy.Chain(NewDurations(DurationsConfig{}).Of("cart"))
	x := new(int)
	fn := func(context.Context) (*int, error) { return x, nil }
	b.ReportAllocs()
	for b.Loop() {
		_, _ = policy.Do(b.Context(), chain, fn)
	}
}

func BenchmarkWithoutDurations(b *testing.B) {
	chain := policy.Chain()
	x := new(int)
	fn := func(context.Context) (*int, error) { return x, nil }
	b.ReportAllocs()
	for b.Loop() {
		_, _ = policy.Do(b.Context(), chain, fn)
	}
}

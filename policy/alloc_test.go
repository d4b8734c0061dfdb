package policy

import (
	"context"
	"testing"
)

func TestChainAllocatesNothing(t *testing.T) {
	breaker := mustBreaker(t, BreakerConfig{})
	bulkhead, err := NewBulkhead(BulkheadConfig{MaxConcurrent: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := Chain(mustRetry(t, RetryConfig{}), breaker, bulkhead)
	x := new(int)
	pointer := func(context.Context) (*int, error) { return x, nil }
	value := func(context.Context) (int, error) { return 1 << 20, nil }
	ctx := t.Context()
	// A garbage collection in between empties the pool; the average over many
	// runs, rounded down by AllocsPerRun, forgives it.
	if n := testing.AllocsPerRun(2000, func() { _, _ = Do(ctx, p, pointer) }); n != 0 && !raceEnabled {
		t.Errorf("a pointer result costs %v allocations, want 0", n)
	}
	if n := testing.AllocsPerRun(2000, func() { _, _ = Do(ctx, p, value) }); n > 1 && !raceEnabled {
		t.Errorf("a value result costs %v allocations, want 1", n)
	}
	if n := testing.AllocsPerRun(2000, func() {
		permit, _ := breaker.Allow()
		permit.Done(Success)
	}); n != 0 {
		t.Errorf("a breaker's permit costs %v allocations, want 0", n)
	}
}

func BenchmarkDoRetryBreaker(b *testing.B) {
	p := Chain(mustRetry(b, RetryConfig{}), mustBreaker(b, BreakerConfig{}))
	ctx := b.Context()
	x := new(int)
	fn := func(context.Context) (*int, error) { return x, nil }
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Do(ctx, p, fn)
	}
}

func BenchmarkBreakerPermit(b *testing.B) {
	breaker := mustBreaker(b, BreakerConfig{})
	b.ReportAllocs()
	for b.Loop() {
		p, _ := breaker.Allow()
		p.Done(Success)
	}
}

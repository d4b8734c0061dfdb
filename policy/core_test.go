package policy

import (
	"context"
	"errors"
	"testing"
)

func TestDoReturnsTheValue(t *testing.T) {
	b, _ := NewBreaker(BreakerConfig{})
	r, _ := NewRetry(RetryConfig{})
	p := Chain(r, b)
	n := 0
	v, err := Do(t.Context(), p, func(context.Context) (int, error) {
		if n++; n < 3 {
			return 0, errors.New("not yet")
		}
		return 42, nil
	})
	if v != 42 || err != nil || n != 3 {
		t.Fatalf("got %v, %v after %d tries", v, err, n)
	}
}

func BenchmarkRetryBreaker(b *testing.B) {
	br, _ := NewBreaker(BreakerConfig{})
	r, _ := NewRetry(RetryConfig{})
	p := Chain(r, br)
	ctx := b.Context()
	x := new(int)
	fn := func(context.Context) (*int, error) { return x, nil }
	b.ReportAllocs()
	for b.Loop() {
		Do(ctx, p, fn)
	}
}

func BenchmarkBreakerPermit(b *testing.B) {
	br, _ := NewBreaker(BreakerConfig{})
	b.ReportAllocs()
	for b.Loop() {
		p, _ := br.Allow()
		p.Done(Success)
	}
}

package policy

import (
	"context"
	"testing"
	"time"
)

// nested is the key of a value that stands for what a request carries along.
type nested int

// BenchmarkAcquire is what a place costs by the context that it is asked with.
func BenchmarkAcquire(b *testing.B) {
	request, cancel := context.WithCancel(b.Context())
	defer cancel()
	for i := range 4 {
		request = context.WithValue(request, nested(i), i)
	}
	timed, stop := context.WithTimeout(request, time.Hour)
	defer stop()
	adaptive := newAdaptive(b, AdaptiveConfig{})
	bulkhead := newBulkhead(b, BulkheadConfig{MaxConcurrent: 10})
	timeout := mustTimeout(b, TimeoutConfig{Timeout: time.Hour})
	x := new(int)
	fn := func(context.Context) (*int, error) { return x, nil }
	for name, ctx := range map[string]context.Context{"background": context.Background(), "request": request, "timed": timed} {
		b.Run("adaptive/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, _ := adaptive.Acquire(ctx)
				p.Done(Success)
			}
		})
		b.Run("bulkhead/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, _ := bulkhead.Acquire(ctx)
				p.Done(Success)
			}
		})
	}
	for name, p := range map[string]Policy{"adaptive": adaptive, "bulkhead": bulkhead} {
		chain := Chain(timeout, p)
		b.Run(name+"/timeout", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Do(request, chain, fn)
			}
		})
	}
}

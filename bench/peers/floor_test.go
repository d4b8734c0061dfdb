package peers

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkFloor is what the machine's own parts cost. A policy that needs the
// time cannot be cheaper than reading it.
func BenchmarkFloor(b *testing.B) {
	var n, m atomic.Int64
	var mu sync.Mutex
	base := time.Now()
	race(b, []arm{
		{"empty", func(context.Context) bool { return true }},
		{"atomic-add", func(context.Context) bool { return n.Add(1) > 0 }},
		{"mutex", func(context.Context) bool { mu.Lock(); defer mu.Unlock(); return true }},
		{"clock-and-two-atomics", func(context.Context) bool {
			n.Add(1)
			ok := time.Since(base) > 0
			m.Add(1)
			return ok
		}},
		{"time-since", func(context.Context) bool { return time.Since(base) > 0 }},
		{"time-now", func(context.Context) bool { return !time.Now().IsZero() }},
		{"with-timeout", func(ctx context.Context) bool {
			_, cancel := context.WithTimeout(ctx, time.Second)
			cancel()
			return true
		}},
	})
}

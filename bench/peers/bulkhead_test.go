package peers

import (
	"context"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	eapache "github.com/eapache/go-resiliency/semaphore"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"golang.org/x/sync/semaphore"
)

func bulkheads(tb testing.TB) []arm { return bulkheadsOf(tb, 0) }

// bulkheadsFull have one place, which is taken.
func bulkheadsFull(tb testing.TB) []arm {
	return bulkheadsOf(tb, 1)[:5] // the last, eapache's, would wait
}

func bulkheadsOf(tb testing.TB, taken int) []arm {
	places := 10
	if taken > 0 {
		places = taken
	}
	af := must[*policy.Bulkhead](tb)(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: places}))
	chain := policy.Chain(af)
	fs := bulkhead.New[*reply](uint(places))
	executor := failsafe.With(fs)
	xs := semaphore.NewWeighted(int64(places))
	ea := eapache.New(places, time.Second)
	for range taken {
		_, _ = af.TryAcquire()
		fs.TryAcquirePermit()
		xs.TryAcquire(1)
	}
	return []arm{
		{"permit/by=afloat", func(context.Context) bool {
			permit, err := af.TryAcquire()
			permit.Done(policy.Success)
			return err == nil
		}},
		{"permit/by=failsafe", func(context.Context) bool {
			if !fs.TryAcquirePermit() {
				return false
			}
			fs.ReleasePermit()
			return true
		}},
		{"permit/by=xsync", func(context.Context) bool {
			if !xs.TryAcquire(1) {
				return false
			}
			xs.Release(1)
			return true
		}},
		{"do/by=afloat", func(ctx context.Context) bool { _, err := policy.Do(ctx, chain, work); return err == nil }},
		{"do/by=failsafe", func(context.Context) bool { _, err := executor.Get(workAlone); return err == nil }},
		{"permit/by=eapache", func(context.Context) bool {
			if ea.Acquire() != nil {
				return false
			}
			ea.Release()
			return true
		}},
	}
}

package peers

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"golang.org/x/time/rate"
)

// keyedLimits is one limit for each key, and nothing for a key not yet seen.
type keyedLimits struct {
	name  string
	allow func(key string) bool
}

// emptyKeyedLimits have more tokens for a key than a run can use up, and room
// for that many keys.
func emptyKeyedLimits(tb testing.TB, keys int) []func() keyedLimits {
	const plenty = 1 << 30
	return []func() keyedLimits{
		func() keyedLimits {
			k := must[*policy.KeyedRateLimit](tb)(policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{
				Requests: 1, Per: time.Minute, Burst: 1e5, KeysMax: keys}))
			return keyedLimits{"permit/by=afloat", func(key string) bool { return k.Allow(key) == nil }}
		},
		func() keyedLimits {
			var limits sync.Map // as one would write it; it never forgets a key
			return keyedLimits{"permit/by=xtime", func(key string) bool {
				l, ok := limits.Load(key)
				if !ok {
					l, _ = limits.LoadOrStore(key, rate.NewLimiter(1, plenty))
				}
				return l.(*rate.Limiter).Allow()
			}}
		},
		func() keyedLimits {
			store := must[throttled.GCRAStoreCtx](tb)(memstore.NewCtx(keys))
			l := must[*throttled.GCRARateLimiterCtx](tb)(throttled.NewGCRARateLimiterCtx(store,
				throttled.RateQuota{MaxRate: throttled.PerDuration(1000, time.Second), MaxBurst: 1e6}))
			return keyedLimits{"permit/by=throttled", func(key string) bool {
				limited, _, err := l.RateLimitCtx(context.Background(), key, 1)
				return err == nil && !limited
			}}
		},
	}
}

// keyed are limits that know all keys already. Each call is for a key at
// random.
func keyed(keys int) func(testing.TB) []arm {
	return func(tb testing.TB) []arm {
		names := keyNames(keys)
		var arms []arm
		for _, empty := range emptyKeyedLimits(tb, keys) {
			limits := empty()
			for _, name := range names {
				limits.allow(name)
			}
			arms = append(arms, arm{limits.name, func(context.Context) bool {
				return limits.allow(names[rand.Uint32N(uint32(keys))])
			}})
		}
		return arms
	}
}

func keyNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "user-" + strconv.Itoa(i)
	}
	return names
}

// BenchmarkKeyedMemory reports the bytes that a million keys take, without the
// text of the keys, which the caller holds here.
func BenchmarkKeyedMemory(b *testing.B) {
	const keys = 1_000_000
	names := keyNames(keys)
	for _, empty := range emptyKeyedLimits(b, keys) {
		before := heap()
		limits := empty()
		b.Run(limits.name, func(b *testing.B) {
			for b.Loop() {
				for _, name := range names {
					limits.allow(name)
				}
			}
			b.ReportMetric(float64(heap()-before)/keys, "bytes/key")
		})
		runtime.KeepAlive(limits)
	}
	runtime.KeepAlive(names)
}

// heap is how many bytes are in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

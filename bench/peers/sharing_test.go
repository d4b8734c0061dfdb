package peers

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/sync/singleflight"
)

func BenchmarkSingleflight(b *testing.B) { race(b, singleflights(b)) }
func BenchmarkCacheHit(b *testing.B)     { race(b, cacheHits(b)) }

func TestSharingArmsDoTheirWork(t *testing.T) {
	for _, arm := range append(singleflights(t), cacheHits(t)...) {
		for range 100 {
			if !arm.run(t.Context()) {
				t.Errorf("%s: has no answer", arm.name)
				break
			}
		}
	}
}

// singleflights are calls that nobody shares: what the protection costs when
// all is well. A caller of afloat-leave may leave before the call is over, so
// the call runs on a goroutine of its own; x/sync's callers cannot leave.
func singleflights(tb testing.TB) []arm {
	af := must[*policy.Singleflight](tb)(policy.NewSingleflight(policy.SingleflightConfig{}))
	stays := policy.WithKey(context.Background(), "key")
	leaves, cancel := context.WithCancel(stays)
	tb.Cleanup(cancel)
	var xs singleflight.Group
	return []arm{
		{"do/by=afloat", func(context.Context) bool { _, err := policy.Do(stays, af, work); return err == nil }},
		{"do/by=afloat-leave", func(context.Context) bool { _, err := policy.Do(leaves, af, work); return err == nil }},
		{"do/by=xsync", func(context.Context) bool {
			_, err, _ := xs.Do("key", func() (any, error) { return answer, nil })
			return err == nil
		}},
	}
}

// cacheHits find their answer among ten thousand.
func cacheHits(tb testing.TB) []arm {
	const entries = 10_000
	af := must[*policy.Cache](tb)(policy.NewCache(policy.CacheConfig{TTL: time.Hour, EntriesMax: entries}))
	lru := expirable.NewLRU[string, *reply](entries, nil, time.Hour)
	for i := range entries {
		key := strconv.Itoa(i)
		if _, err := policy.Do(policy.WithKey(context.Background(), key), af, work); err != nil {
			tb.Fatal(err)
		}
		lru.Add(key, answer)
	}
	ctx := policy.WithKey(context.Background(), "4711")
	return []arm{
		{"do/by=afloat", func(context.Context) bool { r := af.Do(ctx, policy.Next{}); return r.Value == answer }},
		{"do/by=hashicorp", func(context.Context) bool { v, ok := lru.Get("4711"); return ok && v == answer }},
	}
}

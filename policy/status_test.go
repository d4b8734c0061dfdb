package policy

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

// foreign is a policy of another package, and shown one that has a status.
type (
	foreignPolicy struct{}
	shown         struct{ foreignPolicy }
)

func (foreignPolicy) Do(ctx context.Context, next Next) Result { return next.Do(ctx) }

func (shown) Describe() PolicyStatus {
	return PolicyStatus{Kind: "shown", State: "busy", Figures: struct{ URL, HTTPStatus string }{"u", "s"}}
}

// everyPolicy is a chain with all of them, each with a name.
func everyPolicy(t *testing.T) *Pipeline {
	fallback, err := FallbackWith(FallbackConfig{Name: "spare", LastGood: &LastGoodConfig{}})
	if err != nil {
		t.Fatal(err)
	}
	perHour := newRateLimit(t, RateLimitConfig{Name: "hour", Requests: 1, Per: time.Hour})
	perUser := newKeyed(t, KeyedRateLimitConfig{Name: "user", Requests: 10})
	return Chain(fallback,
		mustCache(t, CacheConfig{Name: "answers", StaleIfError: time.Hour}),
		mustSingleflight(t, SingleflightConfig{Name: "same"}),
		newRateLimit(t, RateLimitConfig{Name: "all", Requests: 100}),
		Chain(Limits{perHour.Limit(), perUser.Of("k")}),
		mustRetry(t, RetryConfig{Name: "again", Jitter: JitterNone}),
		mustHedge(t, HedgeConfig{Name: "twice"}),
		mustBreaker(t, BreakerConfig{Name: "cart", ConsecutiveFailures: 1}),
		mustKeyed(t, KeyedBreakerConfig{Breaker: BreakerConfig{Name: "tenants"}}),
		newBulkhead(t, BulkheadConfig{Name: "places", MaxConcurrent: 10}),
		newAdaptive(t, AdaptiveConfig{Name: "learned"}),
		mustThrottle(t, ThrottleConfig{Name: "spare"}),
		mustTimeout(t, TimeoutConfig{Name: "try", Timeout: 1500 * time.Millisecond}),
		newFault(t, FaultConfig{Name: "drill"}), foreignPolicy{}, shown{})
}

// TestStatusOfAPipelineIsReadable holds the JSON against a golden file. With
// -update it writes that.
func TestStatusOfAPipelineIsReadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := everyPolicy(t)
		ctx := WithKey(t.Context(), "k")
		for range 3 {
			_, _ = Do(ctx, p, failing)
		}
		time.Sleep(1250 * time.Millisecond)
		var shown []PolicyStatus
		for _, s := range p.Status() {
			if breaker, ok := s.Figures.(BreakerStatus); ok {
				breaker.RetryAfter = breaker.RetryAfter.Round(10 * time.Second) // the period is spread at random
				s.Figures = breaker
			}
			shown = append(shown, s)
		}
		got, err := json.MarshalIndent(shown, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", "status.json")
		if *update {
			if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
			t.Error(diff)
		}
	})
}

// TestStatusTellsWhatHoldsCallsBack drives policies into the states that have a
// word, and back.
func TestStatusTellsWhatHoldsCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bulkhead := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1})
		limit := newRateLimit(t, RateLimitConfig{Requests: 1})
		breakers := mustKeyed(t, KeyedBreakerConfig{KeysMax: 1, IdleAfter: time.Second})
		retry := mustRetry(t, RetryConfig{Budget: BudgetConfig{MinPerSecond: 0.1}})
		states := func() (all []string) {
			for _, s := range StatusOf(bulkhead, nil, limit, breakers, retry) {
				all = append(all, s.State)
			}
			return all
		}
		calm := []string{"ready", "ready", "ready", "ready"}
		if got := states(); !slices.Equal(got, calm) {
			t.Errorf("before: %v", got)
		}
		permit, _ := bulkhead.TryAcquire()
		_ = limit.Allow()
		breakers.Get("k")
		_, _ = Do(t.Context(), retry, failing)
		if got := states(); !slices.Equal(got, []string{"full", "limited", "keys-full", "spent"}) {
			t.Errorf("during: %v", got)
		}
		permit.Done(Success)
		time.Sleep(time.Minute)
		if err := breakers.Set(KeyedBreakerConfig{}); err != nil {
			t.Fatal(err)
		}
		if got := states(); !slices.Equal(got, calm) {
			t.Errorf("after: %v", got)
		}
	})
}

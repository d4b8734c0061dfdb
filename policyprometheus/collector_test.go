package policyprometheus

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/afloat-dev/afloat/policy"
)

func must[P any](p P, err error) P {
	if err != nil {
		panic(err)
	}
	return p
}

func failing(context.Context) (int, error) { return 0, errors.New("down") }
func working(context.Context) (int, error) { return 1, nil }

// all is a chain with every kind of policy, two of them twice.
func all() *policy.Pipeline {
	keyed := must(policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Requests: 1000}))
	hourly := must(policy.NewRateLimit(policy.RateLimitConfig{Name: "hour", Requests: 1000, Per: time.Hour}))
	return policy.Chain(policy.FallbackValue(2),
		must(policy.NewCache(policy.CacheConfig{})),
		must(policy.NewSingleflight(policy.SingleflightConfig{})),
		must(policy.NewTimeout(policy.TimeoutConfig{})),
		policy.Limits{keyed.Of(""), hourly.Limit()},
		must(policy.NewRetry(policy.RetryConfig{Delay: 1})),
		must(policy.NewHedge(policy.HedgeConfig{})),
		must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 2})),
		must(policy.NewKeyedBreaker(policy.KeyedBreakerConfig{})),
		must(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 10})),
		must(policy.NewAdaptive(policy.AdaptiveConfig{})),
		must(policy.NewThrottle(policy.ThrottleConfig{})),
		must(policy.NewTimeout(policy.TimeoutConfig{Timeout: time.Second})),
		must(policy.NewFault(policy.FaultConfig{})))
}

func TestCollectorKeepsTheConventions(t *testing.T) {
	c := NewCollector()
	c.Add("cart", all())
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if err := prometheus.NewPedanticRegistry().Register(c); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(NewDurations(DurationsConfig{})); err != nil || len(problems) > 0 {
		t.Errorf("durations: %v, %v", problems, err)
	}
	// Every metric that is described comes from a policy of the chain.
	described := make(chan *prometheus.Desc, 100)
	c.Describe(described)
	close(described)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(gathered) != len(described) {
		t.Errorf("%d metrics of %d have a value", len(gathered), len(described))
	}
}

func TestCollectorReadsWhatHappened(t *testing.T) {
	chain := all()
	c := NewCollector()
	c.Add("cart", chain)
	if _, err := policy.Do(t.Context(), chain, failing); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP afloat_policy_breaker_state The state of the breaker: 1 for the one that holds.
# TYPE afloat_policy_breaker_state gauge
afloat_policy_breaker_state{name="cart",policy="breaker",state="closed"} 0
afloat_policy_breaker_state{name="cart",policy="breaker",state="half-open"} 0
afloat_policy_breaker_state{name="cart",policy="breaker",state="open"} 1
afloat_policy_breaker_state{name="cart",policy="breaker",state="ramping-up"} 0
# HELP afloat_policy_fallbacks_total Results that were replaced.
# TYPE afloat_policy_fallbacks_total counter
afloat_policy_fallbacks_total{name="cart",policy="fallback"} 1
# HELP afloat_policy_rate_limit_per_second Calls a second that are allowed.
# TYPE afloat_policy_rate_limit_per_second gauge
afloat_policy_rate_limit_per_second{name="cart",policy="ratelimit"} 1000
afloat_policy_rate_limit_per_second{name="cart/hour",policy="ratelimit"} 0.2777777777777778
# HELP afloat_policy_rejected_total Calls that the policy refused, by reason.
# TYPE afloat_policy_rejected_total counter
afloat_policy_rejected_total{name="cart",policy="adaptive",reason="overloaded"} 0
afloat_policy_rejected_total{name="cart",policy="breaker",reason="isolated"} 0
afloat_policy_rejected_total{name="cart",policy="breaker",reason="open"} 1
afloat_policy_rejected_total{name="cart",policy="bulkhead",reason="full"} 0
afloat_policy_rejected_total{name="cart",policy="ratelimit",reason="deadline"} 0
afloat_policy_rejected_total{name="cart",policy="ratelimit",reason="limited"} 0
afloat_policy_rejected_total{name="cart",policy="throttle",reason="throttled"} 0
afloat_policy_rejected_total{name="cart",policy="timeout",reason="abandoned"} 0
afloat_policy_rejected_total{name="cart",policy="timeout",reason="running"} 0
afloat_policy_rejected_total{name="cart-2",policy="breaker",reason="isolated"} 0
afloat_policy_rejected_total{name="cart-2",policy="breaker",reason="open"} 0
afloat_policy_rejected_total{name="cart-2",policy="timeout",reason="abandoned"} 0
afloat_policy_rejected_total{name="cart-2",policy="timeout",reason="running"} 0
afloat_policy_rejected_total{name="cart/hour",policy="ratelimit",reason="deadline"} 0
afloat_policy_rejected_total{name="cart/hour",policy="ratelimit",reason="limited"} 0
# HELP afloat_policy_retries_total Tries after a call's first.
# TYPE afloat_policy_retries_total counter
afloat_policy_retries_total{name="cart",policy="retry"} 2
# HELP afloat_policy_timeout_seconds How long a call may take.
# TYPE afloat_policy_timeout_seconds gauge
afloat_policy_timeout_seconds{name="cart",policy="timeout"} 10
afloat_policy_timeout_seconds{name="cart-2",policy="timeout"} 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "afloat_policy_breaker_state", "afloat_policy_fallbacks_total",
		"afloat_policy_rate_limit_per_second", "afloat_policy_rejected_total", "afloat_policy_retries_total", "afloat_policy_timeout_seconds"); err != nil {
		t.Error(err)
	}
}

func TestKeysMakeNoSeries(t *testing.T) {
	breakers := must(policy.NewKeyedBreaker(policy.KeyedBreakerConfig{Breaker: policy.BreakerConfig{ConsecutiveFailures: 1}}))
	limits := must(policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Requests: 1}))
	c := NewCollector()
	c.Add("tenants", breakers, limits)
	before := testutil.CollectAndCount(c)
	for i := range 1000 {
		ctx := policy.WithKey(t.Context(), strconv.Itoa(i))
		_, _ = policy.Do(ctx, breakers, failing)
		_, _ = policy.Do(ctx, limits, working)
	}
	if after := testutil.CollectAndCount(c); before != after || before == 0 {
		t.Errorf("%d series, then %d", before, after)
	}
	want := "# HELP afloat_policy_breakers_not_closed Keys whose breaker is not closed.\n# TYPE afloat_policy_breakers_not_closed gauge\n" +
		`afloat_policy_breakers_not_closed{name="tenants",policy="breaker"} 1000` + "\n"
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "afloat_policy_breakers_not_closed"); err != nil {
		t.Error(err)
	}
}

func TestSharedPolicyCountsOnce(t *testing.T) {
	retry := must(policy.NewRetry(policy.RetryConfig{Name: "shared"}))
	c := NewCollector()
	c.Add("a", policy.Chain(retry))
	c.Add("b", policy.Chain(retry))
	want := "# HELP afloat_policy_retries_total Tries after a call's first.\n# TYPE afloat_policy_retries_total counter\n"
	for _, name := range []string{"a/shared", "b/shared"} {
		line := `afloat_policy_retries_total{name="` + name + `",policy="retry"} 0` + "\n"
		if err := testutil.CollectAndCompare(c, strings.NewReader(want+line), "afloat_policy_retries_total"); err != nil {
			t.Error(err)
		}
		c.Remove("a") // the second name takes over
	}
	c.Add("b", policy.Chain())
	if n := testutil.CollectAndCount(c); n != 0 {
		t.Errorf("%d series of no policies", n)
	}
}

// wrapping is a policy of somebody else's, which holds one that cannot be a key.
type wrapping struct{ inner policy.Policy }

func (w wrapping) Do(ctx context.Context, next policy.Next) policy.Result {
	return w.inner.Do(ctx, next)
}

// TestCollectorReadsPoliciesThatCannotBeCompared does not panic at a scrape.
func TestCollectorReadsPoliciesThatCannotBeCompared(t *testing.T) {
	limits := policy.Limits{must(policy.NewRateLimit(policy.RateLimitConfig{Requests: 1})).Limit()}
	c := NewCollector()
	c.Add("shop", wrapping{limits}, limits, wrapping{policy.FallbackValue(1)})
	if n := testutil.CollectAndCount(c); n == 0 {
		t.Error("nothing is told")
	}
}

// TestLimitsOfOneSourceCountOnce, as those of two keys together do.
func TestLimitsOfOneSourceCountOnce(t *testing.T) {
	keyed := must(policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Requests: 1, Per: time.Hour}))
	both := policy.Limits{keyed.Of("a"), keyed.Of("b"), {}}
	for range 3 {
		_ = both.Allow()
	}
	c := NewCollector()
	c.Add("shop", both, keyed.Of("c"), keyed)
	want := `# HELP afloat_policy_rejected_total Calls that the policy refused, by reason.
# TYPE afloat_policy_rejected_total counter
afloat_policy_rejected_total{name="shop",policy="ratelimit",reason="deadline"} 0
afloat_policy_rejected_total{name="shop",policy="ratelimit",reason="limited"} 2
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "afloat_policy_rejected_total"); err != nil {
		t.Error(err)
	}
}

// TestReasonsOfRefusalsAreToldApart has a breaker refuse because it is open, and
// because its callee is isolated, and a timeout because too much runs.
func TestReasonsOfRefusalsAreToldApart(t *testing.T) {
	breaker := must(policy.NewBreaker(policy.BreakerConfig{}))
	for n, hold := range []func(){func() { breaker.Force(true, "a test") }, func() { breaker.Isolate("a test") }} {
		hold()
		for range n + 1 {
			_, _ = breaker.Allow()
		}
	}
	timeout := must(policy.NewTimeout(policy.TimeoutConfig{Detached: true, RunningMax: 1}))
	running, release := make(chan bool), make(chan bool)
	go func() {
		_, _ = policy.Do(t.Context(), timeout, func(context.Context) (int, error) { running <- true; <-release; return 1, nil })
		running <- false
	}()
	<-running
	_, _ = policy.Do(t.Context(), timeout, working)
	close(release)
	<-running
	c := NewCollector()
	c.Add("shop", breaker, timeout)
	want := `# HELP afloat_policy_rejected_total Calls that the policy refused, by reason.
# TYPE afloat_policy_rejected_total counter
afloat_policy_rejected_total{name="shop",policy="breaker",reason="isolated"} 2
afloat_policy_rejected_total{name="shop",policy="breaker",reason="open"} 1
afloat_policy_rejected_total{name="shop",policy="timeout",reason="abandoned"} 0
afloat_policy_rejected_total{name="shop",policy="timeout",reason="running"} 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "afloat_policy_rejected_total"); err != nil {
		t.Error(err)
	}
}

package policy

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"
)

// extremes gives some of a Config's fields values from the ends of what their
// types hold.
func extremes(random *rand.Rand, v reflect.Value) {
	switch words, _ := v.Interface().(interface{ Enum() []string }); {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if random.IntN(3) == 0 {
				extremes(random, v.Field(i))
			}
		}
	case words != nil:
		v.SetString(someOf(random, words.Enum()...))
	case v.Kind() == reflect.Float64:
		v.SetFloat(someOf(random, -1, 1e-300, 1e-9, 0.5, 1, 3, 100, 1e7, 1e300, math.NaN(), math.Inf(1), math.Inf(-1)))
	case v.Type() == reflect.TypeFor[time.Duration]():
		v.SetInt(int64(someOf(random, math.MinInt64, -1, 1, time.Millisecond, time.Second, durationMax, durationMax+1, depthMax, math.MaxInt64)))
	case v.CanInt():
		v.SetInt(someOf[int64](random, math.MinInt64, -1, 1, 2, 10, 1000, math.MaxInt32, math.MaxInt64))
	case v.Kind() == reflect.Bool:
		v.SetBool(random.IntN(2) == 0)
	}
}

// extreme makes a policy of such a Config, uses it, and Sets another one in
// between. It returns nil when the Config was refused.
func extreme[C any, P Policy](t *testing.T, random *rand.Rand, build func(C) (P, error), set func(P, C) error) Policy {
	var c, other C
	extremes(random, reflect.ValueOf(&c).Elem())
	extremes(random, reflect.ValueOf(&other).Elem())
	defer func() {
		if v := recover(); v != nil {
			t.Errorf("%+v, then %+v: %v", c, other, v)
		}
	}()
	p, err := build(c)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(WithKey(t.Context(), "k"), time.Hour)
	defer cancel()
	for i := range 60 {
		if i == 30 {
			_ = set(p, other) // refused or not
		}
		if i%10 == 9 {
			time.Sleep(someOf(random, 1, time.Second, time.Hour, 2*depthMax))
		}
		failure := someOf(random, nil, errors.New("failed")) // drawn here: some policies call on goroutines of their own
		_, _ = Do(ctx, Policy(p), func(context.Context) (int, error) { return 0, failure })
		for _, s := range StatusOf(p) {
			if _, err := s.MarshalJSON(); err != nil {
				t.Errorf("%+v, then %+v: the status is %v", c, other, err)
			}
		}
	}
	return p
}

// A Config of any values is refused, or makes a policy that works.
func TestConfigAtItsExtremesIsRefusedOrWorks(t *testing.T) {
	made := make(map[reflect.Type]int)
	property(t, 300, func(t *testing.T, random *rand.Rand) {
		for _, p := range []Policy{
			extreme(t, random, NewBreaker, (*Breaker).Set),
			extreme(t, random, NewKeyedBreaker, (*KeyedBreaker).Set),
			extreme(t, random, NewRetry, (*Retry).Set),
			extreme(t, random, NewTimeout, (*Timeout).Set),
			extreme(t, random, NewBulkhead, (*Bulkhead).Set),
			extreme(t, random, NewAdaptive, (*Adaptive).Set),
			extreme(t, random, NewThrottle, (*Throttle).Set),
			extreme(t, random, NewHedge, (*Hedge).Set),
			extreme(t, random, NewCache, (*Cache).Set),
			extreme(t, random, NewSingleflight, (*Singleflight).Set),
			extreme(t, random, NewFault, (*Fault).Set),
			extreme(t, random, NewRateLimit, (*RateLimit).Set),
			extreme(t, random, NewKeyedRateLimit, (*KeyedRateLimit).Set),
		} {
			if p != nil {
				made[reflect.TypeOf(p)]++
			}
		}
	})
	if *firstSeed == 0 && len(made) < 13 {
		t.Errorf("only these came to be at all: %v", made)
	}
}

// TestSettingsAreNotMixed sets two configurations at once, again and again: what
// a policy then works by is one of them, and the one that it tells.
func TestSettingsAreNotMixed(t *testing.T) {
	keyed := newKeyed(t, KeyedRateLimitConfig{Requests: 1})
	bulkhead := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1})
	for range 20_000 {
		var both sync.WaitGroup
		for n := 1; n <= 2; n++ {
			both.Go(func() {
				if err := errors.Join(keyed.Set(KeyedRateLimitConfig{Requests: float64(n)}), bulkhead.Set(BulkheadConfig{MaxConcurrent: n})); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		told := keyed.config.Load().Requests
		if every := time.Duration(keyed.shape.Load().interval); every != time.Duration(float64(time.Second)/told) || keyed.others.config.Load().Requests != told {
			t.Fatalf("a limit by key of %v/s lets a call through every %v, and all others %v/s", told, every, keyed.others.config.Load().Requests)
		}
		if told := bulkhead.config.Load().MaxConcurrent; int(bulkhead.gate.limit.Load()) != told {
			t.Fatalf("a bulkhead of %d lets in %d", told, bulkhead.gate.limit.Load())
		}
	}
}

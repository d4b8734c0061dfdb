package policy_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// Many ask for the same at once; the callee is asked once.
func ExampleSingleflight() {
	flights, err := policy.NewSingleflight(policy.SingleflightConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	asked := 0
	price := func(context.Context) (int, error) {
		asked++
		for flights.Status().Joined < 9 { // until the other nine have come
			runtime.Gosched()
		}
		return 17, nil
	}
	var crowd sync.WaitGroup
	for range 10 {
		crowd.Go(func() {
			ctx := policy.WithKey(context.Background(), "price of apples")
			if _, err := policy.Do(ctx, flights, price); err != nil {
				fmt.Println(err)
			}
		})
	}
	crowd.Wait()
	fmt.Println("asked", asked, "time")
	// Output: asked 1 time
}

// An answer is given again while it is fresh, and when the callee fails, also
// when it no longer is.
func ExampleCache() {
	cache, err := policy.NewCache(policy.CacheConfig{TTL: time.Nanosecond, StaleIfError: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := policy.WithKey(context.Background(), "price of apples")
	first, err := policy.Do(ctx, cache, func(context.Context) (int, error) { return 17, nil })
	fmt.Println(first, err)
	stale, err := policy.Do(ctx, cache, func(context.Context) (int, error) { return 0, errors.New("no route to host") })
	fmt.Println(stale, err)
	// Output:
	// 17 <nil>
	// 17 <nil>
}

func ExampleFallbackLastGood() {
	lastGood, err := policy.FallbackLastGood(policy.LastGoodConfig{AgeMax: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := policy.WithKey(context.Background(), "price of apples")
	for _, down := range []bool{false, true} {
		price, err := policy.Do(ctx, lastGood, func(context.Context) (int, error) {
			if down {
				return 0, errors.New("no route to host")
			}
			return 17, nil
		})
		fmt.Println(price, err)
	}
	// Output:
	// 17 <nil>
	// 17 <nil>
}

// A tenant whose calls fail is shut out alone.
func ExampleKeyedBreaker() {
	breakers, err := policy.NewKeyedBreaker(policy.KeyedBreakerConfig{Breaker: policy.BreakerConfig{ConsecutiveFailures: 2}})
	if err != nil {
		fmt.Println(err)
		return
	}
	call := func(tenant string, answer error) error {
		ctx := policy.WithKey(context.Background(), tenant)
		_, err := policy.Do(ctx, breakers, func(context.Context) (int, error) { return 0, answer })
		return err
	}
	for range 3 {
		fmt.Println("acme:", call("acme", errors.New("database is gone")))
	}
	fmt.Println("other:", call("other", nil))
	// Output:
	// acme: database is gone
	// acme: database is gone
	// acme: breaker: circuit breaker is open
	// other: <nil>
}

// A callee that refuses everything is sent a call a second.
func ExampleThrottle() {
	throttle, err := policy.NewThrottle(policy.ThrottleConfig{K: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	refuse := func(context.Context) (int, error) { return 0, errors.New("too busy") }
	sent := 0
	for range 1000 {
		if _, err := policy.Do(context.Background(), throttle, refuse); !errors.Is(err, policy.ErrThrottled) {
			sent++
		}
	}
	fmt.Println("fewer than 100 of 1000 calls were sent:", sent < 100)
	// Output: fewer than 100 of 1000 calls were sent: true
}

// A function learns which try it is.
func ExampleAttempt() {
	retry, err := policy.NewRetry(policy.RetryConfig{Attempts: 2, Backoff: policy.BackoffFibonacci, Delay: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = policy.Do(context.Background(), retry, func(ctx context.Context) (int, error) {
		return 0, fmt.Errorf("replica %d is down", policy.Attempt(ctx))
	})
	fmt.Println(err)
	// Output: 3 tries failed (no attempts are left); 1: replica 1 is down; 2: replica 2 is down; 3: replica 3 is down
}

func ExampleCheck() {
	retry, err := policy.NewRetry(policy.RetryConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	breaker, err := policy.NewBreaker(policy.BreakerConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, warning := range policy.Check(breaker, retry) {
		fmt.Println(warning)
	}
	// Output: Breaker around Retry: the Breaker sees one result for several tries; put the Retry outside
}

// The policies in any order, and what they are in the end.
func ExampleOrdered() {
	breaker, err := policy.NewBreaker(policy.BreakerConfig{})
	retry, err2 := policy.NewRetry(policy.RetryConfig{})
	each, err3 := policy.NewTimeout(policy.TimeoutConfig{Timeout: time.Second})
	whole, err4 := policy.NewTimeout(policy.TimeoutConfig{Timeout: 5 * time.Second})
	if err := errors.Join(err, err2, err3, err4); err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range policy.InOrder(breaker, each, retry, whole) {
		fmt.Printf("%T\n", p)
	}
	fmt.Println(len(policy.Check(breaker, each, retry, whole)), "and", len(policy.Ordered(breaker, each, retry, whole).Check()), "warnings")
	// Output:
	// *policy.Timeout
	// *policy.Retry
	// *policy.Breaker
	// *policy.Timeout
	// 1 and 0 warnings
}

// What nobody waits for gives way where not all can be served.
func ExampleWithPriority() {
	adaptive, err := policy.NewAdaptive(policy.AdaptiveConfig{Min: 1, Initial: 1, Max: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	report := policy.WithPriority(context.Background(), policy.PrioritySheddable)
	fmt.Println(policy.Do(report, adaptive, func(ctx context.Context) (policy.Priority, error) { return policy.PriorityOf(ctx), nil }))
	// Output: sheddable <nil>
}

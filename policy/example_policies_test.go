package policy_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// A call that fails is made again, and what became of each try is told.
func ExampleRetry() {
	retry, err := policy.NewRetry(policy.RetryConfig{Attempts: 2, Delay: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = policy.Do(context.Background(), retry, func(context.Context) (int, error) {
		return 0, errors.New("connection refused")
	})
	fmt.Println(err)
	var tried *policy.RetryError
	fmt.Println(errors.As(err, &tried), errors.Is(err, policy.ErrAttempts))
	// Output:
	// 3 tries failed (no attempts are left); 1: connection refused; 2: connection refused; 3: connection refused
	// true true
}

// A program with a queue of its own asks whether to put a job back, and when it
// is due again.
func ExampleRetry_Begin() {
	retry, err := policy.NewRetry(policy.RetryConfig{Attempts: 5, Delay: time.Millisecond, DelayMax: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	tries, due := retry.Begin(), time.Now()
	for {
		retryAfter := time.Duration(0)
		if tries.Count() == 3 {
			retryAfter = time.Minute // so says the callee, and that is too long
		}
		wait, again, why := tries.Again(policy.Failure, retryAfter, 10*time.Second)
		if !again {
			fmt.Println("after", tries.Count(), "tries:", why)
			return
		}
		due = due.Add(wait)
	}
	// Output: after 3 tries: the callee asked to be left alone for too long
}

// The function's context ends in time. Detached, the caller gets away even from
// a function that does not look at its context.
func ExampleTimeout() {
	timeout, err := policy.NewTimeout(policy.TimeoutConfig{Timeout: time.Millisecond, Detached: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	released := make(chan struct{})
	defer close(released)
	_, err = policy.Do(context.Background(), timeout, func(context.Context) (int, error) {
		<-released
		return 0, nil
	})
	fmt.Println(err)
	fmt.Println(errors.Is(err, policy.ErrTimeout), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// timeout: no result within 1ms
	// true true
}

// A call that is slow is made once more beside itself; the loser is cancelled.
func ExampleHedge() {
	hedge, err := policy.NewHedge(policy.HedgeConfig{Delay: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	replicas := make(chan string, 2)
	replicas <- "slow"
	replicas <- "quick"
	answer, err := policy.Do(context.Background(), hedge, func(ctx context.Context) (string, error) {
		replica := <-replicas
		if replica == "slow" {
			<-ctx.Done()
			return "", ctx.Err()
		}
		return "from the " + replica + " one", nil
	})
	fmt.Println(answer, err)
	// Output: from the quick one <nil>
}

// A callee that fails is left alone for a while, and then tried carefully.
func ExampleBreaker() {
	breaker, err := policy.NewBreaker(policy.BreakerConfig{
		ConsecutiveFailures: 3, OpenDuration: time.Minute, Probes: 2, ProbeTimeout: 5 * time.Second, RampUp: 30 * time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 4 {
		_, err := policy.Do(context.Background(), breaker, func(context.Context) (int, error) {
			return 0, errors.New("no route to host")
		})
		fmt.Println(err)
	}
	// Output:
	// no route to host
	// no route to host
	// no route to host
	// breaker: circuit breaker is open
}

// A slow callee cannot take more than its share of what the program has.
func ExampleBulkhead() {
	bulkhead, err := policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	first, _ := bulkhead.TryAcquire()
	_, _ = bulkhead.TryAcquire()
	_, err = bulkhead.TryAcquire()
	fmt.Println(err)
	first.Done(policy.Success)
	_, err = bulkhead.TryAcquire()
	fmt.Println(err, bulkhead.Status().InFlight)
	// Output:
	// bulkhead: bulkhead is full
	// <nil> 2
}

// How many calls may run at once follows from how long they take. Where not all
// can be served, those that matter least are turned away.
func ExampleAdaptive() {
	adaptive, err := policy.NewAdaptive(policy.AdaptiveConfig{Initial: 1, Min: 1, Max: 100, QueueMax: 10, WaitMax: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := policy.WithPriority(context.Background(), policy.PrioritySheddable)
	running, err := adaptive.Acquire(ctx)
	fmt.Println(err)
	_, err = adaptive.Acquire(ctx)
	fmt.Println(err)
	running.Done(policy.Success)
	fmt.Println(adaptive.Status().InFlight, "of", adaptive.Status().Limit)
	// Output:
	// <nil>
	// adaptive: callee is overloaded
	// 0 of 1
}

// Three calls at once after a calm, and then one every twenty minutes.
func ExampleRateLimit() {
	limit, err := policy.NewRateLimit(policy.RateLimitConfig{Requests: 3, Per: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		if err := limit.Allow(); err != nil {
			fmt.Println(err)
		}
	}
	err = limit.Allow()
	var rejected *policy.Rejected
	fmt.Println(err, errors.As(err, &rejected))
	fmt.Println("again in", rejected.RetryAfter.Round(time.Minute))
	// Output:
	// ratelimit: rate limit is reached true
	// again in 20m0s
}

// A default stands in for a callee that fails.
func ExampleFallback() {
	fallback := policy.NewFallback(func(_ context.Context, r policy.Result) policy.Result {
		fmt.Println("instead of:", r.Err)
		return policy.Result{Value: []string{"bestsellers"}}
	})
	recommended, err := policy.Do(context.Background(), fallback, func(context.Context) ([]string, error) {
		return nil, errors.New("recommendations are down")
	})
	fmt.Println(recommended, err)
	// Output:
	// instead of: recommendations are down
	// [bestsellers] <nil>
}

// Of the answers that cannot be had, only those that a policy has refused are
// replaced: a callee that fails is to be heard of.
func ExampleFallbackWith() {
	fallback, err := policy.FallbackWith(policy.FallbackConfig{
		Name:    "prices",
		On:      []policy.Class{policy.Shed},
		Replace: func(context.Context, policy.Result) policy.Result { return policy.Result{Value: 17} },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	breaker, err := policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	chain := policy.Chain(fallback, breaker)
	for range 2 {
		price, err := policy.Do(context.Background(), chain, func(context.Context) (int, error) {
			return 0, errors.New("no route to host")
		})
		fmt.Println(price, err)
	}
	// Output:
	// 0 no route to host
	// 17 <nil>
}

// What becomes of the program when its callee fails, before it does?
func ExampleFault() {
	fault, err := policy.NewFault(policy.FaultConfig{Abort: policy.FaultAbort{Share: 1, Status: 503}})
	if err != nil {
		fmt.Println(err)
		return
	}
	chain := policy.Chain(policy.FallbackValue("a cached page"), fault)
	fmt.Println(policy.Do(context.Background(), chain, func(context.Context) (string, error) { return "the page", nil }))
	fmt.Println(fault.Status().Aborted, "aborted")
	// Output:
	// a cached page <nil>
	// 1 aborted
}

// What counts as a failure is decided once, for all policies of a chain.
func ExamplePipeline_Classified() {
	breaker, err := policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	errNotFound := errors.New("not found")
	chain := policy.Chain(breaker).Classified(func(ctx context.Context, value any, err error) (policy.Class, time.Duration) {
		if errors.Is(err, errNotFound) {
			return policy.Success, 0 // the callee has done its work
		}
		return policy.Classify(ctx, value, err)
	})
	_, err = policy.Do(context.Background(), chain, func(context.Context) (int, error) { return 0, errNotFound })
	fmt.Println(err, breaker.Status().State)
	// Output: not found closed
}

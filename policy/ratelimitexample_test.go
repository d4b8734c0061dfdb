package policy_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// Somebody else does the waiting, such as a scheduler.
func ExampleRateLimit_Reserve() {
	limit, err := policy.NewRateLimit(policy.RateLimitConfig{
		Requests: 1, Per: time.Minute, Algorithm: policy.LeakyBucket, WaitMax: time.Hour,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		turn, err := limit.Reserve(1)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("in", turn.Delay().Round(time.Minute))
		turn.Cancel() // the work is not needed after all: the next one takes its place
	}
	for range 3 {
		turn, err := limit.Reserve(1)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("in", turn.Delay().Round(time.Minute))
	}
	// Output:
	// in 0s
	// in 0s
	// in 0s
	// in 1m0s
	// in 2m0s
}

// Each user may make two calls a minute.
func ExampleKeyedRateLimit() {
	users, err := policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Requests: 2, Per: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"ann", "ann", "ann", "bob"} {
		err := users.Allow(user)
		if rejected, ok := errors.AsType[*policy.Rejected](err); ok {
			fmt.Println(user, "may try again in", rejected.RetryAfter.Round(time.Second))
			continue
		}
		fmt.Println(user, "is let through")
	}
	// Output:
	// ann is let through
	// ann is let through
	// ann may try again in 30s
	// bob is let through
}

// A call is under its user's limit and under one for all users, in short and
// in long.
func ExampleLimits() {
	must := func(c policy.RateLimitConfig) *policy.RateLimit {
		l, err := policy.NewRateLimit(c)
		if err != nil {
			panic(err)
		}
		return l
	}
	perSecond := must(policy.RateLimitConfig{Requests: 10})
	perHour := must(policy.RateLimitConfig{Requests: 1000, Per: time.Hour})
	users, err := policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Requests: 1, Per: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"ann", "ann", "bob"} {
		err := policy.Limits{perSecond.Limit(), perHour.Limit(), users.Of(user)}.Allow()
		fmt.Println(user, err)
	}
	fmt.Printf("%.0f calls are left in this hour\n", perHour.Status().Left)
	// Output:
	// ann <nil>
	// ann ratelimit: rate limit is reached
	// bob <nil>
	// 998 calls are left in this hour
}

// A job that goes as fast as the limit of somebody else's API lets it.
func ExampleRateLimit_Wait() {
	limit, err := policy.NewRateLimit(policy.RateLimitConfig{Requests: 1000, Burst: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for page := range 3 {
		if err := limit.Wait(ctx); err != nil { // the context ended, or would before the turn
			fmt.Println(err)
			return
		}
		fmt.Println("ask for page", page)
	}
	// Output:
	// ask for page 0
	// ask for page 1
	// ask for page 2
}

// A crawler that asks each host for a page at an even pace, and all of them
// together no more often than its own network bears.
func ExampleLimits_Wait() {
	hosts, err := policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Requests: 100, Algorithm: policy.LeakyBucket})
	if err != nil {
		fmt.Println(err)
		return
	}
	network, err := policy.NewRateLimit(policy.RateLimitConfig{Requests: 1000, WaitMax: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	begin := time.Now()
	for range 3 {
		if err := (policy.Limits{hosts.Of("example.com"), network.Limit()}).Wait(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("at least 20ms for three pages:", time.Since(begin) >= 20*time.Millisecond)
	// Output:
	// at least 20ms for three pages: true
}

// What a client is told of the limits that its request is under.
func ExampleRateLimitFields() {
	users, err := policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Requests: 10, Per: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := users.Of("ann")
	for range 4 {
		if err := ann.Allow(); err != nil {
			fmt.Println(err)
		}
	}
	policies, left := policy.RateLimitFields([]policy.RateLimitStatus{ann.Status()})
	fmt.Println("RateLimit-Policy:", policies)
	fmt.Println("RateLimit:", left)
	// Output:
	// RateLimit-Policy: "default";q=10;w=60
	// RateLimit: "default";r=6;t=60
}

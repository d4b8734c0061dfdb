package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// A retry around a breaker around a timeout for each try.
func ExampleDo() {
	retry, err := policy.NewRetry(policy.RetryConfig{Attempts: 3, Delay: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	breaker, err := policy.NewBreaker(policy.BreakerConfig{Name: "stock"})
	if err != nil {
		fmt.Println(err)
		return
	}
	timeout, err := policy.NewTimeout(policy.TimeoutConfig{Timeout: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	chain := policy.Chain(retry, breaker, timeout) // once; it is safe for concurrent use

	tries := 0
	stock, err := policy.Do(context.Background(), chain, func(context.Context) (int, error) {
		if tries++; tries < 3 {
			return 0, errors.New("connection refused")
		}
		return 17, nil
	})
	fmt.Println(stock, err, "after", tries, "tries")
	// Output: 17 <nil> after 3 tries
}

// A response whose body is read after the function returned holds its permits
// until it is ended.
func ExampleOpen() {
	bulkhead, err := policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fetch := func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("a long stream")), nil
	}
	body, ending, err := policy.Open(context.Background(), bulkhead, fetch, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _, second := policy.Open(context.Background(), bulkhead, fetch, nil)
	fmt.Println("while it streams:", second)

	text, err := io.ReadAll(body)
	_ = body.Close()
	ending.End(err)
	fmt.Printf("%s\n", text)

	_, third, err := policy.Open(context.Background(), bulkhead, fetch, nil)
	third.End(nil)
	fmt.Println("afterwards:", err)
	// Output:
	// while it streams: bulkhead: bulkhead is full
	// a long stream
	// afterwards: <nil>
}

// A proxy holds the permit itself, because its call outlives any function.
func ExampleBreaker_Allow() {
	breaker, err := policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 2, OpenDuration: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		permit, err := breaker.Allow()
		if err != nil {
			fmt.Println(err)
			return
		}
		permit.Done(policy.Failure) // when the last byte is sent, or was not
	}
	_, err = breaker.Allow()
	fmt.Println(errors.Is(err, policy.ErrOpen), breaker.Status().State, "because of", breaker.Status().Why)
	// Output: true open because of 2 failures in a row
}
